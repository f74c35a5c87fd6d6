/** Everything heavy, away from the page: the bundle, the engine, the host side, the colours. */
import {
  EdgematteError,
  InputError,
  MANIFEST,
  estimateForeground,
  fromZip,
  openBundle,
  type Matter,
  type Picture,
  type ReadFile,
} from "edgematte-host";

import type { Answer, Opened, Request, Result, Source } from "../protocol.ts";
import { choose } from "./engines.ts";

type Message = MessageEvent<{ id: number; request: Request }>;

let matter: Matter | undefined;
let last: Promise<void> = Promise.resolve();

// One after the other: a session runs one picture at a time, and the last bundle opened stays.
self.onmessage = (message: Message) => {
  last = last.then(() => handle(message.data));
};

async function handle({ id, request }: Message["data"]): Promise<void> {
  const post = (answer: Answer, transfer: Transferable[] = []) =>
    self.postMessage(answer, { transfer });
  const progress = (text: string, share: number) => post({ id, kind: "progress", text, share });
  try {
    if (request.kind === "open") {
      post({ id, kind: "done", value: await open(request.source, request.webgpu, progress) });
    } else {
      const result = await matte(request, progress);
      post({ id, kind: "done", value: result }, [result.rgba.buffer, result.trimap.buffer]);
    }
  } catch (error) {
    post({ id, kind: "failed", message: sentence(error) });
  }
}

function sentence(error: unknown): string {
  if (error instanceof EdgematteError) return error.message;
  if (error instanceof RangeError) {
    return "there is not enough memory for this picture: close other tabs, or take a smaller one";
  }
  return error instanceof Error ? error.message : String(error);
}

async function open(
  source: Source,
  webgpu: boolean,
  progress: (text: string, share: number) => void,
): Promise<Opened> {
  const read = "url" in source ? fromSite(source.url) : await fromFiles(source.files);
  const bundle = await openBundle(read, {
    wanted: (name) => !/^(REPORT\.md|report\.png|golden\/(host|end_to_end)\.npz)$/.test(name),
    progress: (done, of) => progress(`Verified ${done} of ${of} files`, (0.4 * done) / of),
  });
  const { manifest } = bundle;
  if (manifest.target !== "onnx") {
    throw new InputError(
      `this bundle is for ${manifest.target}; a browser runs those that were exported with ` +
        "--target onnx",
    );
  }
  const { matter: chosen, choice } = await choose(bundle, webgpu, (text) => progress(text, 0.6));
  matter = chosen;
  return {
    model: manifest.model,
    precision: manifest.precision,
    cut: manifest.host.kind,
    bytes: manifest.graphs.reduce((sum, graph) => sum + bundle.file(graph.file).length, 0),
    files: bundle.files.size,
    takesTrimap: matter.takesTrimap,
    choice,
  };
}

/** Reads files under a folder of this site. */
function fromSite(url: string): ReadFile {
  return async (name) => {
    const answer = await fetch(new URL(name, url)).catch(() => undefined);
    // Servers of single-page programs answer every name with their page.
    const page = answer?.headers.get("content-type")?.startsWith("text/html");
    return answer?.ok && !page ? new Uint8Array(await answer.arrayBuffer()) : undefined;
  };
}

/** Reads files of a folder, or of a zip of one, that a person chose or dropped. */
async function fromFiles(files: readonly File[]): Promise<ReadFile> {
  const [first] = files;
  if (first && files.length === 1 && first.name.endsWith(".zip")) {
    return fromZip(new Uint8Array(await first.arrayBuffer()));
  }
  const paths = new Map(files.map((file) => [file.webkitRelativePath || file.name, file]));
  const manifest = [...paths.keys()].find((path) => path.split("/").at(-1) === MANIFEST) ?? MANIFEST;
  const folder = manifest.slice(0, -MANIFEST.length);
  return async (name) => {
    const file = paths.get(folder + name);
    return file && new Uint8Array(await file.arrayBuffer());
  };
}

async function matte(
  request: Extract<Request, { kind: "matte" }>,
  progress: (text: string, share: number) => void,
): Promise<Result> {
  if (!matter) throw new InputError("no model is loaded yet");
  const start = performance.now();
  const { rgba, picture } = pixels(request.bitmap);
  const { width, height } = picture;
  const decoded = performance.now() - start;
  const trimap = request.trimap && { width, height, data: request.trimap };
  const result = await matter.matte(picture, trimap, {
    progress: (done, of) => progress(`Refined ${done} of ${of} patches`, done / of),
  });
  const colours = performance.now();
  const foreground = request.decontaminate
    ? estimateForeground(picture, result.alpha).data
    : picture.data;
  for (let i = 0; i < width * height; i++) {
    const alpha = Math.round(result.alpha.data[i]! * 255);
    rgba[4 * i] = alpha && foreground[3 * i]!; // no colour of what was removed
    rgba[4 * i + 1] = alpha && foreground[3 * i + 1]!;
    rgba[4 * i + 2] = alpha && foreground[3 * i + 2]!;
    rgba[4 * i + 3] = alpha;
  }
  const milliseconds = {
    "page.pixels": decoded,
    ...result.milliseconds,
    "page.colours": performance.now() - colours,
  };
  return { width, height, rgba, trimap: result.trimap.data as Uint8Array<ArrayBuffer>, milliseconds };
}

/** The bytes of a picture; what it had transparent stands on white. */
function pixels(bitmap: ImageBitmap): { rgba: Uint8ClampedArray<ArrayBuffer>; picture: Picture } {
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new RangeError("no canvas");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const rgba = context.getImageData(0, 0, width, height).data as Uint8ClampedArray<ArrayBuffer>;
  const data = new Uint8Array(width * height * 3);
  for (let i = 0, to = 0; i < rgba.length; i += 4) {
    data[to++] = rgba[i]!;
    data[to++] = rgba[i + 1]!;
    data[to++] = rgba[i + 2]!;
  }
  return { rgba, picture: { width, height, data } };
}
