// Runs graphs for edgematte's --runner-serve (docs/runner.md) in onnxruntime-node or onnxruntime-web:
//   NODE_PATH=.../node_modules node benchmarks/client.cjs onnxruntime-node
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");

const ort = require(process.argv[2]);
const threads = Number(process.argv[3] ?? 2);
if (ort.env?.wasm) ort.env.wasm.numThreads = threads;
const KINDS = { float32: Float32Array, uint8: Uint8Array, int32: Int32Array };
const sessions = new Map();

async function run(folder) {
  const job = JSON.parse(fs.readFileSync(path.join(folder, "job.json"), "utf8"));
  if (!sessions.has(job.file)) {
    const options = { intraOpNumThreads: threads };
    sessions.set(job.file, await ort.InferenceSession.create(fs.readFileSync(job.file), options));
  }
  const feeds = {};
  for (const { name, file, dtype, shape } of job.inputs) {
    const bytes = new Uint8Array(fs.readFileSync(path.join(folder, file)));
    feeds[name] = new ort.Tensor(dtype, new KINDS[dtype](bytes.buffer), shape);
  }
  const answers = await sessions.get(job.file).run(feeds);
  for (const { name, file } of job.outputs) {
    const { data } = answers[name];
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    fs.writeFileSync(path.join(folder, file), bytes);
  }
}

(async () => {
  for await (const folder of readline.createInterface({ input: process.stdin })) {
    try {
      await run(folder);
      console.log("edgematte: done");
    } catch (error) {
      console.log(`edgematte: failed: ${String(error.message).split("\n")[0]}`);
    }
  }
})();
