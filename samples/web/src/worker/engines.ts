/** ONNX Runtime's sessions, and which of its two ways to compute a bundle is taken. */
import {
  EngineError,
  openMatter,
  prove,
  type Bundle,
  type GraphInfo,
  type Matter,
  type Proof,
  type Raw,
  type Session,
} from "edgematte-host";
import type * as Runtime from "onnxruntime-web/wasm";
import wasmBinary from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import wasmModule from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import webgpuBinary from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url";
import webgpuModule from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url";

import type { Choice } from "../protocol.ts";

type Ort = typeof Runtime;

/** The largest and the mean difference from PyTorch that are allowed, as `edgematte check` does. */
const ALLOWED: Record<string, readonly [largest: number, mean: number]> = {
  fp32: [1e-4, 1e-5],
  fp16: [1, 1e-3],
  "int8-weights": [1, 1e-2],
  int8: [1, 3e-2],
};

/** A module of one function with a SIMD instruction, to ask the browser whether it is valid. */
const SIMD = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15,
  253, 98, 11,
];

/** Why there are no threads; empty where there are. */
export const NO_THREADS = self.crossOriginIsolated
  ? ""
  : "one thread: this page is not cross-origin isolated (its server sends no COOP and COEP headers)";

/** How long WebGPU may take to compile its shaders and prove itself. */
const PATIENCE_MS = 30_000;

const threads = NO_THREADS ? 1 : Math.min(8, navigator.hardwareConcurrency || 1);

interface Candidate {
  readonly matter: Matter;
  readonly proofs: readonly Proof[];
  readonly milliseconds: number;
}

/**
 * The bundle on the engine that is right, and of two right ones the faster.
 *
 * WebGPU can be wrong without an error, so every graph first computes its golden inputs: WebGPU
 * has to be as near to PyTorch's outputs as WebAssembly is, or within what a check allows fp32.
 */
export async function choose(
  bundle: Bundle,
  asked: boolean,
  say: (text: string) => void,
): Promise<{ matter: Matter; choice: Choice }> {
  if (!WebAssembly.validate(Uint8Array.from(SIMD))) {
    throw new EngineError(
      "this browser has no WebAssembly SIMD, which the model needs: update it, or take another",
    );
  }
  say("Proving WebAssembly on the bundle's golden records");
  const wasm = await candidate(bundle, await loadWasm(), "wasm");
  const [largest, mean] = ALLOWED[bundle.manifest.precision] ?? [1, 3e-2];
  const bad = wasm.proofs.find((proof) => !(proof.largest <= largest && proof.mean <= mean));
  if (bad) {
    throw new EngineError(
      `WebAssembly computes graph ${bad.graph} wrong here, off by ${off(bad.largest)}: ` +
        "update the browser, or take another",
    );
  }
  const stay = (why: string) => ({
    matter: wasm.matter,
    choice: { engine: "WASM" as const, threads, why: [why, NO_THREADS].filter(Boolean).join("; ") },
  });
  const missing = await noWebGpu(asked);
  if (missing) return stay(missing);
  say("Proving WebGPU on the bundle's golden records");
  let gpu: Candidate;
  try {
    const found = loadWebGpu().then((ort) => candidate(bundle, ort, "webgpu"));
    gpu = await (asked ? found : within(PATIENCE_MS, found));
  } catch (error) {
    return stay(`WebGPU failed: ${firstLine(error)}`);
  }
  const wrong = gpu.proofs.find((proof, i) => {
    const reference = wasm.proofs[i]!;
    const most = Math.max(1e-4, 2 * reference.largest);
    return !(proof.largest <= most && proof.mean <= Math.max(1e-5, 2 * reference.mean));
  });
  if (wrong) return stay(`WebGPU is wrong here: graph ${wrong.graph} is off by ${off(wrong.largest)}`);
  const speed = `${gpu.milliseconds.toFixed(0)} ms against WASM's ${wasm.milliseconds.toFixed(0)}`;
  if (gpu.milliseconds > wasm.milliseconds && !asked) return stay(`WebGPU is right but slower: ${speed}`);
  const worst = Math.max(...gpu.proofs.map((proof) => proof.largest));
  return {
    matter: gpu.matter,
    choice: { engine: "WebGPU", threads, why: `it is right (off by ${off(worst)}): ${speed}` },
  };
}

