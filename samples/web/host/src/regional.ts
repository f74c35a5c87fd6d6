/** The regional net: a coarse net on the frame, then its uncertain cells, N at a time. */
import { planesOf, toInput, type Alpha, type Picture, type Tensor, type Trimap } from "./arrays.js";
import type { Clock } from "./clock.js";
import { InputError } from "./errors.js";
import { classesFromFrame, frameFor, fromFrame, toFrame } from "./frame.js";
import type { GraphCall, Tensors } from "./graph.js";
import type { Matted } from "./lightweight.js";
import type { RegionsHost } from "./manifest.js";
import { positions, withNeighbours } from "./neighbours.js";
import { CELL_PX, cellClasses, cropRegions, pasteRegions, selectCells, type Cell } from "./regions.js";

const CELL_AREA = CELL_PX * CELL_PX;
const SKIPS = ["skip8", "skip4", "skip2"];

/** Graphs of the regional net; ``encode`` where regions attend to each other. */
export interface RegionalGraphs {
  readonly coarse: GraphCall;
  readonly encode?: GraphCall;
  readonly refine: GraphCall;
}

/** The whole host side of the regional net. */
export async function matteRegions(
  host: RegionsHost,
  graphs: RegionalGraphs,
  picture: Picture,
  trimap: Trimap | undefined,
  clock: Clock,
): Promise<Matted> {
  if (trimap) throw new InputError("the regional net finds its own trimap and takes none");
  const frame = frameFor([picture.width, picture.height], host.size);
  const framed = clock.time("host.frame", () => toFrame(picture, frame));
  const image = clock.time("host.frame", () => toInput(framed));
  const coarse = await clock.wait("graph.coarse", () => graphs.coarse({ image }));
  const cellTrimap = planesOf(coarse["cell_trimap"]);
  const cells = clock.time("host.select", () => selectCells(cellTrimap, host.max_regions));
  const { width, height, data } = planesOf(coarse["alpha"]);
  const refined = await refine(host, graphs, framed, { width, height, data }, cells, clock);
  const whole = clock.time("host.paste", () =>
    pasteRegions(planesOf(coarse["cell_alpha"]), refined, cells),
  );
  return clock.time("host.finish", () => ({
    alpha: fromFrame(whole, frame),
    trimap: classesFromFrame(cellClasses(cellTrimap), frame),
  }));
}

/** Alpha (n, 8, 8) of the chosen cells. */
async function refine(
  host: RegionsHost,
  graphs: RegionalGraphs,
  framed: Picture,
  coarse: Alpha,
  cells: readonly Cell[],
  clock: Clock,
): Promise<Float32Array> {
  const alpha = new Float32Array(cells.length * CELL_AREA);
  const many = host.regions;
  const starts = Array.from({ length: Math.ceil(cells.length / many) }, (_, i) => i * many);
  const regions = clock.time("host.crop", () =>
    starts.map((start) => {
      const part = cells.slice(start, start + many);
      return filled(cropRegions(framed, coarse, part), [many, 4, CELL_PX, CELL_PX]);
    }),
  );
  const { encode } = graphs;
  if (!host.k || !encode || !cells.length) {
    for (const [i, start] of starts.entries()) {
      const answer = await clock.wait("graph.refine", () => graphs.refine({ region: regions[i] }));
      keep(answer, alpha, start);
    }
    return alpha;
  }
  const group = clock.time("host.neighbours", () => withNeighbours(cells, host.k ?? 0));
  const encoded: Tensors[] = [];
  for (const region of regions) {
    encoded.push(await clock.wait("graph.encode", () => encode({ region })));
  }
  const length = encoded[0]["token"].data.length / many;
  const tokens = new Float32Array(starts.length * many * length);
  encoded.forEach((part, i) => tokens.set(part["token"].data, i * many * length));
  for (const [i, start] of starts.entries()) {
    const inputs = clock.time("host.gather", () => {
      const near = group.subarray(start * (host.k! + 1), (start + many) * (host.k! + 1));
      const skips = SKIPS.map((name) => [name, encoded[i][name]] as const);
      return { ...Object.fromEntries(skips), ...gathered(host, cells, near, tokens, length) };
    });
    keep(await clock.wait("graph.refine", () => graphs.refine(inputs)), alpha, start);
    clock.progress(i + 1, starts.length);
  }
  return alpha;
}

/** Tokens of each group of cells, and the biases of its pairs. */
function gathered(
  host: RegionsHost,
  cells: readonly Cell[],
  group: Int32Array,
  tokens: Float32Array,
  length: number,
): { tokens: Tensor; bias: Tensor } {
  const members = host.k! + 1;
  const near = new Float32Array(group.length * length);
  group.forEach((cell, i) => {
    near.set(tokens.subarray(cell * length, (cell + 1) * length), i * length);
  });
  const table = host.bias_table!;
  const heads = table[0].length;
  const places = positions(host, cells, group);
  const biases = new Float32Array(places.length * heads);
  places.forEach((row, i) => biases.set(table[row], i * heads));
  return {
    tokens: filled(near, [host.regions, members, length]),
    bias: filled(biases, [host.regions, members, members, heads]),
  };
}

/** The values, with zeros after them, as a tensor: a short last call has entries for all. */
function filled(values: Float32Array, shape: readonly number[]): Tensor {
  const data = new Float32Array(shape.reduce((product, side) => product * side, 1));
  data.set(values);
  return { shape, data };
}

function keep(answer: Tensors, alpha: Float32Array, start: number): void {
  const cell = answer["cell"].data;
  const begin = start * CELL_AREA;
  alpha.set(cell.subarray(0, alpha.length - begin), begin);
}
