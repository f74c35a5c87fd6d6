/** The lightweight net: one graph at a fixed size (fused), or patches of any picture (split). */
import { planesOf, toInput, type Alpha, type Picture, type Planes, type Size } from "./arrays.js";
import type { Tensor, Trimap } from "./arrays.js";
import type { Clock } from "./clock.js";
import { InputError } from "./errors.js";
import type { GraphCall } from "./graph.js";
import type { FusedHost, SplitHost } from "./manifest.js";
import { cover } from "./cover.js";
import { Stitcher, crop, holdsUnknown, mirrored, patchGrid, type Patch } from "./patches.js";
import { resizePicture, resizePlanes } from "./resize.js";
import { BACKGROUND, FOREGROUND, UNKNOWN, estimateTrimap } from "./trimap.js";

/** Alpha and trimap of a picture. */
export interface Matted {
  readonly alpha: Alpha;
  readonly trimap: Trimap;
}

/** The whole host side of the fused cut. */
export async function matteFused(
  host: FusedHost,
  graphs: { readonly matte: GraphCall },
  picture: Picture,
  trimap: Trimap | undefined,
  clock: Clock,
): Promise<Matted> {
  if (trimap) {
    throw new InputError("this bundle is one fused graph and takes no trimap; export the split cut");
  }
  const size = [picture.width, picture.height] as const;
  const image = clock.time("host.reduce", () => toInput(resizePicture(picture, host.size)));
  const answer = await clock.wait("graph.matte", () => graphs.matte({ image }));
  const alpha = clock.time("host.enlarge", () => enlarge(planesOf(answer["alpha"]), size));
  const classes = planesOf(answer["trimap"]);
  return { alpha, trimap: clock.time("host.trimap", () => estimateTrimap(classes, size, host)) };
}

/** Alpha of the reduced picture -> of the whole, in [0, 1]. */
export function enlarge(alpha: Planes, size: Size): Alpha {
  const { width, height, data } = resizePlanes(alpha, size);
  return { width, height, data: data.map((value) => Math.min(1, Math.max(0, value))) };
}

/** The whole host side of the split cut; a given trimap replaces the segmentation's answer. */
export async function matteSplit(
  host: SplitHost,
  graphs: { readonly segment: GraphCall; readonly refine: GraphCall },
  picture: Picture,
  given: Trimap | undefined,
  clock: Clock,
): Promise<Matted> {
  const size = [picture.width, picture.height] as const;
  let probabilities: Planes | undefined;
  let trimap = given;
  if (!trimap) {
    const image = clock.time("host.reduce", () => toInput(resizePicture(picture, host.size)));
    const answer = await clock.wait("graph.segment", () => graphs.segment({ image }));
    const classes = planesOf(answer["trimap"]);
    probabilities = classes;
    trimap = clock.time("host.trimap", () => estimateTrimap(classes, size, host));
  }
  const whole = trimap;
  const stitcher = stitcherFor(host, whole);
  const placed = placePatches(host, whole);
  for (const [i, { patch, refined }] of placed.entries()) {
    clock.progress(i, placed.length);
    if (!refined) {
      clock.time("host.stitch", () => stitcher.add(patch, knownAlpha(whole, patch)));
      continue;
    }
    const inputs = clock.time("host.crop", () => ({
      image: picturePatch(picture, patch),
      trimap: probabilityPatch(probabilities, whole, patch),
    }));
    const answer = await clock.wait("graph.refine", () => graphs.refine(inputs));
    clock.time("host.stitch", () => stitcher.add(patch, answer["alpha"].data));
  }
  return { alpha: clock.time("host.stitch", () => stitcher.finish()), trimap: whole };
}

/** A patch, and whether it holds unknown pixels, so that the graph refines it. */
export interface PlacedPatch {
  readonly patch: Patch;
  readonly refined: boolean;
}

/** Where the patches of a picture lie, and which of them are refined. */
export function placePatches(host: SplitHost, trimap: Trimap): PlacedPatch[] {
  const { patch: side, overlap, lattice } = host;
  const patches =
    lattice != null
      ? cover(trimap, side, overlap, lattice)
      : patchGrid([trimap.width, trimap.height], side, overlap);
  return patches.map((patch) => ({ patch, refined: holdsUnknown(trimap, patch) }));
}

/** What makes alpha of the patches' alphas. */
export function stitcherFor(host: SplitHost, trimap: Trimap): Stitcher {
  const placed = host.lattice != null;
  return new Stitcher([trimap.width, trimap.height], host.overlap, placed ? trimap : undefined);
}

/** The picture's part of what the refining graph sees: (1, 3, side, side). */
export function picturePatch(picture: Picture, patch: Patch): Tensor {
  return toInput({ width: patch.side, height: patch.side, data: crop(picture, patch) });
}

/** Alpha of a patch without unknown pixels: trimap / 255. */
export function knownAlpha(trimap: Trimap, patch: Patch): Float32Array {
  return Float32Array.from(crop(trimap, patch), (value) => (value === FOREGROUND ? 1 : 0));
}

/**
 * Class probabilities (1, 3, side, side) of one patch: the segmentation's, enlarged to the
 * picture and reflected beyond its border; or the one-hot classes of a given trimap.
 */
export function probabilityPatch(
  probabilities: Planes | undefined,
  trimap: Trimap,
  patch: Patch,
): Tensor {
  const { left, top, side } = patch;
  const shape = [1, 3, side, side];
  const area = side * side;
  const data = new Float32Array(3 * area);
  if (!probabilities) {
    const classes = crop(trimap, patch);
    [BACKGROUND, FOREGROUND, UNKNOWN].forEach((value, plane) => {
      for (let i = 0; i < area; i++) if (classes[i] === value) data[plane * area + i] = 1;
    });
    return { shape, data };
  }
  const columns = mirrored(left, left + side, trimap.width);
  const rows = mirrored(top, top + side, trimap.height);
  const [first, last] = [Math.min(...columns), Math.max(...columns)];
  const [upper, lower] = [Math.min(...rows), Math.max(...rows)];
  const wide = last + 1 - first;
  const tall = lower + 1 - upper;
  const across = probabilities.width / trimap.width;
  const down = probabilities.height / trimap.height;
  const box = [first * across, upper * down, (first + wide) * across, (upper + tall) * down] as const;
  const part = resizePlanes(probabilities, [wide, tall], box).data;
  for (let plane = 0, to = 0; plane < 3; plane++) {
    for (let y = 0; y < side; y++) {
      const from = (plane * tall + rows[y] - upper) * wide;
      for (let x = 0; x < side; x++) data[to++] = part[from + columns[x] - first];
    }
  }
  return { shape, data };
}
