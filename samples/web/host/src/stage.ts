/**
 * The trimap cascade: a segmentation graph estimates the trimap for a net that needs one.
 *
 * Small islands and holes of the reduced segmentation are removed first.
 */
import { planesOf, toInput, type Picture, type Planes, type Trimap } from "./arrays.js";
import type { Clock } from "./clock.js";
import type { GraphCall } from "./graph.js";
import type { StageHost } from "./manifest.js";
import { resizePicture } from "./resize.js";
import { estimateTrimap } from "./trimap.js";

/** The trimap of a picture, by a bundle's trimap stage. */
export async function stageTrimap(
  host: StageHost,
  graph: GraphCall,
  picture: Picture,
  clock: Clock,
): Promise<Trimap> {
  const image = clock.time("host.reduce", () => toInput(resizePicture(picture, host.size)));
  const answer = await clock.wait("graph.trimap_stage", () => graph({ image }));
  return clock.time("host.trimap", () => {
    const classes = withoutSpecks(planesOf(answer["trimap"]), host.speck_share);
    return estimateTrimap(classes, [picture.width, picture.height], host);
  });
}

/**
 * Fill small holes in the subject and drop small islands.
 *
 * Subject is where P(background) is below one half. A 4-connected piece of the subject with fewer
 * pixels than ``share`` of the picture becomes certain background; then one of the rest, certain
 * foreground.
 */
export function withoutSpecks(probabilities: Planes, share: number): Planes {
  const { width, height } = probabilities;
  const area = width * height;
  const limit = share * area;
  if (limit < 1) return probabilities;
  const subject = Uint8Array.from({ length: area }, (_, i) => +(probabilities.data[i] < 0.5));
  const islands = smallPieces(subject, width, height, limit);
  const rest = subject.map((value, i) => +!(value && !islands[i]));
  const holes = smallPieces(rest, width, height, limit);
  const data = probabilities.data.slice();
  const set = (i: number, certain: number) => {
    for (let plane = 0; plane < 3; plane++) data[plane * area + i] = +(plane === certain);
  };
  for (let i = 0; i < area; i++) {
    if (islands[i]) set(i, 0);
    if (holes[i]) set(i, 1);
  }
  return { ...probabilities, data };
}

/** The pixels of 4-connected pieces of a mask that have fewer than ``limit`` pixels. */
export function smallPieces(
  mask: Uint8Array,
  width: number,
  height: number,
  limit: number,
): Uint8Array {
  const small = new Uint8Array(mask.length);
  const seen = new Uint8Array(mask.length);
  const piece = new Int32Array(mask.length); // pixels of the piece that is being walked
  for (let start = 0; start < mask.length; start++) {
    if (!mask[start] || seen[start]) continue;
    let many = 0;
    const visit = (i: number) => {
      if (!mask[i] || seen[i]) return;
      seen[i] = 1;
      piece[many++] = i;
    };
    visit(start);
    for (let next = 0; next < many; next++) {
      const i = piece[next];
      const x = i % width;
      if (x > 0) visit(i - 1);
      if (x < width - 1) visit(i + 1);
      if (i >= width) visit(i - width);
      if (i < width * (height - 1)) visit(i + width);
    }
    if (many < limit) for (let k = 0; k < many; k++) small[piece[k]] = 1;
  }
  return small;
}
