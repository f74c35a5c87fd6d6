/**
 * Foreground colours without the old background's tint: blur fusion, twice.
 *
 * "Approximate Fast Foreground Colour Estimation" (Forte, ICIP 2021): foreground and background are
 * blurred, weighted by alpha, and the foreground then moves towards colours that compose to the
 * picture.
 */
import type { Alpha, Picture } from "./arrays.js";

const RADII_PX = [45, 3]; // half sides of the two box blurs
const STRIP = 256; // rows worked on at a time
const SMALL = 1e-5; // where all weights are 0 this gives about the plain mean of the colours

/**
 * Where alpha is 1 these are the picture's own colours; where it is 0, of foreground nearby. Strips
 * of rows in which no alpha is between the two keep the picture's colours.
 */
export function estimateForeground(picture: Picture, alpha: Alpha): Picture {
  const { width, height } = picture;
  const data = new Uint8Array(picture.data.length);
  const halo = RADII_PX.reduce((sum, radius) => sum + radius, 0);
  for (let top = 0; top < height; top += STRIP) {
    const first = Math.max(top - halo, 0);
    const last = Math.min(top + STRIP + halo, height);
    const weight = alpha.data.subarray(first * width, last * width);
    const strip = alpha.data.subarray(top * width, Math.min(top + STRIP, height) * width);
    if (!strip.some((value) => value > 0 && value < 1)) {
      data.set(picture.data.subarray(top * width * 3, top * width * 3 + strip.length * 3), top * width * 3);
      continue;
    }
    const image = Float32Array.from(picture.data.subarray(first * width * 3, last * width * 3));
    const rest = weight.map((value) => 1 - value);
    let foreground = image;
    let background = image;
    for (const radius of RADII_PX) {
      const near = mean(foreground, weight, width, radius);
      background = mean(background, rest, width, radius);
      foreground = new Float32Array(image.length);
      for (let i = 0; i < weight.length; i++) {
        for (let at = 3 * i; at < 3 * i + 3; at++) {
          const composed = weight[i] * near[at] + rest[i] * background[at];
          foreground[at] = near[at] + weight[i] * (image[at] - composed);
        }
      }
    }
    const begin = (top - first) * width * 3;
    const kept = foreground.subarray(begin, begin + Math.min(STRIP, height - top) * width * 3);
    const out = data.subarray(top * width * 3);
    for (let i = 0; i < kept.length; i++) out[i] = Math.round(Math.min(255, Math.max(0, kept[i])));
  }
  return { width, height, data };
}

/** Mean colour in a box around every pixel, weighted; boxes end at the border. */
function mean(colour: Float32Array, weight: Float32Array, width: number, radius: number) {
  const height = weight.length / width;
  const channels = new Float32Array(weight.length * 4);
  for (let i = 0; i < weight.length; i++) {
    const share = weight[i] + SMALL;
    for (let c = 0; c < 3; c++) channels[4 * i + c] = colour[3 * i + c] * share;
    channels[4 * i + 3] = share;
  }
  const across = new Float64Array(channels.length);
  for (let y = 0; y < height; y++) boxSums(channels, across, y * width * 4, 4, width, radius);
  const sums = down(across, width, height, radius);
  const out = new Float32Array(colour.length);
  for (let i = 0; i < weight.length; i++) {
    for (let c = 0; c < 3; c++) out[3 * i + c] = sums[4 * i + c] / sums[4 * i + 3];
  }
  return out;
}

/** Sums of a sliding box along one row of four channels. */
function boxSums(
  from: Float32Array,
  to: Float64Array,
  start: number,
  step: number,
  length: number,
  radius: number,
): void {
  for (let c = 0; c < 4; c++) {
    let sum = 0;
    const at = (i: number) => start + i * step + c;
    for (let i = 0; i < Math.min(radius, length); i++) sum += from[at(i)];
    for (let i = 0; i < length; i++) {
      if (i + radius < length) sum += from[at(i + radius)];
      if (i - radius > 0) sum -= from[at(i - radius - 1)];
      to[at(i)] = sum;
    }
  }
}

/** Sums of a sliding box down the columns, a whole row at a time. */
function down(from: Float64Array, width: number, height: number, radius: number): Float64Array {
  const pitch = width * 4;
  const out = new Float64Array(from.length);
  const sum = new Float64Array(pitch);
  const row = (y: number) => from.subarray(y * pitch, (y + 1) * pitch);
  const add = (y: number, sign: number) => {
    const values = row(y);
    for (let i = 0; i < pitch; i++) sum[i] += sign * values[i];
  };
  for (let y = 0; y < Math.min(radius, height); y++) add(y, 1);
  for (let y = 0; y < height; y++) {
    if (y + radius < height) add(y + radius, 1);
    if (y - radius > 0) add(y - radius - 1, -1);
    out.set(sum, y * pitch);
  }
  return out;
}
