/**
 * The nearest cells of every cell, exactly, and where a pair stands in the table of biases.
 *
 * On a grid many cells are equally near: of these the upper comes first, and in a row the left one.
 */
import type { RegionsHost } from "./manifest.js";
import type { Cell } from "./regions.js";

const REACH = 20; // cells; farther neighbours are found by comparing all pairs

let offsets: readonly (readonly [row: number, column: number])[] | undefined;

function offsetTable() {
  if (offsets) return offsets;
  const all: [number, number][] = [];
  for (let row = -REACH; row <= REACH; row++) {
    for (let column = -REACH; column <= REACH; column++) {
      const apart = row * row + column * column;
      if (apart > 0 && apart <= REACH * REACH) all.push([row, column]);
    }
  }
  // The sort is stable, and the table was made in the order of rows and columns.
  all.sort((one, other) => one[0] ** 2 + one[1] ** 2 - other[0] ** 2 - other[1] ** 2);
  return (offsets = all);
}

/**
 * (n, k + 1): the number of each cell, then those of its k nearest. With at most k cells in all
 * they are all others and then the cell itself, and so on from the start.
 */
export function withNeighbours(cells: readonly Cell[], k: number): Int32Array {
  const group = new Int32Array(cells.length * (k + 1));
  const numbers = new Map(cells.map(({ row, column }, n) => [place(row, column), n]));
  cells.forEach((cell, n) => {
    const start = n * (k + 1);
    group[start] = n;
    const found = (cells.length > k && near(cell, numbers, k)) || compared(cells, n, k);
    for (let i = 0; i < k; i++) group[start + 1 + i] = found[i % found.length];
  });
  return group;
}

function place(row: number, column: number): number {
  return (row + REACH) * 2 ** 20 + column + REACH;
}

function near(cell: Cell, numbers: ReadonlyMap<number, number>, k: number): number[] | undefined {
  const found: number[] = [];
  for (const [down, across] of offsetTable()) {
    const number = numbers.get(place(cell.row + down, cell.column + across));
    if (number !== undefined && found.push(number) === k) return found;
  }
  return undefined;
}

function compared(cells: readonly Cell[], n: number, k: number): number[] {
  const { row, column } = cells[n];
  const ranked = cells.map((other, number) => ({
    number,
    apart: number === n ? Infinity : (other.row - row) ** 2 + (other.column - column) ** 2,
  }));
  ranked.sort((one, other) => {
    if (one.apart === other.apart) return one.number - other.number;
    return one.apart - other.apart;
  });
  return ranked.slice(0, k).map(({ number }) => number);
}

/** (n, k + 1, k + 1): rows of the manifest's ``bias_table`` for every pair of a group. */
export function positions(
  host: RegionsHost,
  cells: readonly Cell[],
  group: Int32Array,
): Int32Array {
  const many = (host.k ?? 0) + 1;
  const range = host.search_range ?? 1;
  const side = 2 * range - 1;
  const last = side * side;
  const out = new Int32Array(group.length * many);
  for (let start = 0, to = 0; start < group.length; start += many) {
    for (let i = 0; i < many; i++) {
      const one = cells[group[start + i]];
      for (let j = 0; j < many; j++, to++) {
        const other = cells[group[start + j]];
        const down = other.row - one.row + range - 1;
        const across = other.column - one.column + range - 1;
        const flat = down * side + across;
        const inside = host.aliasing
          ? flat >= 0 && flat < last
          : down >= 0 && down < side && across >= 0 && across < side;
        out[to] = inside ? flat : last;
      }
    }
  }
  return out;
}
