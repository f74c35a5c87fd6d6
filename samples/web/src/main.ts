/** The page: photographs and the camera in, cut-outs out. */
import { Brush } from "./brush.ts";
import { Camera } from "./camera.ts";
import { Client } from "./client.ts";
import { readPhoto } from "./photo.ts";
import { PictureView, type View } from "./picture-view.ts";
import type { Opened, Result, Source } from "./protocol.ts";

const MODEL = new URL("model/", document.baseURI).href;
const WEBGPU = new URLSearchParams(location.search).get("engine") === "webgpu";
const SAMPLE = new URL("sample.jpg", document.baseURI).href;

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

const drop = element("drop");
const status = element("status");
const problem = element("problem");
const bar = element("bar");
const video = element<HTMLVideoElement>("video");
const canvas = element<HTMLCanvasElement>("canvas");
const view = new PictureView(canvas);
const camera = new Camera(video);
const client = new Client();

let opened: Opened | undefined;
let result: Result | undefined;
/** The photograph as it was chosen, to matte it again with a painted trimap. */
let photo: Blob | undefined;
let name = "picture";
let painted: Uint8Array<ArrayBuffer> | undefined;
/** Counts what was asked, so that an answer that came too late is not shown. */
let asked = 0;

const brush = new Brush(canvas, element("brush-ring"), {
  painting: (marks, value) => view.stroke(marks, value),
  painted: (marks, value) => void refineAgain(marks, value),
});

// ---------------------------------------------------------------- telling what happens

function say(text: string): void {
  status.textContent = text;
}

function tell(error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  const name = /^\S+\.\w/.test(text); // of a file: it keeps its letters
  problem.textContent = (name ? text : text.charAt(0).toUpperCase() + text.slice(1)) + ".";
  problem.hidden = false;
  bar.hidden = true;
  say("");
}

function progress(text: string, share: number): void {
  say(text);
  const percent = Math.round(100 * share);
  bar.hidden = false;
  bar.setAttribute("aria-valuenow", String(percent));
  (bar.firstElementChild as HTMLElement).style.width = `${percent}%`;
}

function enable(): void {
  const any = result !== undefined;
  for (const id of ["views", "backgrounds", "brushes", "download", "another"]) {
    element<HTMLFieldSetElement>(id).disabled = !any;
  }
  element("brushes").hidden = !opened?.takesTrimap || camera.running;
  element("another").hidden = element("download").hidden = camera.running;
  element("stop").hidden = element("snap").hidden = !camera.running;
}

// ---------------------------------------------------------------- the model

async function open(source: Source): Promise<void> {
  problem.hidden = true;
  try {
    opened = await client.open(source, WEBGPU, progress);
  } catch (error) {
    tell(error);
    return;
  }
  bar.hidden = true;
  const { choice } = opened;
  const threads = choice.threads === 1 ? "1 thread" : `${choice.threads} threads`;
  const rows = {
    Model: `${opened.model}, ${opened.cut} cut, ${opened.precision}`,
    Size: `${(opened.bytes / 1e6).toFixed(2)} MB, ${opened.files} files verified`,
    Engine: choice.engine === "WASM" ? `WASM, ${threads}` : "WebGPU",
    Why: choice.why,
  };
  element("model").querySelector("dl")?.replaceChildren(
    ...Object.entries(rows).flatMap(([term, value]) => [text("dt", term), text("dd", value)]),
  );
  say(`Ready on ${choice.engine}: ${choice.why}`);
  document.body.dataset["ready"] = choice.engine;
  if (photo) await matte(photo, name);
}

function text(tag: string, content: string): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = content;
  return made;
}

// ---------------------------------------------------------------- photographs

