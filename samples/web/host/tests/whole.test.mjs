// From picture to alpha on ONNX Runtime's WebAssembly build, against PyTorch's recorded alpha.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as ort from "onnxruntime-web/wasm";

import { Matter, floatsOfHalves, fromZip, openBundle, openMatter, prove, runnable } from "../dist/index.js";
import { bundles } from "./bundles.mjs";

ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

/** The largest difference from PyTorch that a check allows, by precision; then the mean. */
const ALLOWED = { fp32: [1e-4, 1e-5], fp16: [1, 1e-3], "int8-weights": [1, 1e-2], int8: [1, 3e-2] };
const TYPES = { float32: Float32Array, float16: Uint16Array, uint8: Uint8Array, int32: Int32Array };

async function openSession(graph, model) {
  const extra = graph.expand_weights ? { session: { disable_quant_qdq: "1" } } : {};
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"], extra });
  return {
    async run(inputs, declared) {
      const feeds = {};
      for (const { name, dtype, shape } of declared.inputs) {
        feeds[name] = new ort.Tensor(dtype, inputs[name], shape);
      }
      const answer = await session.run(feeds);
      return Object.fromEntries(
        declared.outputs.map(({ name, dtype }) => {
          const { data } = answer[name];
          const plain = data instanceof TYPES[dtype];
          return [name, plain ? data : Float32Array.from(data)];
        }),
      );
    },
  };
}

for (const { name, bundle } of bundles) {
  const { manifest } = bundle;
  const [largest, mean] = ALLOWED[manifest.precision];

  test(`${name}: every graph gives its golden outputs`, async () => {
    for (const graph of manifest.graphs) {
      const session = await openSession(graph, bundle.file(graph.file));
      const proof = await prove(bundle, graph.name, runnable(manifest, graph.name, session));
      assert.ok(proof.largest <= largest && proof.mean <= mean, JSON.stringify(proof));
    }
  });

  test(`${name}: from picture to alpha, as PyTorch`, async () => {
    const records = await bundle.golden("end_to_end");
    const [height, width] = records.get("picture").shape;
    const picture = { width, height, data: records.get("picture").data };
    const matter = await openMatter(bundle, openSession);
    const { alpha, trimap, milliseconds } = await matter.matte(picture);
    const expected = records.get("alpha").data;
    if (manifest.trimap_stage) {
      const recorded = records.get("trimap").data;
      const apart = trimap.data.reduce((sum, value, i) => sum + Math.abs(value - recorded[i]) / 255, 0);
      // As the check does: rounding may move the border of the band by a pixel.
      assert.ok(apart / recorded.length <= 10 * mean, `trimap off by ${apart / recorded.length}`);
    }
    let [most, sum] = [0, 0];
    alpha.data.forEach((value, i) => {
      const apart = Math.abs(value - expected[i] / 65535);
      most = Math.max(most, apart);
      sum += apart;
    });
    assert.ok(most <= largest && sum / expected.length <= mean, `off by ${most}, mean ${sum / expected.length}`);
    assert.ok(Object.keys(milliseconds).some((stage) => stage.startsWith("graph.")));
  });
}

test("a bundle in a zip is read and verified as its folder is", async () => {
  const { bundle } = bundles[0];
  const manifest = new TextEncoder().encode(JSON.stringify(bundle.manifest));
  const zip = stored({ "b.edgematte/edgematte.json": manifest, ...prefixed(bundle.files) });
  const opened = await openBundle(fromZip(zip));
  assert.deepEqual([...opened.files.keys()].sort(), [...bundle.files.keys()].sort());
  zip[200 + manifest.length] ^= 1; // in the first file after the manifest
  await assert.rejects(openBundle(fromZip(zip)), /is not what was exported \(its sha256 differs\)/);
  await assert.rejects(async () => openBundle(fromZip(zip.subarray(0, 500))), /it is no zip archive/);
});

const prefixed = (files) => Object.fromEntries([...files].map(([name, bytes]) => [`b.edgematte/${name}`, bytes]));

/** A zip of files that are not compressed. */
function stored(files) {
  const [parts, directory] = [[], []];
  let at = 0;
  for (const [name, bytes] of Object.entries(files)) {
    const label = Buffer.from(name);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(label.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt32LE(bytes.length, 20);
    entry.writeUInt16LE(label.length, 28);
    entry.writeUInt32LE(at, 42);
    parts.push(local, label, bytes);
    directory.push(entry, label);
    at += 30 + label.length + bytes.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(at, 16);
  return new Uint8Array(Buffer.concat([...parts, ...directory, end]));
}

test("half precision of ONNX Runtime's outputs is read as numbers", () => {
  assert.deepEqual([...floatsOfHalves(new Uint16Array([0x3c00, 0xb800, 0x0001]))], [1, -0.5, 2 ** -24]);
});

test("a bundle whose host side is not here is refused with a sentence", () => {
  const { manifest } = bundles[0].bundle;
  const other = { ...manifest, model: "hdmatt", host: { ...manifest.host, kind: "patches" } };
  assert.throws(() => new Matter(other, {}), /host side of hdmatt \(patches\) is not in this package/);
});
