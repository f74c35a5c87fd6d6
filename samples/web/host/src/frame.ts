/** Fitting a picture into a graph's static size (reduced if larger, then padded), and back. */
import { roundHalfEven, type Alpha, type Picture, type Size, type Trimap } from "./arrays.js";
import { mirrored } from "./patches.js";
import { resizePicture, resizePlanes } from "./resize.js";

/** Where a picture lies in a static frame: at its top left. */
export interface Frame {
  readonly picture: Size;
  /** The part of the frame that it fills; the picture's own size where that fits. */
  readonly used: Size;
  readonly size: Size;
}

/** A picture that fits keeps its size; a larger one is reduced, its sides in proportion. */
export function frameFor(picture: Size, size: Size): Frame {
  const [width, height] = picture;
  if (width <= size[0] && height <= size[1]) return { picture, used: picture, size };
  const scale = Math.min(size[0] / width, size[1] / height);
  const reduced = (side: number, most: number) =>
    Math.min(most, Math.max(1, roundHalfEven(side * scale)));
  return { picture, used: [reduced(width, size[0]), reduced(height, size[1])], size };
}

/** The picture in its frame, reflected beyond its right and bottom borders. */
export function toFrame(picture: Picture, frame: Frame): Picture {
  const inside = resizePicture(picture, frame.used);
  const [width, height] = frame.size;
  const [used, rowsUsed] = frame.used;
  if (used === width && rowsUsed === height) return inside;
  const columns = mirrored(0, width, used);
  const rows = mirrored(0, height, rowsUsed);
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (rows[y] * used + columns[x]) * 3;
      data[to++] = inside.data[from];
      data[to++] = inside.data[from + 1];
      data[to++] = inside.data[from + 2];
    }
  }
  return { width, height, data };
}

/** Alpha of the frame -> of the picture, in [0, 1]. */
export function fromFrame(alpha: Alpha, frame: Frame): Alpha {
  const [used, rowsUsed] = frame.used;
  const inside = new Float32Array(used * rowsUsed);
  for (let y = 0; y < rowsUsed; y++) {
    inside.set(alpha.data.subarray(y * alpha.width, y * alpha.width + used), y * used);
  }
  const [width, height] = frame.picture;
  if (used === width && rowsUsed === height) return { width, height, data: inside };
  const planes = { planes: 1, width: used, height: rowsUsed, data: inside };
  const whole = resizePlanes(planes, frame.picture).data;
  return { width, height, data: whole.map((value) => Math.min(1, Math.max(0, value))) };
}

/** The same for classes, which must not be mixed: takes the nearest pixel. */
export function classesFromFrame(classes: Trimap, frame: Frame): Trimap {
  const [width, height] = frame.picture;
  const nearest = (length: number, used: number) =>
    Int32Array.from({ length }, (_, i) => Math.floor(((2 * i + 1) * used) / (2 * length)));
  const rows = nearest(height, frame.used[1]);
  const columns = nearest(width, frame.used[0]);
  const data = new Uint8Array(width * height);
  for (let y = 0, to = 0; y < height; y++) {
    const from = rows[y] * classes.width;
    for (let x = 0; x < width; x++) data[to++] = classes.data[from + columns[x]];
  }
  return { width, height, data };
}
