/** A graph as pipelines call it: float32, [0, 1], RGB; and what its file really takes. */
import { count, roundHalfEven, type Tensor } from "./arrays.js";
import { BundleError, EngineError } from "./errors.js";
import { floatsOfHalves, halvesOf } from "./halves.js";
import type { GraphInfo, Manifest, TensorInfo } from "./manifest.js";

/** Tensors by name. */
export type Tensors = Readonly<Record<string, Tensor>>;

/** What pipelines call: inputs by name -> outputs by name. */
export type GraphCall = (inputs: Tensors) => Promise<Tensors>;

/** Values as a graph's file has them; float16 as its bits. */
export type Raw = Float32Array | Uint16Array | Uint8Array | Int32Array;

/** An engine's session: runs one graph on arrays of exactly its declared shapes and types. */
export interface Session {
  run(inputs: Readonly<Record<string, Raw>>, graph: GraphInfo): Promise<Record<string, Raw>>;
}

const COLOURS = ["image", "region"]; // inputs whose first three planes are colours of a picture
const UNIT = 1 / 255;

/** A graph of a bundle over a session of any engine. */
export function runnable(manifest: Manifest, name: string, session: Session): GraphCall {
  const declared = manifest.graphs.find((graph) => graph.name === name);
  if (!declared) throw new BundleError(`the bundle has no graph ${name}`);
  const isStage = name === "trimap_stage" && manifest.trimap_stage;
  const host = isStage ? manifest.trimap_stage : manifest.host;
  return async (inputs) => {
    const graph = declared.dynamic_batch ? ofBatch(declared, inputs) : declared;
    const given: Record<string, Raw> = {};
    for (const info of graph.inputs) {
      const tensor = inputs[info.name];
      if (!tensor) throw new EngineError(`graph ${name} takes ${info.name}, which is missing`);
      given[info.name] = toFile(tensor, info, host.channel_order, host.scale);
    }
    const answer = await session.run(given, graph);
    const outputs: Record<string, Tensor> = {};
    for (const info of graph.outputs) outputs[info.name] = fromFile(answer[info.name], info, name);
    return outputs;
  };
}

function ofBatch(graph: GraphInfo, inputs: Tensors): GraphInfo {
  const many = inputs[graph.inputs[0].name].shape[0];
  const sized = (info: TensorInfo) => ({ ...info, shape: [many, ...info.shape.slice(1)] });
  return { ...graph, inputs: graph.inputs.map(sized), outputs: graph.outputs.map(sized) };
}

function toFile(tensor: Tensor, info: TensorInfo, order: string, scale: number): Raw {
  if (tensor.shape.join() !== info.shape.join()) {
    throw new EngineError(
      `${info.name} has shape [${tensor.shape.join()}]; the graph takes [${info.shape.join()}]`,
    );
  }
  const bytes = info.range[0] === 0 && info.range[1] === 255;
  let { data } = tensor;
  if (COLOURS.includes(info.name)) {
    const gain = bytes || Math.abs(scale / UNIT - 1) < 1e-6 ? 1 : Math.fround(scale / UNIT);
    if (order === "BGR" || gain !== 1) data = recoloured(tensor, order, gain);
  }
  if (bytes) data = data.map((value) => roundHalfEven(Math.fround(value * 255)));
  switch (info.dtype) {
    case "float32":
      return data;
    case "float16":
      return halvesOf(data);
    case "uint8":
      return Uint8Array.from(data);
    case "int32":
      return Int32Array.from(data);
  }
}

function recoloured(tensor: Tensor, order: string, gain: number): Float32Array {
  const [many, channels, height, width] = tensor.shape;
  const area = height * width;
  const data = tensor.data.slice();
  for (let entry = 0; entry < many; entry++) {
    for (let channel = 0; channel < 3; channel++) {
      const from = (entry * channels + (order === "BGR" ? 2 - channel : channel)) * area;
      const to = (entry * channels + channel) * area;
      for (let i = 0; i < area; i++) data[to + i] = tensor.data[from + i] * gain;
    }
  }
  return data;
}

function fromFile(raw: Raw | undefined, info: TensorInfo, graph: string): Tensor {
  if (raw?.length !== count(info.shape)) {
    throw new EngineError(
      `graph ${graph} gave ${info.name} with ${raw?.length ?? 0} values; the manifest says ` +
        `[${info.shape.join()}]`,
    );
  }
  const halves = info.dtype === "float16" && raw instanceof Uint16Array;
  const floats = halves ? floatsOfHalves(raw) : raw;
  let data = floats instanceof Float32Array ? floats : Float32Array.from(floats);
  let sum = 0;
  for (const value of data) sum += value;
  if (!Number.isFinite(sum)) {
    throw new EngineError(`graph ${graph} gave values of ${info.name} that are not finite`);
  }
  if (info.range[0] === 0 && info.range[1] === 255) data = data.map((value) => value / 255);
  return { shape: info.shape, data };
}
