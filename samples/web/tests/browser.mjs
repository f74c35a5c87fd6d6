// Chromium for the page's tests, and the built page on a loopback address.
import { accessSync, constants } from "node:fs";
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

/** The built page, served; `isolated` sends the headers that threads need. */
export async function serve({ isolated = true } = {}) {
  const headers = isolated ? undefined : {};
  const server = await preview({
    root,
    logLevel: "error",
    configFile: path.join(root, "vite.config.ts"),
    preview: { host: "127.0.0.1", port: 0, ...(headers && { headers }) },
    ...(headers && { plugins: [{ name: "plain", config: () => ({ preview: { headers } }) }] }),
  });
  const { port } = server.httpServer.address();
  return { url: `http://127.0.0.1:${port}/`, close: () => server.close() };
}
