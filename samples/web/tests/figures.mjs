// Prints the README's figures: sizes of what the page loads, and the time of every stage.
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { launch, serve } from "./browser.mjs";

const RUNS = 5;
const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const files = readdirSync(dist, { recursive: true }).map(String);

function size(what, test) {
  const bytes = files.filter((name) => test.test(name)).map((name) => readFileSync(dist + name));
  const [plain, zipped] = [bytes, bytes.map((one) => gzipSync(one, { level: 9 }))].map((all) =>
    (all.reduce((sum, one) => sum + one.length, 0) / 1e6).toFixed(2),
  );
  console.log(`| ${what} | ${plain} MB | ${zipped} MB |`);
}

const manifest = JSON.parse(readFileSync(`${dist}model/edgematte.json`, "utf8"));
console.log(`| ${manifest.model}, ${manifest.host.kind}, ${manifest.precision} | size | gzip -9 |`);
console.log("|---|---|---|");
size("model", /^model\/[^/]+\.(onnx|json)$/);
size("golden records that prove the engine", /^model\/golden\/(?!host|end_to_end)/);
size("runtime: WASM", /ort[.-]wasm(\.min|-simd-threaded)-[^.]*\.(js|mjs|wasm)$/);
size("runtime: WebGPU, where there is a device", /webgpu|asyncify/);
size("page, with edgematte-host", /^(index\.html|service-worker\.js|assets\/(index|worker|rolldown)-.*)$/);

const server = await serve();
const browser = await launch();
const page = await browser.newPage({ serviceWorkers: "block" });
await page.goto(server.url);
await page.waitForSelector("body[data-ready]", { timeout: 60_000 });
const engine = await page.textContent("#model dl dd:nth-of-type(3)");
const stages = new Map();
for (let run = 0; run <= RUNS; run++) {
  const before = await page.getAttribute("body", "data-done");
  await page.evaluate(() => document.getElementById("sample").click());
  await page.waitForFunction((before) => (document.body.dataset.done ?? null) !== before, before);
  if (run === 0) continue; // warms up
  for (const row of await page.$$eval("#timings tr", (all) => all.map((one) => [...one.children].map((c) => c.textContent)))) {
    stages.set(row[0], [...(stages.get(row[0]) ?? []), Number(row[1])]);
  }
}
await browser.close();
await server.close();
const median = (values) => values.sort((one, other) => one - other)[Math.floor(values.length / 2)];
console.log(`\n| samples/astronaut.jpg, 512x512, ${engine} | median ms of ${RUNS} |\n|---|---|`);
for (const [stage, values] of stages) console.log(`| \`${stage}\` | ${median(values).toFixed(0)} |`);