async function matte(file: Blob, title: string, trimap?: Uint8Array<ArrayBuffer>): Promise<void> {
  problem.hidden = true;
  stopCamera();
  const mine = ++asked;
  try {
    const { bitmap, remark } = await readPhoto(file, title);
    if (mine !== asked) return;
    if (!trimap) {
      photo = file;
      name = title.replace(/\.[^.]*$/, "");
      painted = undefined;
      show();
      view.showPhoto(await createImageBitmap(bitmap));
    }
    if (!opened) {
      say("The photo is matted as soon as the model is ready");
      return;
    }
    progress("Finding the edge", 0.05);
    const options = { decontaminate: true, ...(trimap && { trimap }) };
    const found = await client.matte(bitmap, options, progress);
    if (mine !== asked) return;
    showResult(found);
    const total = sum(found.milliseconds);
    say(`${remark}Done in ${(total / 1000).toFixed(2)} s: ${found.width}x${found.height}`);
    document.body.dataset["done"] = String(mine);
  } catch (error) {
    if (mine === asked) tell(error);
  }
}

function show(): void {
  drop.classList.remove("empty");
  element("invite").hidden = true;
  canvas.hidden = false;
  canvas.setAttribute("aria-label", `The picture: ${name}`);
  if (!canvas.hasAttribute("role")) canvas.setAttribute("role", "img");
}

function showResult(found: Result): void {
  result = found;
  bar.hidden = true;
  view.showResult(found);
  const rows = Object.entries(found.milliseconds).map(([stage, milliseconds]) => {
    const row = document.createElement("tr");
    row.append(text("th", stage), text("td", milliseconds.toFixed(1)));
    row.firstElementChild?.setAttribute("scope", "row");
    return row;
  });
  element("timings").querySelector("tbody")?.replaceChildren(...rows);
  element("total").textContent = `${sum(found.milliseconds).toFixed(0)} ms`;
  enable();
}

function sum(milliseconds: Readonly<Record<string, number>>): number {
  return Object.values(milliseconds).reduce((total, value) => total + value, 0);
}

async function refineAgain(marks: Uint8Array, value: number): Promise<void> {
  if (!result || !photo) return;
  painted ??= result.trimap.slice();
  for (let i = 0; i < marks.length; i++) if (marks[i]) painted[i] = value;
  await matte(photo, name, painted.slice());
}

// ---------------------------------------------------------------- the camera

async function live(): Promise<void> {
  problem.hidden = true;
  if (!opened) {
    say("The camera starts as soon as the model is ready");
    return;
  }
  try {
    await camera.start();
  } catch (error) {
    tell(error);
    return;
  }
  const mine = ++asked;
  photo = undefined;
  name = "camera";
  show();
  enable();
  say("The camera is on");
  let frames = 0;
  let since = performance.now();
  while (camera.running && mine === asked) {
    if (document.hidden) {
      say("Paused while this tab is in the background");
      await visible();
      [frames, since] = [0, performance.now()];
      say("The camera is on");
    }
    try {
      const frame = await camera.frame();
      const shown = await createImageBitmap(frame);
      const found = await client.matte(frame, { decontaminate: false });
      if (mine !== asked || !camera.running) return;
      view.keepPhoto(shown);
      showResult(found);
    } catch (error) {
      stopCamera();
      tell(error);
      return;
    }
    frames++;
    const rate = (1000 * frames) / (performance.now() - since);
    element("total").textContent = `${rate.toFixed(1)} pictures a second`;
    document.body.dataset["frames"] = String(frames);
  }
}

function visible(): Promise<void> {
  return new Promise((resolve) => {
    const changed = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", changed);
      resolve();
    };
    document.addEventListener("visibilitychange", changed);
  });
}

function stopCamera(): void {
  if (!camera.running) return;
  camera.stop();
  asked++;
  say("The camera is off");
  enable();
}

async function snap(): Promise<void> {
  const frame = await camera.frame();
  const sheet = new OffscreenCanvas(frame.width, frame.height);
  sheet.getContext("2d")?.drawImage(frame, 0, 0);
  await matte(await sheet.convertToBlob(), "camera");
}

// ---------------------------------------------------------------- controls

function chosen(input: HTMLInputElement, act: (file: File) => void): void {
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    input.value = "";
    if (file) act(file);
  });
}

