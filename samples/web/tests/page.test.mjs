// The built page in a headless Chromium, as a person uses it. `npm run build` first.
//
// EDGEMATTE_OUT names a folder for the cut-out that was downloaded and for screenshots.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { SOFTWARE_WEBGPU, findChromium, launch, serve, servePlainly } from "./browser.mjs";

const photo = fileURLToPath(new URL("../../astronaut.jpg", import.meta.url));
const built = existsSync(new URL("../dist/index.html", import.meta.url));
const why = !findChromium() ? "Chromium is not installed" : !built && "the page is not built";
const skip = why || false;
if (skip) console.log(`No test of the page: ${why}`);

let server;
let browser;
let out;

before(async () => {
  if (skip) return;
  out = process.env.EDGEMATTE_OUT ?? (await mkdtemp(path.join(os.tmpdir(), "edgematte-page-")));
  server = await serve();
  // A camera of Chromium's own, that nobody has to allow.
  browser = await launch(["--use-fake-device-for-media-stream"]);
});

after(async () => {
  await browser?.close();
  await server?.close();
});

/** A new page that keeps nothing, so that every test starts alike. */
async function open(t, { prepare, query = "", ...options } = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 860 },
    serviceWorkers: "block",
    acceptDownloads: true,
    ...options,
  });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await prepare?.(page, context);
  await page.goto(server.url + query);
  return page;
}

const settled = (page) => page.waitForSelector("body[data-ready], #problem:not([hidden])");

async function drop(page, file, type = "image/jpeg", name = path.basename(file)) {
  const bytes = (await readFile(file)).toString("base64");
  const transfer = await page.evaluateHandle(
    ({ bytes, name, type }) => {
      const data = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([data], name, { type }));
      return transfer;
    },
    { bytes, name, type },
  );
  await page.dispatchEvent("#drop", "drop", { dataTransfer: transfer });
}

/** Bytes of alpha at points of the cut-out, given as shares of its sides. */
function alphaAt(page, ...points) {
  return page.evaluate((points) => {
    const canvas = document.querySelector("#canvas");
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    return points.map(([x, y]) => data[4 * (Math.floor(y * height) * width + Math.floor(x * width)) + 3]);
  }, points);
}

test("a dropped photograph is cut out, told of, and downloaded", { skip }, async (t) => {
  const page = await open(t);
  await settled(page);
  assert.match(await page.textContent("#status"), /^Ready on WASM: /);
  assert.match(await page.textContent("#model dl"), /lightweight, split cut, fp32.*4 files verified/);
  await drop(page, photo);
  await page.waitForSelector("body[data-done]");
  const [corner, face] = await alphaAt(page, [0.03, 0.3], [0.44, 0.3]);
  assert.ok(corner < 20 && face > 235, `alpha of the wall ${corner}, of the face ${face}`);
  assert.match(await page.textContent("#timings tbody"), /graph\.segment.*graph\.refine.*host\.stitch/);
  const saved = page.waitForEvent("download");
  await page.click("#download");
  await (await saved).saveAs(path.join(out, "cutout.png"));
  await page.screenshot({ path: path.join(out, "page.png") });
  await page.check('input[value="#2b6f8f"]', { force: true });
  assert.deepEqual(await alphaAt(page, [0.03, 0.3]), [255], "a background covers the clear parts");
});

test("it works offline after the first load", { skip }, async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(server.url);
  await settled(page);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.waitForFunction(() => navigator.serviceWorker.controller);
  await context.setOffline(true);
  await page.reload();
  await settled(page);
  await page.click("#sample");
  await page.waitForSelector("body[data-done]");
});

test("a corrupted bundle is refused with the name of its file; another is opened from its folder", { skip }, async (t) => {
  const spoil = async (route) => {
    const answer = await route.fetch();
    const body = await answer.body();
    body[1000] ^= 1;
    await route.fulfill({ response: answer, body });
  };
  const page = await open(t, { prepare: (page) => page.route("**/model/refine.onnx", spoil) });
  await settled(page);
  assert.match(await page.textContent("#problem"), /^refine\.onnx is not what was exported \(its sha256 differs\)/);
  await page.setInputFiles("#bundle", fileURLToPath(new URL("../../../edgematte/default.edgematte", import.meta.url)));
  await page.waitForSelector("body[data-ready]");
  assert.ok(await page.isHidden("#problem"));
  await drop(page, fileURLToPath(new URL("../package.json", import.meta.url)), "application/zip", "b.edgematte.zip");
  await page.waitForSelector("#problem:not([hidden])");
  assert.match(await page.textContent("#problem"), /^The zip cannot be read \(it is no zip archive\)/);
});

test("without SIMD one sentence says so", { skip }, async (t) => {
  const without = async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: `WebAssembly.validate = () => false;${await answer.text()}` });
  };
  const page = await open(t, { prepare: (page) => page.route("**/assets/worker-*.js", without) });
  await settled(page);
  assert.match(await page.textContent("#problem"), /no WebAssembly SIMD/);
});

