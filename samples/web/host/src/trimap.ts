/** Trimaps: estimated from class probabilities, and turned into probabilities again. */
import type { Planes, Size, Trimap } from "./arrays.js";
import { resizePlanes } from "./resize.js";

export const BACKGROUND = 0;
export const UNKNOWN = 128;
export const FOREGROUND = 255;

const STRIP = 256; // rows enlarged at a time, so that hardly more memory is used than the result

/** What a manifest says about estimating a trimap. */
export interface TrimapRule {
  /** P(unknown) from which a pixel is unknown, even where another class is likelier. */
  readonly unknown_threshold: number;
  /** How far the unknown region then grows, in pixels of the whole picture. */
  readonly band_px: number;
}

/**
 * Probabilities (background, foreground, unknown) of a reduced picture -> the trimap of the whole.
 *
 * They are enlarged as floats first. A pixel is unknown where P(unknown) reaches the threshold or
 * the larger of the other two (a tie is unknown); else foreground where that is likelier than
 * background (a tie is background). The unknown region then grows by a square.
 */
export function estimateTrimap(probabilities: Planes, size: Size, rule: TrimapRule): Trimap {
  const [width, height] = size;
  const data = new Uint8Array(width * height);
  const threshold = Math.fround(rule.unknown_threshold);
  for (let top = 0; top < height; top += STRIP) {
    const bottom = Math.min(top + STRIP, height);
    const rows = probabilities.height;
    const box = [0, (top * rows) / height, probabilities.width, (bottom * rows) / height] as const;
    const strip = resizePlanes(probabilities, [width, bottom - top], box).data;
    const area = width * (bottom - top);
    for (let i = 0, at = top * width; i < area; i++, at++) {
      const background = strip[i];
      const foreground = strip[area + i];
      const likelier = Math.max(foreground, background);
      if (strip[2 * area + i] >= Math.min(threshold, likelier)) data[at] = UNKNOWN;
      else data[at] = foreground > background ? FOREGROUND : BACKGROUND;
    }
  }
  if (rule.band_px) dilateUnknown(data, width, height, rule.band_px);
  return { width, height, data };
}

/** Grow the unknown region of a trimap, in place, by a square of side 2 * radius + 1. */
export function dilateUnknown(
  trimap: Uint8Array,
  width: number,
  height: number,
  radius: number,
): void {
  const across = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    spread(trimap, across, y * width, 1, width, radius, UNKNOWN);
  }
  for (let x = 0; x < width; x++) {
    spread(across, trimap, x, width, height, radius, 1);
  }
}

/** Along one line: mark ``to`` wherever ``from`` holds ``value`` within the radius. */
function spread(
  from: Uint8Array,
  to: Uint8Array,
  start: number,
  step: number,
  length: number,
  radius: number,
  value: number,
): void {
  const mark = value === UNKNOWN ? 1 : UNKNOWN;
  let marked = 0; // the first place that is not yet decided
  for (let i = 0; i < length; i++) {
    if (from[start + i * step] !== value) continue;
    const end = Math.min(length, i + radius + 1);
    for (let k = Math.max(marked, i - radius); k < end; k++) to[start + k * step] = mark;
    marked = end;
  }
}

/** Whether any pixel of a trimap is unknown. */
export function hasUnknown(trimap: Trimap): boolean {
  return trimap.data.includes(UNKNOWN);
}

/** A grey picture as a trimap: below 85 background, from 170 on foreground, else unknown. */
export function readTrimap(grey: Trimap): Trimap {
  const data = grey.data.map((value) =>
    value < 85 ? BACKGROUND : value >= 170 ? FOREGROUND : UNKNOWN,
  );
  return { width: grey.width, height: grey.height, data };
}
