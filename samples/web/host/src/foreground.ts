/**
 * Foreground colours without the old background's tint: the multi-level estimate.
 *
 * "Fast Multi-Level Foreground Estimation" (Germer, Uelwer, Conrad and Harmeling, ICPR 2020), as
 * edgematte/runtime/host/foreground.py has it, where the equations are: foreground and background
 * are found on one pixel of the picture, on every 2^n-th of its rows and columns, and so on to all
 * of them. A step solves every pixel with its neighbours as they are, so that a block of a level
 * needs no more than as many pixels around it as there are steps.
 */
import type { Alpha, Picture } from "./arrays.js";

const EPSILON = 1e-5;
const SMALL_PX = 32; // levels whose sides are all up to this take more steps
const SMALL_STEPS = 10;
const STEPS = 6;
const OPAQUE = 1 - 1 / 512; // from here on alpha is 1 in 8 bits: the picture's own colours
const BLOCK_ROWS = 64;
const BLOCK_COLUMNS = 128;
const COLOURS = 6; // planes: foreground's red, green and blue, background's

/** Rows and columns of a level, the last ones not included. */
interface Box {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** Every so many rows and columns of a picture and its alpha. */
interface Level {
  readonly width: number;
  readonly height: number;
  readonly every: number;
  readonly picture: Picture;
  readonly alpha: Alpha;
}

/** Planes of colours in [0, 1] of a level. */
interface Colours {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

/** Where alpha is 1 these are the picture's own colours; where it is 0, of foreground nearby. */
export function estimateForeground(picture: Picture, alpha: Alpha): Picture {
  let every = 1;
  while (every < Math.max(picture.width, picture.height)) every *= 2;
  const first = Array.from(picture.data.subarray(0, 3), (value) => value / 255);
  let colours: Colours = { width: 1, height: 1, data: Float32Array.from([...first, ...first]) };
  for (every /= 2; every > 1; every /= 2) colours = estimated(levelOf(picture, alpha, every), colours);
  return finest(levelOf(picture, alpha, 1), colours);
}

function levelOf(picture: Picture, alpha: Alpha, every: number): Level {
  const width = Math.ceil(picture.width / every);
  return { width, height: Math.ceil(picture.height / every), every, picture, alpha };
}

/** Foreground and background of one level, from those of the one before it. */
function estimated(level: Level, coarse: Colours): Colours {
  const { width, height } = level;
  const data = new Float32Array(COLOURS * width * height);
  for (const box of blocks(level)) {
    const outer = grown(box, level);
    const found = stepped(level, outer, doubled(coarse, outer));
    const across = outer.right - outer.left;
    const area = across * (outer.bottom - outer.top);
    for (let plane = 0; plane < COLOURS; plane++) {
      for (let y = box.top; y < box.bottom; y++) {
        const from = plane * area + (y - outer.top) * across + box.left - outer.left;
        const row = found.subarray(from, from + box.right - box.left);
        data.set(row, (plane * height + y) * width + box.left);
      }
    }
  }
  return { width, height, data };
}

/** The foreground's bytes at full size; blocks without a soft pixel need no step. */
function finest(level: Level, coarse: Colours): Picture {
  const { width, height, picture, alpha } = level;
  const data = picture.data.slice();
  for (const box of blocks(level)) {
    const kinds = within(alpha, box);
    if (!kinds.clear) continue;
    const outer = kinds.soft ? grown(box, level) : box;
    let found = doubled(coarse, outer);
    if (kinds.soft) found = stepped(level, outer, found);
    const across = outer.right - outer.left;
    const area = across * (outer.bottom - outer.top);
    for (let y = box.top; y < box.bottom; y++) {
      for (let x = box.left; x < box.right; x++) {
        const pixel = y * width + x;
        if (alpha.data[pixel] >= OPAQUE) continue;
        const at = (y - outer.top) * across + x - outer.left;
        for (let c = 0; c < 3; c++) data[3 * pixel + c] = Math.floor(found[c * area + at] * 255 + 0.5);
      }
    }
  }
  return { width, height, data };
}

/** Whether a box has pixels that are not opaque, and of those any that are not clear either. */
function within(alpha: Alpha, box: Box): { clear: boolean; soft: boolean } {
  let clear = false;
  for (let y = box.top; y < box.bottom; y++) {
    for (let x = box.left; x < box.right; x++) {
      const value = alpha.data[y * alpha.width + x];
      if (value >= OPAQUE) continue;
      clear = true;
      if (value > 0) return { clear, soft: true };
    }
  }
  return { clear, soft: false };
}

/** Steps on a part of a level; near its sides they are right only where the picture ends. */
function stepped(level: Level, box: Box, colours: Float32Array): Float32Array {
  const width = box.right - box.left;
  const height = box.bottom - box.top;
  const area = width * height;
  if (area === 1) return colours; // no neighbours
  const image = new Float32Array(3 * area);
  const alpha = new Float32Array(area);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = ((box.top + y) * level.picture.width + box.left + x) * level.every;
      const at = y * width + x;
      alpha[at] = level.alpha.data[pixel];
      for (let c = 0; c < 3; c++) image[c * area + at] = level.picture.data[3 * pixel + c] / 255;
    }
  }
  const sides = weights(alpha, width, height);
  let now = colours;
  let then: Float32Array = new Float32Array(COLOURS * area);
  for (let step = stepsOf(level); step > 0; step--) {
    for (let at = 0; at < area; at++) {
      const a = alpha[at];
      const left = sides[4 * at];
      const right = sides[4 * at + 1];
      const above = sides[4 * at + 2];
      const below = sides[4 * at + 3];
      const total = left + right + above + below;
      const share = 1 / (a * a + (1 - a) * (1 - a) + total);
      for (let c = 0; c < 3; c++) {
        const front = near(now, c * area + at, width, left, right, above, below) / total;
        const back = near(now, (c + 3) * area + at, width, left, right, above, below) / total;
        const residual = share * (image[c * area + at] - a * front - (1 - a) * back);
        then[c * area + at] = Math.min(1, Math.max(0, front + a * residual));
        then[(c + 3) * area + at] = Math.min(1, Math.max(0, back + (1 - a) * residual));
      }
    }
    [now, then] = [then, now];
  }
  return now;
}