test("without COOP and COEP it says why it has one thread, and has more at the second visit", { skip }, async (t) => {
  const plain = await servePlainly();
  const context = await browser.newContext();
  t.after(() => context.close().then(plain.close));
  const page = await context.newPage();
  await page.goto(plain.url);
  await settled(page);
  assert.match(await page.textContent("#model dl"), /WASM, 1 thread.*sends no COOP and COEP/);
  await page.waitForFunction(() => navigator.serviceWorker.controller);
  await page.reload();
  await settled(page);
  const many = os.cpus().length > 1;
  if (many) assert.match(await page.textContent("#model dl"), /WASM, \d+ threads/);
});

const tiny = process.env.EDGEMATTE_TINY;
const noTiny = skip || (!tiny && "EDGEMATTE_TINY names no small bundle for a processor to run as WebGPU");

test("WebGPU is taken where it is right and was asked for", { skip: noTiny }, async (t) => {
  const graphics = await launch(SOFTWARE_WEBGPU);
  t.after(() => graphics.close());
  const page = await graphics.newPage({ serviceWorkers: "block" });
  await page.route("**/model/edgematte.json", (route) => route.abort());
  await page.goto(`${server.url}?engine=webgpu`);
  await page.waitForSelector("#problem:not([hidden])");
  await page.setInputFiles("#bundle", tiny);
  await page.waitForSelector("body[data-ready]", { timeout: 60_000 });
  assert.match(await page.textContent("#model dl"), /EngineWebGPUWhyit is right \(off by .*\)/);
  await page.click("#sample");
  await page.waitForSelector("body[data-done]");
});

test("the camera is matted live, and rests while its tab is in the background", { skip }, async (t) => {
  const page = await open(t, { permissions: ["camera"] });
  await settled(page);
  await page.click("#camera");
  await page.waitForSelector("body[data-frames]");
  await hide(page, true);
  await page.waitForFunction(() => /^Paused/.test(document.querySelector("#status").textContent));
  const frames = await page.getAttribute("body", "data-frames");
  await page.waitForTimeout(1000);
  assert.equal(await page.getAttribute("body", "data-frames"), frames);
  await hide(page, false);
  await page.waitForFunction(() => document.querySelector("#status").textContent === "The camera is on");
  await page.click("#stop");
  assert.equal(await page.textContent("#status"), "The camera is off");
});

function hide(page, hidden) {
  return page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
}

test("what the brush removes is background, by pointer and by keyboard", { skip }, async (t) => {
  const page = await open(t);
  await settled(page);
  await page.click("#sample");
  await page.waitForSelector("body[data-done]");
  const done = await page.getAttribute("body", "data-done");
  await page.check('input[name="brush"][value="0"]', { force: true });
  await page.focus("#canvas");
  await page.keyboard.press("Space"); // in the middle of the picture: the suit
  await page.waitForFunction((done) => document.body.dataset.done !== done, done);
  assert.deepEqual(await alphaAt(page, [0.5, 0.5]), [0]);
  const box = await page.locator("#canvas").boundingBox();
  await page.mouse.move(box.x + box.width * 0.44, box.y + box.height * 0.28);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.46, box.y + box.height * 0.3, { steps: 3 });
  await page.mouse.up();
  await page.waitForFunction(() => document.body.dataset.done === "3");
  assert.deepEqual(await alphaAt(page, [0.45, 0.29], [0.5, 0.5]), [0, 0]);
});

test("a photograph of 40 megapixels is reduced and said so; what is no picture is refused", { skip }, async (t) => {
  const page = await open(t);
  await settled(page);
  await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(8000, 5000);
    const context = canvas.getContext("2d");
    context.fillStyle = "#9db4c0";
    context.fillRect(0, 0, 8000, 5000);
    const file = new File([await canvas.convertToBlob({ type: "image/jpeg" })], "large.jpg");
    const transfer = new DataTransfer();
    transfer.items.add(file);
    document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer }));
  });
  await page.waitForSelector("body[data-done], #problem:not([hidden])");
  assert.match(await page.textContent("#status"), /40 megapixels were reduced to 5181x3238/);
  await drop(page, fileURLToPath(new URL("../package.json", import.meta.url)), "application/json");
  await page.waitForSelector("#problem:not([hidden])");
  assert.match(await page.textContent("#problem"), /package\.json is no picture that this browser can read/);
});

test("a camera that is denied leaves photographs to choose, by keyboard too", { skip }, async (t) => {
  const page = await open(t);
  await settled(page);
  await page.click("#camera");
  await page.waitForSelector("#problem:not([hidden])");
  assert.match(await page.textContent("#problem"), /^The camera was not allowed: allow it/);
  await page.click("#sample");
  await page.waitForSelector("body[data-done]");
  const nameless = await page.$$eval("button, input, canvas, summary", (all) =>
    all
      .filter((one) => one.checkVisibility())
      .filter((one) => !(one.labels?.length || one.textContent.trim() || one.getAttribute("aria-label")))
      .map((one) => one.outerHTML),
  );
  assert.deepEqual(nameless, []);
  const seen = new Set();
  for (let i = 0; i < 24; i++) {
    await page.keyboard.press("Tab");
    seen.add(await page.evaluate(() => document.activeElement.id || document.activeElement.name));
  }
  for (const id of ["view", "background", "colour", "brush", "brush-size", "download", "another"]) {
    assert.ok(seen.has(id), `${id} is not reached by Tab`);
  }
});
