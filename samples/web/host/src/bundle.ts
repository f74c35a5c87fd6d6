/** Opening a bundle: every file is read once, and has the sha256 that the manifest says. */
import { BundleError } from "./errors.js";
import { MANIFEST, parseManifest, type Manifest } from "./manifest.js";
import { type Arrays, readNpz } from "./npz.js";
import { readZip } from "./zip.js";

/** Reads one file of a bundle by its name in the manifest; undefined where there is none. */
export type ReadFile = (name: string) => Promise<Uint8Array<ArrayBuffer> | undefined>;

/**
 * Reads the files of a zip of a bundle's folder.
 *
 * @throws BundleError where it is no zip, or a file of it is damaged.
 */
export function fromZip(bytes: Uint8Array<ArrayBuffer>): ReadFile {
  const broken = (error: unknown) =>
    new BundleError(`the zip cannot be read (${(error as Error).message}): copy it again`);
  let entries: ReturnType<typeof readZip>;
  try {
    entries = readZip(bytes);
  } catch (error) {
    throw broken(error);
  }
  const manifest = [...entries.keys()].find((name) => name.split("/").at(-1) === MANIFEST);
  const folder = (manifest ?? MANIFEST).slice(0, -MANIFEST.length);
  return async (name) => {
    const contents = entries.get(folder + name);
    return contents?.().catch((error: unknown) => {
      throw broken(error);
    });
  };
}

/** Files that only people read: a copy for an app may leave them out. */
const FOR_PEOPLE = new Set(["REPORT.md", "report.png"]);
const TEXTS = /\.(config|json|md|xml)$/;

/** A verified bundle in memory. */
export class Bundle {
  constructor(
    readonly manifest: Manifest,
    readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
  ) {}

  /** The bytes of a file. */
  file(name: string): Uint8Array<ArrayBuffer> {
    const bytes = this.files.get(name);
    if (!bytes) throw new BundleError(`the bundle lacks the file ${name}: copy the whole folder`);
    return bytes;
  }

  /** Golden records: ``host``, ``end_to_end``, or the name of a graph. */
  golden(name: string): Promise<Arrays> {
    return readNpz(this.file(`golden/${name}.npz`), `golden/${name}.npz`);
  }
}

/** What of a bundle is wanted; by default everything but what only people read. */
export interface OpenOptions {
  /** Whether a file of the manifest is read. */
  readonly wanted?: (name: string) => boolean;
  /** Called as files arrive. */
  readonly progress?: (done: number, of: number) => void;
}

/**
 * Read and verify a bundle.
 *
 * @throws BundleError where a file is missing or is not the one that was exported.
 */
export async function openBundle(read: ReadFile, options: OpenOptions = {}): Promise<Bundle> {
  const text = await read(MANIFEST);
  if (!text) throw new BundleError(`there is no ${MANIFEST}: this is not a bundle`);
  const manifest = parseManifest(new TextDecoder().decode(text));
  const wanted = options.wanted ?? ((name: string) => !FOR_PEOPLE.has(name));
  const names = Object.keys(manifest.files).filter(wanted);
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  let done = 0;
  await Promise.all(
    names.map(async (name) => {
      const bytes = await read(name);
      if (!bytes) throw new BundleError(`the bundle lacks the file ${name}: copy the whole folder`);
      if ((await sha256(name, bytes)) !== manifest.files[name]) {
        throw new BundleError(
          `${name} is not what was exported (its sha256 differs): export or copy again`,
        );
      }
      files.set(name, bytes);
      options.progress?.(++done, names.length);
    }),
  );
  return new Bundle(manifest, files);
}

/** Hexadecimal sha256 as manifests have it: in text files CR LF counts as LF. */
export async function sha256(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) {
    throw new BundleError(
      "the bundle cannot be verified: WebCrypto is there on https and localhost pages only",
    );
  }
  const hashed = TEXTS.test(name) ? withoutCarriageReturns(bytes) : bytes;
  const digest = new Uint8Array(await subtle.digest("SHA-256", hashed));
  return Array.from(digest, (value) => value.toString(16).padStart(2, "0")).join("");
}

function withoutCarriageReturns(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return bytes.filter((value, i) => !(value === 13 && bytes[i + 1] === 10));
}