/** The weighted sum of a value's neighbours; weights are 0 where there is none. */
function near(
  values: Float32Array,
  at: number,
  width: number,
  left: number,
  right: number,
  above: number,
  below: number,
): number {
  return (
    (left && left * values[at - 1]) +
    (right && right * values[at + 1]) +
    (above && above * values[at - width]) +
    (below && below * values[at + width])
  );
}

/** Weights of the neighbours left, right, above and below, four a pixel. */
function weights(alpha: Float32Array, width: number, height: number): Float32Array {
  const sides = new Float32Array(4 * alpha.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      if (x + 1 < width) {
        sides[4 * at + 1] = sides[4 * at + 4] = Math.abs(alpha[at + 1] - alpha[at]) + EPSILON;
      }
      if (y + 1 < height) {
        const weight = Math.abs(alpha[at + width] - alpha[at]) + EPSILON;
        sides[4 * at + 3] = sides[4 * (at + width) + 2] = weight;
      }
    }
  }
  return sides;
}

/** A part of a level, every pixel that of the level before it. */
function doubled(coarse: Colours, box: Box): Float32Array {
  const width = box.right - box.left;
  const height = box.bottom - box.top;
  const out = new Float32Array(COLOURS * width * height);
  for (let plane = 0, at = 0; plane < COLOURS; plane++) {
    for (let y = box.top; y < box.bottom; y++) {
      const row = (plane * coarse.height + (y >> 1)) * coarse.width;
      for (let x = box.left; x < box.right; x++) out[at++] = coarse.data[row + (x >> 1)];
    }
  }
  return out;
}

function stepsOf(level: Level): number {
  return Math.max(level.width, level.height) <= SMALL_PX ? SMALL_STEPS : STEPS;
}

/** A box and as many pixels around it as a level takes steps, inside the level. */
function grown(box: Box, level: Level): Box {
  const by = stepsOf(level);
  return {
    top: Math.max(box.top - by, 0),
    bottom: Math.min(box.bottom + by, level.height),
    left: Math.max(box.left - by, 0),
    right: Math.min(box.right + by, level.width),
  };
}

function* blocks({ width, height }: Level): Generator<Box> {
  for (let top = 0; top < height; top += BLOCK_ROWS) {
    for (let left = 0; left < width; left += BLOCK_COLUMNS) {
      const bottom = Math.min(top + BLOCK_ROWS, height);
      yield { top, bottom, left, right: Math.min(left + BLOCK_COLUMNS, width) };
    }
  }
}
