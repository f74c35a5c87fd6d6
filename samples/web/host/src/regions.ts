/** Regions: the uncertain 8x8 cells of a frame, chosen, cut out of it and pasted back. */
import type { Alpha, Picture, Planes, Trimap } from "./arrays.js";
import { BACKGROUND, FOREGROUND, UNKNOWN } from "./trimap.js";

/** Side of a cell in pixels. */
export const CELL_PX = 8;
const CELL_AREA = CELL_PX * CELL_PX;

/** A cell on the grid of cells; lists of them ascend by row, then column. */
export interface Cell {
  readonly row: number;
  readonly column: number;
}

/**
 * Cells whose likeliest class is unknown; of equally likely classes the first counts.
 *
 * @param trimap P(background), P(unknown), P(foreground) of every cell.
 * @param most keep at most so many, those of the largest entropy; of equals the first.
 */
export function selectCells(trimap: Planes, most?: number | null): Cell[] {
  const { width, height, data } = trimap;
  const area = width * height;
  const found: number[] = [];
  for (let i = 0; i < area; i++) {
    if (data[area + i] > data[i] && data[area + i] >= data[2 * area + i]) found.push(i);
  }
  const cellOf = (i: number) => ({ row: Math.floor(i / width), column: i % width });
  if (most == null || found.length <= most) return found.map(cellOf);
  const entropy = (i: number) => {
    let sum = 0;
    for (let plane = 0; plane < 3; plane++) {
      const p = data[plane * area + i];
      sum += p > 0 ? p * Math.log(p) : 0;
    }
    return -sum;
  };
  const ranked = found.map((i) => ({ i, entropy: entropy(i) }));
  ranked.sort((one, other) => other.entropy - one.entropy); // stable: of equals the first
  const kept = ranked.slice(0, most).map(({ i }) => i);
  return kept.sort((one, other) => one - other).map(cellOf);
}

/** Every pixel's class of the frame, from the classes of its cells; of equals the first. */
export function cellClasses(trimap: Planes): Trimap {
  const area = trimap.width * trimap.height;
  const values = [BACKGROUND, UNKNOWN, FOREGROUND];
  const classes = new Uint8Array(area);
  for (let i = 0; i < area; i++) {
    let best = 0;
    for (let plane = 1; plane < 3; plane++) {
      if (trimap.data[plane * area + i] > trimap.data[best * area + i]) best = plane;
    }
    classes[i] = values[best];
  }
  const [width, height] = [trimap.width * CELL_PX, trimap.height * CELL_PX];
  const data = new Uint8Array(width * height);
  enlargeCells(classes, trimap.width, data);
  return { width, height, data };
}

/** Repeat the values of cells over their pixels. */
export function enlargeCells<T extends Uint8Array | Float32Array>(
  cells: T,
  columns: number,
  out: T,
): void {
  const width = columns * CELL_PX;
  for (let i = 0; i < out.length; i++) {
    const [y, x] = [Math.floor(i / width), i % width];
    out[i] = cells[Math.floor(y / CELL_PX) * columns + Math.floor(x / CELL_PX)];
  }
}

/** RGB and coarse alpha of some cells, (n, 4, 8, 8) in [0, 1]. */
export function cropRegions(framed: Picture, alpha: Alpha, cells: readonly Cell[]): Float32Array {
  const out = new Float32Array(cells.length * 4 * CELL_AREA);
  const unit = Math.fround(1 / 255);
  cells.forEach(({ row, column }, n) => {
    for (let y = 0; y < CELL_PX; y++) {
      for (let x = 0; x < CELL_PX; x++) {
        const pixel = (row * CELL_PX + y) * framed.width + column * CELL_PX + x;
        const to = n * 4 * CELL_AREA + y * CELL_PX + x;
        for (let c = 0; c < 3; c++) out[to + c * CELL_AREA] = framed.data[pixel * 3 + c] * unit;
        out[to + 3 * CELL_AREA] = alpha.data[pixel];
      }
    }
  });
  return out;
}

/** Alpha of the frame: that of the cells, with refined cells (n, 8, 8) pasted over it. */
export function pasteRegions(
  cellAlpha: Planes,
  refined: Float32Array,
  cells: readonly Cell[],
): Alpha {
  const [width, height] = [cellAlpha.width * CELL_PX, cellAlpha.height * CELL_PX];
  const data = new Float32Array(width * height);
  enlargeCells(cellAlpha.data, cellAlpha.width, data);
  cells.forEach(({ row, column }, n) => {
    for (let y = 0; y < CELL_PX; y++) {
      const from = n * CELL_AREA + y * CELL_PX;
      const to = (row * CELL_PX + y) * width + column * CELL_PX;
      data.set(refined.subarray(from, from + CELL_PX), to);
    }
  });
  return { width, height, data };
}
