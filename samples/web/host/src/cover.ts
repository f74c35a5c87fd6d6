/** Covering the unknown pixels of a picture with few patches. */
import type { Trimap } from "./arrays.js";
import type { Patch } from "./patches.js";
import { UNKNOWN } from "./trimap.js";

/** For each possible patch along an axis the cells of its core: from, and before where. */
type Spans = readonly (readonly [from: number, before: number])[];

/**
 * Patches that together hold every unknown pixel in their cores, row by row.
 *
 * The core of a patch is the patch without its margins; it has none at the picture's own borders.
 * Patches start at multiples of the lattice. They are chosen one after the other: each time the
 * patch whose core adds the most unknown pixels; of several the uppermost, then the leftmost.
 */
export function cover(trimap: Trimap, side: number, margin: number, lattice: number): Patch[] {
  const cell = commonDivisor(lattice, margin);
  const width = Math.ceil(trimap.width / cell);
  const height = Math.ceil(trimap.height / cell);
  const left = new Int32Array(width * height); // unknown pixels of each cell, not yet in a core
  for (let i = 0; i < trimap.data.length; i++) {
    if (trimap.data[i] !== UNKNOWN) continue;
    const y = Math.floor(i / trimap.width);
    left[Math.floor(y / cell) * width + Math.floor((i - y * trimap.width) / cell)]++;
  }
  const rows = cores(trimap.height, side, margin, lattice, cell);
  const columns = cores(trimap.width, side, margin, lattice, cell);
  const corners: [row: number, column: number][] = [];
  while (left.some((count) => count > 0)) {
    const [row, column] = best(sums(left, width, height), width, rows, columns);
    for (let y = rows[row][0]; y < rows[row][1]; y++) {
      left.fill(0, y * width + columns[column][0], y * width + columns[column][1]);
    }
    corners.push([row, column]);
  }
  corners.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  return corners.map(([row, column]) => ({ left: column * lattice, top: row * lattice, side }));
}

function commonDivisor(one: number, other: number): number {
  return other === 0 ? one : commonDivisor(other, one % other);
}

function cores(length: number, side: number, margin: number, lattice: number, cell: number): Spans {
  const many = Math.max(0, Math.ceil((length - side) / lattice)) + 1;
  return Array.from({ length: many }, (_, i) => {
    const start = i * lattice;
    const first = start > 0 ? start + margin : 0;
    const last = start + side < length ? start + side - margin : length;
    return [Math.ceil(first / cell), Math.ceil(last / cell)] as const;
  });
}

/** Sums of all cells above and to the left of each corner of a cell. */
function sums(cells: Int32Array, width: number, height: number): Float64Array {
  const total = new Float64Array((width + 1) * (height + 1));
  for (let y = 0; y < height; y++) {
    let row = 0;
    for (let x = 0; x < width; x++) {
      row += cells[y * width + x];
      total[(y + 1) * (width + 1) + x + 1] = total[y * (width + 1) + x + 1] + row;
    }
  }
  return total;
}

function best(total: Float64Array, width: number, rows: Spans, columns: Spans): [number, number] {
  let found: [number, number] = [0, 0];
  let most = -1;
  rows.forEach(([top, bottom], row) => {
    const [upper, lower] = [top * (width + 1), bottom * (width + 1)];
    columns.forEach(([first, last], column) => {
      const strip = total[lower + last] - total[upper + last];
      const gain = strip - (total[lower + first] - total[upper + first]);
      if (gain > most) [most, found] = [gain, [row, column]];
    });
  });
  return found;
}