interface Adapter {
  readonly info?: { readonly isFallbackAdapter?: boolean; readonly architecture?: string };
}

async function noWebGpu(asked: boolean): Promise<string> {
  if (!("gpu" in navigator)) return "this browser has no WebGPU";
  const { gpu } = navigator as unknown as { gpu: { requestAdapter(): Promise<Adapter | null> } };
  const adapter = await gpu.requestAdapter().catch(() => null);
  if (!adapter) return "WebGPU finds no device here";
  const slow = adapter.info?.isFallbackAdapter || adapter.info?.architecture === "swiftshader";
  return slow && !asked ? "WebGPU has no graphics card here" : "";
}

/** What a promise gives, unless it takes longer. */
function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  const late = new Promise<never>((_, reject) => {
    const sentence = `it took more than ${milliseconds / 1000} s to start`;
    setTimeout(() => reject(new EngineError(sentence)), milliseconds);
  });
  return Promise.race([promise, late]);
}

/** Open every graph, run its golden inputs once to prove it and once more for the time. */
async function candidate(bundle: Bundle, ort: Ort, provider: string): Promise<Candidate> {
  const matter = await openMatter(bundle, (graph, model) => openSession(ort, provider, graph, model));
  const proofs: Proof[] = [];
  let milliseconds = 0;
  for (const [name, call] of Object.entries(matter.graphs)) {
    proofs.push(await prove(bundle, name, call));
    milliseconds += (await prove(bundle, name, call)).milliseconds;
  }
  return { matter, proofs, milliseconds };
}

async function loadWasm(): Promise<Ort> {
  const ort = await import("onnxruntime-web/wasm");
  ort.env.wasm.wasmPaths = { mjs: absolute(wasmModule), wasm: absolute(wasmBinary) };
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  return ort;
}

async function loadWebGpu(): Promise<Ort> {
  const ort = (await import("onnxruntime-web/webgpu")) as Ort;
  ort.env.wasm.wasmPaths = { mjs: absolute(webgpuModule), wasm: absolute(webgpuBinary) };
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  return ort;
}

function absolute(url: string): string {
  return new URL(url, self.location.href).href;
}

async function openSession(
  ort: Ort,
  provider: string,
  graph: GraphInfo,
  model: Uint8Array,
): Promise<Session> {
  const extra = graph.expand_weights ? { session: { disable_quant_qdq: "1" } } : {};
  const options = { executionProviders: [provider], extra };
  const session = await ort.InferenceSession.create(model, options).catch((error: unknown) => {
    throw new EngineError(`graph ${graph.name} does not load: ${firstLine(error)}`);
  });
  return {
    async run(inputs, declared) {
      const feeds = declared.inputs.map(({ name, dtype, shape }) => {
        return [name, new ort.Tensor(dtype as "float32", inputs[name] as Float32Array, shape)];
      });
      const answer = await session.run(Object.fromEntries(feeds)).catch((error: unknown) => {
        throw new EngineError(`graph ${graph.name} failed: ${firstLine(error)}`);
      });
      return Object.fromEntries(
        declared.outputs.map(({ name }) => [name, raw(answer[name]!.data)] as const),
      );
    },
  };
}

/** Values as the host side knows them: newer browsers have a type of their own for float16. */
function raw(data: unknown): Raw {
  const plain = [Float32Array, Uint16Array, Uint8Array, Int32Array];
  return plain.some((type) => data instanceof type)
    ? (data as Raw)
    : Float32Array.from(data as ArrayLike<number>);
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n")[0]!.slice(0, 200);
}

function off(value: number): string {
  return value === 0 || value >= 0.01 ? value.toFixed(2) : value.toExponential(0);
}
