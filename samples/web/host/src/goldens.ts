/** Golden records of graphs: what PyTorch computed at export, to prove an engine with. */
import { count, type Tensor } from "./arrays.js";
import type { Bundle } from "./bundle.js";
import { BundleError } from "./errors.js";
import type { GraphCall, Tensors } from "./graph.js";
import type { RecordedArray } from "./npz.js";

const ROWS = 8; // entries of a batch that are kept of an output

/** How far the outputs of a graph are from the recorded ones. */
export interface Proof {
  readonly graph: string;
  /** The largest absolute difference, in units of each output's root mean square above 1. */
  readonly largest: number;
  readonly mean: number;
  readonly milliseconds: number;
}

/** Recorded inputs of a graph: bytes stand for value * 255; of a large batch a part repeats. */
export async function goldenInputs(bundle: Bundle, name: string): Promise<Tensors> {
  const graph = bundle.manifest.graphs.find((one) => one.name === name);
  if (!graph) throw new BundleError(`the bundle has no graph ${name}`);
  const record = await bundle.golden(name);
  const inputs: Record<string, Tensor> = {};
  for (const { name: input, shape } of graph.inputs) {
    const array = record.get(`in.${input}`);
    if (!array) throw new BundleError(`the golden record of ${name} lacks in.${input}`);
    const values = unit(array);
    const data = new Float32Array(count(shape));
    for (let at = 0; at < data.length; at += values.length) {
      data.set(values.subarray(0, Math.min(values.length, data.length - at)), at);
    }
    inputs[input] = { shape, data };
  }
  return inputs;
}

/** A recorded array as floats; bytes as value / 255. */
export function unit(array: RecordedArray): Float32Array {
  if (array.data instanceof Float32Array) return array.data;
  if (array.dtype === "uint8") return Float32Array.from(array.data, (value) => value / 255);
  return Float32Array.from(array.data);
}

/** Run a graph on its recorded inputs and compare its outputs with the recorded ones. */
export async function prove(bundle: Bundle, name: string, call: GraphCall): Promise<Proof> {
  const record = await bundle.golden(name);
  const stride = Number(record.get("stride")?.data[0] ?? 1);
  const inputs = await goldenInputs(bundle, name);
  const start = performance.now();
  const outputs = await call(inputs);
  const milliseconds = performance.now() - start;
  let [largest, sum, many] = [0, 0, 0];
  for (const [key, array] of record) {
    if (!key.startsWith("out.")) continue;
    const expected = unit(array);
    const actual = sampled(outputs[key.slice(4)], stride);
    if (actual.length !== expected.length) {
      throw new BundleError(`the golden record of ${name} has another shape of ${key.slice(4)}`);
    }
    let squares = 0;
    for (const value of expected) squares += value * value;
    const size = Math.max(1, Math.sqrt(squares / expected.length));
    for (let i = 0; i < expected.length; i++) {
      const apart = Math.abs(actual[i] - expected[i]) / size;
      // NaN is no number larger than another: it must count as the worst.
      largest = Number.isNaN(apart) ? Infinity : Math.max(largest, apart);
      sum += apart;
    }
    many += expected.length;
  }
  return { graph: name, largest, mean: sum / Math.max(1, many), milliseconds };
}

/** The entries, rows and columns of an output that are recorded. */
function sampled(output: Tensor, stride: number): Float32Array {
  const shape = [Math.min(output.shape[0], ROWS), ...output.shape.slice(1)];
  if (shape.length <= 2) return output.data.subarray(0, count(shape));
  const [height, width] = shape.slice(-2);
  const planes = count(shape) / (height * width);
  const kept: number[] = [];
  for (let plane = 0; plane < planes; plane++) {
    for (let y = 0; y < height; y += stride) {
      for (let x = 0; x < width; x += stride) {
        kept.push(output.data[(plane * height + y) * width + x]);
      }
    }
  }
  return Float32Array.from(kept);
}
