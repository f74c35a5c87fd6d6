/** ViTMatte: a graph of a fixed size on overlapping tiles that hold unknown pixels. */
import type { Picture, Size, Tensor, Trimap } from "./arrays.js";
import type { Clock } from "./clock.js";
import type { GraphCall } from "./graph.js";
import type { Matted } from "./lightweight.js";
import type { TilesHost } from "./manifest.js";
import { Stitcher, heightOf, holdsUnknown, type Patch } from "./patches.js";
import { BACKGROUND, FOREGROUND } from "./trimap.js";

/** A tile, and whether the graph runs on it. */
export interface PlacedTile {
  readonly tile: Patch;
  readonly run: boolean;
}

/** The whole host side of the tiles cut. */
export async function matteTiles(
  host: TilesHost,
  graphs: { readonly matte: GraphCall },
  picture: Picture,
  trimap: Trimap,
  clock: Clock,
): Promise<Matted> {
  const placed = placeTiles(host, trimap);
  const stitcher = new Stitcher([trimap.width, trimap.height], host.overlap);
  const nothing = new Float32Array(host.size[0] * host.size[1]);
  for (const [i, { tile, run }] of placed.entries()) {
    clock.progress(i, placed.length);
    if (!run) {
      clock.time("host.stitch", () => stitcher.add(tile, nothing));
      continue;
    }
    const inputs = clock.time("host.crop", () => ({
      image: tileImage(host, picture, tile),
      trimap: tileTrimap(host, trimap, tile),
    }));
    const answer = await clock.wait("graph.matte", () => graphs.matte(inputs));
    clock.time("host.stitch", () => stitcher.add(tile, answer["alpha"].data));
  }
  const alpha = clock.time("host.stitch", () => {
    const whole = stitcher.finish();
    if (host.keep_known !== false) keepKnown(whole.data, trimap);
    return whole;
  });
  return { alpha, trimap };
}

/** Tiles inside a picture, row by row, spread evenly; one where the picture is smaller. */
export function placeTiles(host: TilesHost, trimap: Trimap): PlacedTile[] {
  const size: Size = [trimap.width, trimap.height];
  const [lefts, tops] = size.map((length, axis) => starts(length, host.size[axis], host.overlap));
  const [side, tall] = host.size;
  return tops.flatMap((top) =>
    lefts.map((left) => {
      const tile = { left, top, side, tall };
      return { tile, run: host.keep_known === false || holdsUnknown(trimap, tile) };
    }),
  );
}

function starts(length: number, side: number, overlap: number): number[] {
  const many = Math.max(1, Math.ceil((length - overlap) / (side - overlap)));
  if (many === 1) return [0];
  return Array.from({ length: many }, (_, i) => Math.floor((i * (length - side)) / (many - 1)));
}

/** The picture's part of a tile, (1, 3, height, width), the manifest's padding around it. */
export function tileImage(host: TilesHost, picture: Picture, tile: Patch): Tensor {
  const [width, height] = host.size;
  const area = width * height;
  const data = new Float32Array(3 * area);
  host.padding.forEach((value, plane) => data.fill(value, plane * area, (plane + 1) * area));
  const unit = Math.fround(1 / 255);
  visit(picture, tile, width, (from, to) => {
    for (let plane = 0; plane < 3; plane++) {
      data[plane * area + to] = picture.data[from * 3 + plane] * unit;
    }
  });
  return { shape: [1, 3, height, width], data };
}

/** The trimap's part of a tile, (1, 1, height, width), zeros around it. */
export function tileTrimap(host: TilesHost, trimap: Trimap, tile: Patch): Tensor {
  const [width, height] = host.size;
  const data = new Float32Array(width * height);
  const unit = Math.fround(1 / 255);
  visit(trimap, tile, width, (from, to) => (data[to] = trimap.data[from] * unit));
  return { shape: [1, 1, height, width], data };
}

/** Call with each pixel of a picture that a tile shows, and its place in the tile. */
function visit(
  picture: Picture | Trimap,
  tile: Patch,
  width: number,
  act: (from: number, to: number) => void,
): void {
  const columns = Math.min(tile.side, picture.width - tile.left);
  const rows = Math.min(heightOf(tile), picture.height - tile.top);
  for (let y = 0; y < rows; y++) {
    const from = (tile.top + y) * picture.width + tile.left;
    for (let x = 0; x < columns; x++) act(from + x, y * width + x);
  }
}

/** Set alpha to exactly 0 or 1, in place, where the trimap is known. */
export function keepKnown(alpha: Float32Array, trimap: Trimap): void {
  for (let i = 0; i < alpha.length; i++) {
    if (trimap.data[i] === BACKGROUND) alpha[i] = 0;
    if (trimap.data[i] === FOREGROUND) alpha[i] = 1;
  }
}
