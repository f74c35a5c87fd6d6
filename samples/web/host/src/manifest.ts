/** The manifest of a bundle, as docs/bundle.schema.json describes it: the parts a host reads. */
import type { Size } from "./arrays.js";
import { BundleError } from "./errors.js";

export const MANIFEST = "edgematte.json";
export const FORMAT = 2;
const RESIZE = "triangle filter, antialiased when reducing (Pillow BILINEAR), rounded to bytes";

/** One input or output of a graph. */
export interface TensorInfo {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "float32" | "float16" | "uint8" | "int32";
  readonly layout: string;
  readonly range: readonly [number, number];
  readonly meaning: string;
}

/** One graph of a bundle. */
export interface GraphInfo {
  readonly name: string;
  readonly file: string;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** int8 weights for float kernels: ``session.disable_quant_qdq`` should be 1. */
  readonly expand_weights?: boolean;
  readonly dynamic_batch?: boolean;
}

/** What all cuts share. */
interface HostBase {
  readonly size: Size;
  readonly channel_order: "RGB" | "BGR";
  readonly scale: number;
}

export interface FusedHost extends HostBase {
  readonly kind: "fused";
  readonly unknown_threshold: number;
  readonly band_px: number;
}

export interface SplitHost extends HostBase {
  readonly kind: "split";
  readonly unknown_threshold: number;
  readonly band_px: number;
  readonly patch: number;
  readonly overlap: number;
  /** Patches are placed at multiples of it, where pixels are unknown; without it, on a grid. */
  readonly lattice?: number | null;
}

export interface RegionsHost extends HostBase {
  readonly kind: "regions";
  readonly regions: number;
  readonly max_regions?: number | null;
  readonly k?: number | null;
  readonly search_range?: number | null;
  readonly aliasing?: boolean | null;
  readonly bias_table?: readonly (readonly number[])[] | null;
}

export interface TilesHost extends HostBase {
  readonly kind: "tiles";
  readonly overlap: number;
  /** RGB in [0, 1] around pictures below a tile's size. */
  readonly padding: readonly [number, number, number];
  readonly keep_known?: boolean;
  readonly sizes?: readonly Size[] | null;
}

export interface StageHost extends HostBase {
  readonly kind: "trimap-stage";
  readonly unknown_threshold: number;
  readonly band_px: number;
  readonly speck_share: number;
}

/** Cuts that this package knows the host side of. */
export type Host = FusedHost | SplitHost | RegionsHost | TilesHost;

export interface Manifest {
  readonly format: number;
  readonly model: string;
  readonly target: string;
  readonly precision: string;
  readonly host: Host | (HostBase & { readonly kind: string });
  readonly graphs: readonly GraphInfo[];
  readonly trimap_stage?: StageHost;
  readonly files: Readonly<Record<string, string>>;
}

/** Whether this package has the host side of a cut; of others only the trimap stage. */
export function known(host: Manifest["host"]): host is Host {
  // DiffMatte has tiles, too, without padding; and ViTMatte's whole pictures have sizes.
  if (host.kind === "tiles") return "padding" in host && !("sizes" in host);
  return ["fused", "split", "regions"].includes(host.kind);
}

/**
 * The manifest from its text.
 *
 * @throws BundleError where it is no manifest, of another format, or asks for colours or a filter
 *   that this package does not know.
 */
export function parseManifest(text: string): Manifest {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    throw new BundleError(`${MANIFEST} is not JSON: copy the bundle again`);
  }
  const value = read as Partial<Manifest> | null;
  if (typeof value !== "object" || value === null || value.format === undefined) {
    throw new BundleError(`${MANIFEST} is not the manifest of a bundle: it has no format`);
  }
  if (value.format !== FORMAT) {
    throw new BundleError(
      `${MANIFEST} has format ${String(value.format)}; this package reads ${FORMAT}: ` +
        "export again, or install the edgematte-host that fits",
    );
  }
  for (const part of ["model", "target", "precision", "host", "graphs", "files"] as const) {
    if (value[part] === undefined) throw new BundleError(`${MANIFEST} lacks ${part}: export again`);
  }
  const manifest = value as Manifest;
  for (const host of [manifest.host, manifest.trimap_stage]) if (host) checkHost(host);
  for (const graph of manifest.graphs) {
    if (!(graph.file in manifest.files)) {
      throw new BundleError(`graph ${graph.name}: its file ${graph.file} is not in the file list`);
    }
  }
  for (const name of Object.keys(manifest.files)) {
    if (name.startsWith("/") || /[\\:\0]/.test(name) || name.split("/").includes("..")) {
      throw new BundleError(`the file list names ${JSON.stringify(name)}, which leaves the bundle`);
    }
  }
  return manifest;
}

/** The fields of a known kind that are whole numbers, and the least that each may be. */
const NUMBERS: Record<string, Record<string, number>> = {
  fused: { band_px: 0 },
  split: { band_px: 0, patch: 1, overlap: 0 },
  regions: { regions: 1 },
  "trimap-stage": { band_px: 0 },
};

function checkHost(host: Manifest["host"] | StageHost): void {
  const fields = host as unknown as Record<string, unknown>;
  const [width, height] = Array.isArray(host.size) ? host.size : [0, 0];
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new BundleError(`size ${JSON.stringify(host.size)}: two whole numbers of at least 1`);
  }
  if (!["RGB", "BGR"].includes(host.channel_order)) {
    throw new BundleError(`unknown channel_order ${host.channel_order}; there are: RGB, BGR`);
  }
  if (!(host.scale > 0 && host.scale <= 1)) {
    throw new BundleError(`scale ${host.scale}: a number above 0, 1 at the most`);
  }
  if (fields["resize"] !== RESIZE) {
    throw new BundleError(`unknown resize ${String(fields["resize"])}; there is: ${RESIZE}`);
  }
  for (const [name, least] of Object.entries(NUMBERS[host.kind] ?? {})) {
    const value = fields[name];
    if (!Number.isInteger(value) || (value as number) < least) {
      throw new BundleError(`${name} ${String(value)}: a whole number of at least ${least}`);
    }
  }
  if (host.kind === "split" && (fields["overlap"] as number) >= (fields["patch"] as number)) {
    throw new BundleError(`overlap ${String(fields["overlap"])}: less than the patch`);
  }
  if (host.kind === "split" && fields["lattice"] != null) checkLattice(host as SplitHost);
}

function checkLattice({ lattice, patch, overlap }: SplitHost): void {
  const step = lattice ?? 1;
  if (!(Number.isInteger(step) && step >= 1 && patch % step === 0 && patch - 2 * overlap >= step)) {
    throw new BundleError(
      `lattice ${lattice}, patch ${patch}, overlap ${overlap}: a patch should be a multiple of ` +
        "the lattice, which should fit between its margins",
    );
  }
}
