/** From a bundle and an engine to something that mattes pictures. */
import type { Alpha, Picture, Trimap } from "./arrays.js";
import type { Bundle } from "./bundle.js";
import { Clock, type RunOptions } from "./clock.js";
import { BundleError, InputError } from "./errors.js";
import { runnable, type GraphCall, type Session } from "./graph.js";
import { matteFused, matteSplit, type Matted } from "./lightweight.js";
import { known, type GraphInfo, type Manifest } from "./manifest.js";
import { matteRegions } from "./regional.js";
import { stageTrimap } from "./stage.js";
import { matteTiles } from "./tiles.js";

/** The result for one picture. */
export interface Matte {
  /** In [0, 1]. */
  readonly alpha: Alpha;
  /** 0 background, 128 unknown, 255 foreground. */
  readonly trimap: Trimap;
  /** By stage: ``host.reduce``, ``graph.segment``, ... */
  readonly milliseconds: Readonly<Record<string, number>>;
}

/** Opens a session of an engine for one graph; ``model`` is the graph's file. */
export type OpenSession = (graph: GraphInfo, model: Uint8Array) => Promise<Session>;

/** Mattes pictures with the graphs of a bundle. */
export class Matter {
  constructor(
    readonly manifest: Manifest,
    readonly graphs: Readonly<Record<string, GraphCall>>,
  ) {
    if (!known(manifest.host)) {
      throw new BundleError(
        `the host side of ${manifest.model} (${manifest.host.kind}) is not in this package; it ` +
          "has lightweight, regional, and vitmatte's tiles of one size",
      );
    }
    for (const name of needed(manifest)) {
      if (!graphs[name]) throw new BundleError(`the bundle has no graph ${name}; export again`);
    }
  }

  /** Whether a trimap may be given. */
  get takesTrimap(): boolean {
    return ["split", "tiles"].includes(this.manifest.host.kind);
  }

  /**
   * Alpha of a picture.
   *
   * @param trimap of the picture's size, in place of the estimated one: {@link takesTrimap}.
   * @throws InputError for a trimap of another size, or where the bundle takes none.
   */
  async matte(picture: Picture, trimap?: Trimap, options: RunOptions = {}): Promise<Matte> {
    const { width, height, data } = picture;
    if (width < 1 || height < 1 || data.length !== width * height * 3) {
      throw new InputError(`a picture of ${width}x${height} has ${width * height * 3} bytes of RGB`);
    }
    if (trimap && (trimap.width !== width || trimap.height !== height)) {
      throw new InputError(
        `the trimap is ${trimap.width}x${trimap.height}, its picture ${width}x${height}`,
      );
    }
    const clock = new Clock(options);
    const matted = await this.run(picture, trimap, clock);
    return { ...matted, milliseconds: clock.milliseconds };
  }

  private async run(
    picture: Picture,
    trimap: Trimap | undefined,
    clock: Clock,
  ): Promise<Matted> {
    const host = this.manifest.host;
    if (!known(host)) throw new BundleError(`unknown cut ${host.kind}`);
    const graphs = this.graphs as Record<string, never>;
    switch (host.kind) {
      case "fused":
        return matteFused(host, graphs as never, picture, trimap, clock);
      case "split":
        return matteSplit(host, graphs as never, picture, trimap, clock);
      case "regions":
        return matteRegions(host, graphs as never, picture, trimap, clock);
      case "tiles": {
        const found = trimap ?? (await this.estimated(picture, clock));
        return matteTiles(host, graphs as never, picture, found, clock);
      }
    }
  }

  /** The trimap by the bundle's own first net. */
  private estimated(picture: Picture, clock: Clock): Promise<Trimap> {
    const stage = this.manifest.trimap_stage;
    const graph = this.graphs["trimap_stage"];
    if (!stage || !graph) {
      throw new InputError(
        `${this.manifest.model} needs a trimap: give one, or export it with a cascade, which finds it`,
      );
    }
    return stageTrimap(stage, graph, picture, clock);
  }
}

function needed(manifest: Manifest): readonly string[] {
  const { host } = manifest;
  if (!known(host)) return [];
  if (host.kind === "fused" || host.kind === "tiles") return ["matte"];
  if (host.kind === "split") return ["segment", "refine"];
  return host.k ? ["coarse", "encode", "refine"] : ["coarse", "refine"];
}

/** Open every graph of a bundle on an engine. */
export async function openMatter(bundle: Bundle, open: OpenSession): Promise<Matter> {
  const graphs: Record<string, GraphCall> = {};
  for (const graph of bundle.manifest.graphs) {
    const session = await open(graph, bundle.file(graph.file));
    graphs[graph.name] = runnable(bundle.manifest, graph.name, session);
  }
  return new Matter(bundle.manifest, graphs);
}
