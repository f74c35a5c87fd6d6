/**
 * Patches of a picture: where they lie, cutting them out, and stitching their alphas.
 *
 * Beyond the right and bottom border a picture goes on as its reflection, without repeating the
 * last pixel; a line of one pixel repeats it.
 */
import type { Alpha, Picture, Size, Trimap } from "./arrays.js";
import { FOREGROUND, UNKNOWN } from "./trimap.js";

/** A part of a picture, most often square; it may reach beyond the right and bottom border. */
export interface Patch {
  readonly left: number;
  readonly top: number;
  /** Its width. */
  readonly side: number;
  /** Its height; without it the patch is a square. */
  readonly tall?: number;
}

/** The height of a patch in pixels. */
export function heightOf(patch: Patch): number {
  return patch.tall ?? patch.side;
}

/** Patches that cover a picture, row by row; neighbours share ``overlap``, the last overhang. */
export function patchGrid(size: Size, side: number, overlap: number): Patch[] {
  const [lefts, tops] = size.map((length) => starts(length, side, overlap));
  return tops.flatMap((top) => lefts.map((left) => ({ left, top, side })));
}

function starts(length: number, side: number, overlap: number): number[] {
  const stride = side - overlap;
  const many = Math.max(1, Math.ceil((length - overlap) / stride));
  return Array.from({ length: many }, (_, i) => i * stride);
}

/** Whether the part of a patch inside the picture holds unknown pixels. */
export function holdsUnknown(trimap: Trimap, patch: Patch): boolean {
  const right = Math.min(patch.left + patch.side, trimap.width);
  const bottom = Math.min(patch.top + heightOf(patch), trimap.height);
  for (let y = patch.top; y < bottom; y++) {
    const row = trimap.data.subarray(y * trimap.width + patch.left, y * trimap.width + right);
    if (row.includes(UNKNOWN)) return true;
  }
  return false;
}

/** For each place of start .. stop - 1 the pixel, in a line of ``length``, that stands there. */
export function mirrored(start: number, stop: number, length: number): Int32Array {
  const period = Math.max(1, 2 * (length - 1));
  return Int32Array.from({ length: stop - start }, (_, i) => {
    const place = (start + i) % period;
    return length > 1 ? Math.min(place, period - place) : 0;
  });
}

/** What a patch shows: (side, side, channels) of an array (height, width, channels). */
export function crop(
  array: Picture | Trimap,
  patch: Patch,
  channels: number = array.data.length / (array.width * array.height),
): Uint8Array {
  const { left, top, side } = patch;
  const columns = mirrored(left, left + side, array.width);
  const rows = mirrored(top, top + side, array.height);
  const out = new Uint8Array(side * side * channels);
  const inside = Math.min(side, array.width - left) * channels;
  for (let y = 0; y < side; y++) {
    const from = rows[y] * array.width * channels;
    const to = y * side * channels;
    const start = from + left * channels;
    out.set(array.data.subarray(start, start + inside), to);
    for (let x = inside / channels; x < side; x++) {
      for (let c = 0; c < channels; c++) {
        out[to + x * channels + c] = array.data[from + columns[x] * channels + c];
      }
    }
  }
  return out;
}

/**
 * Weights of a patch's rows or columns: (i + 1/2) / overlap from either end, at most 1. They do
 * not taper towards borders of the picture, where there is no neighbour to blend with.
 */
export function blendRamp(start: number, side: number, length: number, overlap: number) {
  const ramp = new Float32Array(side).fill(1);
  const over = Math.max(overlap, 1);
  for (let i = 0; i < side; i++) {
    const weight = Math.min(Math.fround((i + 0.5) / over), 1);
    if (start > 0) ramp[i] = Math.min(ramp[i], weight);
    const end = side - 1 - i;
    if (start + side < length) ramp[end] = Math.min(ramp[end], weight);
  }
  return ramp;
}

/**
 * Blends alphas of patches: their mean, weighted by the lesser of both ramps.
 *
 * With a trimap, patches lie only where they are needed: where the weights add up to less than 1,
 * the trimap's known pixels have what is missing.
 */
export class Stitcher {
  private readonly sum: Float32Array;
  private readonly weight: Float32Array;

  constructor(
    private readonly size: Size,
    private readonly overlap: number,
    private readonly trimap?: Trimap,
  ) {
    this.sum = new Float32Array(size[0] * size[1]);
    this.weight = new Float32Array(size[0] * size[1]);
  }

  /** Add the alpha of a patch, row by row. */
  add(patch: Patch, alpha: Float32Array): void {
    const [width, height] = this.size;
    const { left, top, side } = patch;
    const across = blendRamp(left, side, width, this.overlap);
    const down = blendRamp(top, heightOf(patch), height, this.overlap);
    const columns = Math.min(side, width - left);
    const rows = Math.min(heightOf(patch), height - top);
    for (let y = 0; y < rows; y++) {
      let at = (top + y) * width + left;
      for (let x = 0; x < columns; x++, at++) {
        const weight = Math.min(across[x], down[y]);
        this.sum[at] += Math.fround(weight * alpha[y * side + x]);
        this.weight[at] += weight;
      }
    }
  }

  /** Alpha of the picture; without a trimap every pixel must be covered by a patch. */
  finish(): Alpha {
    const { sum: data, weight, trimap } = this;
    for (let i = 0; i < data.length; i++) {
      let [value, parts] = [data[i], weight[i]];
      if (trimap) {
        if (parts < 1 && trimap.data[i] === FOREGROUND) value += 1 - parts;
        parts = Math.max(parts, 1);
      }
      data[i] = Math.min(1, Math.max(0, value / parts));
    }
    return { width: this.size[0], height: this.size[1], data };
  }
}