function radios(group: string, act: (value: string) => void): void {
  document.querySelectorAll<HTMLInputElement>(`input[name="${group}"]`).forEach((input) => {
    input.addEventListener("change", () => act(input.value));
  });
}

function select(group: string, value: string): void {
  const input = document.querySelector<HTMLInputElement>(`input[name="${group}"][value="${value}"]`);
  if (input) input.checked = true;
}

chosen(element("photo"), (file) => void matte(file, file.name));
element("another").addEventListener("click", () => element("photo").click());
element("camera").addEventListener("click", () => void live());
element("stop").addEventListener("click", stopCamera);
element("snap").addEventListener("click", () => void snap());
element("sample").addEventListener("click", () => {
  void fetch(SAMPLE).then(async (answer) => matte(await answer.blob(), "astronaut.jpg"), tell);
});
element<HTMLInputElement>("bundle").addEventListener("change", (event) => {
  const { files } = event.target as HTMLInputElement;
  if (files?.length) void open({ files: [...files] });
});

radios("view", (value) => {
  view.view = value as View;
  view.draw();
});

radios("background", (value) => {
  const colour = element<HTMLInputElement>("colour").value;
  view.background = value === "own" ? colour : value || undefined;
  showCutout();
});
element<HTMLInputElement>("colour").addEventListener("input", (event) => {
  view.background = (event.target as HTMLInputElement).value;
  select("background", "own");
  showCutout();
});
chosen(element("backdrop"), (file) => {
  readPhoto(file, file.name).then(({ bitmap }) => {
    view.background = bitmap;
    document
      .querySelectorAll<HTMLInputElement>('input[name="background"]')
      .forEach((input) => (input.checked = false));
    showCutout();
  }, tell);
});

function showCutout(): void {
  view.view = "cutout";
  select("view", "cutout");
  view.draw();
}

radios("brush", (value) => brush.take(value === "" ? undefined : Number(value)));
element<HTMLInputElement>("brush-size").addEventListener("input", (event) => {
  brush.size = Number((event.target as HTMLInputElement).value);
});
element("unpaint").addEventListener("click", () => {
  if (photo) void matte(photo, `${name}.`);
});

element("download").addEventListener("click", () => {
  view.png().then((png) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(png);
    link.download = `${name}-cutout.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    say(`Saved ${link.download}`);
  }, tell);
});

// ---------------------------------------------------------------- drop and paste

for (const kind of ["dragenter", "dragover"] as const) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const entry = event.dataTransfer?.items[0]?.webkitGetAsEntry();
  const file = event.dataTransfer?.files[0];
  if (entry?.isDirectory) {
    filesOf(entry as FileSystemDirectoryEntry).then((files) => open({ files }), tell);
  } else if (file?.name.endsWith(".zip")) {
    void open({ files: [file] });
  } else if (file) {
    void matte(file, file.name);
  }
});
document.addEventListener("paste", (event) => {
  const file = event.clipboardData?.files[0];
  if (file) void matte(file, file.name);
});

/** The files of a dropped folder, with their paths as folder inputs give them. */
async function filesOf(folder: FileSystemDirectoryEntry): Promise<File[]> {
  const reader = folder.createReader();
  const entries: FileSystemEntry[] = [];
  for (;;) {
    const more = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (!more.length) break;
    entries.push(...more);
  }
  const found = entries.map(async (entry) => {
    if (entry.isDirectory) return filesOf(entry as FileSystemDirectoryEntry);
    const file = await new Promise<File>((resolve, reject) => {
      (entry as FileSystemFileEntry).file(resolve, reject);
    });
    Object.defineProperty(file, "webkitRelativePath", { value: entry.fullPath.slice(1) });
    return [file];
  });
  return (await Promise.all(found)).flat();
}

// ---------------------------------------------------------------- start

if ("serviceWorker" in navigator && import.meta.env.PROD) {
  navigator.serviceWorker.register("service-worker.js").catch(() => {
    // The page works without; it is only not kept for offline use.
  });
}
void open({ url: MODEL });
