/**
 * Resizing by the triangle filter: half-pixel centres, antialiased when reducing, the weights of
 * every pixel normalised, columns first and then rows.
 *
 * Bytes are rounded after each of the two passes, with weights of 22 fractional bits, as Pillow
 * does, so that every byte is the same. Floats are summed in double precision and stored as
 * float32 after each pass.
 */
import type { Picture, Planes, Size } from "./arrays.js";

/** A part of the source in its pixels: left, top, right, bottom. */
export type Box = readonly [left: number, top: number, right: number, bottom: number];

const FRACTION_BITS = 22;

/** For every pixel of one side: the first source pixel it reads, how many, and their weights. */
interface Weights {
  readonly taps: number;
  readonly first: Int32Array;
  readonly counts: Int32Array;
  readonly values: Float64Array;
}

function weightsFor(source: number, begin: number, end: number, target: number): Weights {
  const scale = Math.fround(end - begin) / target;
  const support = Math.max(scale, 1);
  const taps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(target);
  const counts = new Int32Array(target);
  const values = new Float64Array(target * taps);
  for (let i = 0; i < target; i++) {
    const centre = begin + (i + 0.5) * scale;
    const low = Math.max(0, Math.trunc(centre - support + 0.5));
    const high = Math.min(source, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let at = low; at < high; at++) {
      const distance = Math.abs((at - centre + 0.5) * (1 / support));
      const weight = distance < 1 ? 1 - distance : 0;
      values[i * taps + at - low] = weight;
      sum += weight;
    }
    for (let k = 0; sum !== 0 && k < high - low; k++) values[i * taps + k] /= sum;
    first[i] = low;
    counts[i] = high - low;
  }
  return { taps, first, counts, values };
}

function fixed(weights: Weights): Int32Array {
  const rounded = new Int32Array(weights.values.length);
  for (let i = 0; i < rounded.length; i++) {
    rounded[i] = Math.trunc(0.5 + weights.values[i] * (1 << FRACTION_BITS));
  }
  return rounded;
}

/** A picture stretched to a size; proportions are not kept. A picture of that size is returned. */
export function resizePicture(picture: Picture, size: Size): Picture {
  const [width, height] = size;
  let { data } = picture;
  if (picture.width !== width) {
    data = bytesAcross(data, picture.width, picture.height, width);
  }
  if (picture.height !== height) data = bytesDown(data, picture.height, width, height);
  return { width, height, data };
}

function bytesAcross(data: Uint8Array, from: number, rows: number, to: number): Uint8Array {
  const weights = weightsFor(from, 0, from, to);
  const values = fixed(weights);
  const out = new Uint8Array(rows * to * 3);
  const half = 1 << (FRACTION_BITS - 1);
  for (let row = 0, place = 0; row < rows; row++) {
    for (let x = 0; x < to; x++) {
      let red = half;
      let green = half;
      let blue = half;
      let at = (row * from + weights.first[x]) * 3;
      const begin = x * weights.taps;
      const end = begin + weights.counts[x];
      for (let k = begin; k < end; k++, at += 3) {
        const weight = values[k];
        red += data[at] * weight;
        green += data[at + 1] * weight;
        blue += data[at + 2] * weight;
      }
      out[place++] = byte(red);
      out[place++] = byte(green);
      out[place++] = byte(blue);
    }
  }
  return out;
}

function bytesDown(data: Uint8Array, from: number, columns: number, to: number): Uint8Array {
  const weights = weightsFor(from, 0, from, to);
  const values = fixed(weights);
  const pitch = columns * 3;
  const out = new Uint8Array(to * pitch);
  const sums = new Int32Array(pitch);
  for (let y = 0; y < to; y++) {
    sums.fill(1 << (FRACTION_BITS - 1));
    for (let k = 0; k < weights.counts[y]; k++) {
      const weight = values[y * weights.taps + k];
      let at = (weights.first[y] + k) * pitch;
      for (let i = 0; i < pitch; i++) sums[i] += data[at++] * weight;
    }
    for (let i = 0; i < pitch; i++) out[y * pitch + i] = byte(sums[i]);
  }
  return out;
}

function byte(sum: number): number {
  const value = sum >> FRACTION_BITS;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/**
 * Planes stretched to a size. With a box only that part of them is; samples near its edge still
 * mix in what lies around it, so that a picture may be enlarged in parts. Bounds of a box count
 * as float32.
 */
export function resizePlanes(planes: Planes, size: Size, box?: Box): Planes {
  const [width, height] = size;
  const whole: Box = [0, 0, planes.width, planes.height];
  const [left, top, right, bottom] = (box ?? whole).map(Math.fround);
  const across = width !== planes.width || left !== 0 || right !== width;
  const down = height !== planes.height || top !== 0 || bottom !== height;
  if (!across && !down) return planes;
  const horizontal = across ? weightsFor(planes.width, left, right, width) : undefined;
  const vertical = down ? weightsFor(planes.height, top, bottom, height) : undefined;
  const from = vertical ? vertical.first[0] : 0;
  const last = height - 1;
  const until = vertical ? vertical.first[last] + vertical.counts[last] : planes.height;
  const out = new Float32Array(planes.planes * width * height);
  const area = planes.width * planes.height;
  for (let plane = 0; plane < planes.planes; plane++) {
    const start = plane * area;
    let part = planes.data.subarray(start + from * planes.width, start + until * planes.width);
    if (horizontal) part = floatsAcross(part, planes.width, until - from, width, horizontal);
    const target = out.subarray(plane * width * height, (plane + 1) * width * height);
    if (vertical) floatsDown(part, from, width, height, vertical, target);
    else target.set(part);
  }
  return { planes: planes.planes, width, height, data: out };
}

function floatsAcross(
  data: Float32Array,
  from: number,
  rows: number,
  to: number,
  weights: Weights,
): Float32Array {
  const out = new Float32Array(rows * to);
  for (let row = 0; row < rows; row++) {
    for (let x = 0; x < to; x++) {
      let sum = 0;
      const at = row * from + weights.first[x];
      for (let k = 0; k < weights.counts[x]; k++) {
        sum += data[at + k] * weights.values[x * weights.taps + k];
      }
      out[row * to + x] = sum;
    }
  }
  return out;
}

function floatsDown(
  data: Float32Array,
  firstRow: number,
  columns: number,
  to: number,
  weights: Weights,
  out: Float32Array,
): void {
  const sums = new Float64Array(columns);
  for (let y = 0; y < to; y++) {
    sums.fill(0);
    for (let k = 0; k < weights.counts[y]; k++) {
      const weight = weights.values[y * weights.taps + k];
      let at = (weights.first[y] + k - firstRow) * columns;
      for (let x = 0; x < columns; x++) sums[x] += data[at++] * weight;
    }
    out.set(sums, y * columns);
  }
}
