// Chromium for the page's tests, and the built page on a loopback address.
import { accessSync, constants } from "node:fs";
import { readFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { preview } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Where Chromium is: $EDGEMATTE_CHROMIUM, or the first of its usual names on the path. */
export function findChromium() {
  const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  const folders = (process.env.PATH ?? "").split(path.delimiter);
  const places = names.flatMap((name) => folders.map((folder) => path.join(folder, name)));
  return [process.env.EDGEMATTE_CHROMIUM ?? "", ...places].find((place) => {
    try {
      accessSync(place, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** A browser; `flags` are Chromium's own. */
export function launch(flags = []) {
  const sandbox = process.getuid?.() === 0 ? ["--no-sandbox"] : []; // root cannot have one
  return chromium.launch({ executablePath: findChromium(), args: [...sandbox, ...flags] });
}

/** Chromium's flags for WebGPU computed by the processor, where there is no graphics card. */
export const SOFTWARE_WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

/** The built page as `npm run preview` serves it, with the headers that threads need. */
export async function serve() {
  const server = await preview({
    root,
    logLevel: "error",
    configFile: path.join(root, "vite.config.ts"),
    preview: { host: "127.0.0.1", port: 0 },
  });
  const { port } = server.httpServer.address();
  return { url: `http://127.0.0.1:${port}/`, close: () => server.close() };
}

const KINDS = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };

/** The built page on a host that sends no headers but the type of a file. */
export async function servePlainly() {
  const server = http.createServer((request, response) => {
    const name = request.url.split("?")[0].replace(/\/$/, "/index.html");
    readFile(path.join(root, "dist", path.normalize(name))).then(
      (bytes) => response.writeHead(200, { "Content-Type": KINDS[path.extname(name)] ?? "text/plain" }).end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => server.closeAllConnections() ?? server.close();
  return { url: `http://127.0.0.1:${server.address().port}/`, close };
}
