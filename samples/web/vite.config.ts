import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const here = path.dirname(fileURLToPath(import.meta.url));
const shipped = path.join(here, "../../edgematte/default.edgematte");
const bundle = path.resolve(process.env["EDGEMATTE_BUNDLE"] ?? shipped);
const photo = path.join(here, "../astronaut.jpg");

/** Threads of WebAssembly need a page that is isolated from other origins. */
const isolated = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/** What the page serves beside its code: the bundle, as it is, and the sample photograph. */
function served(): Map<string, string> {
  const manifest = path.join(bundle, "edgematte.json");
  const { files } = JSON.parse(readFileSync(manifest, "utf8")) as { files: Record<string, string> };
  const names = Object.keys(files).filter((name) => !/^(REPORT\.md|report\.png)$/.test(name));
  const all = new Map([["sample.jpg", photo]]);
  for (const name of ["edgematte.json", ...names]) all.set(`model/${name}`, path.join(bundle, name));
  return all;
}

function assets(): Plugin {
  return {
    name: "edgematte-assets",
    configureServer(server) {
      const files = served();
      server.middlewares.use((request, response, next) => {
        const file = files.get((request.url ?? "").split("?")[0]!.slice(1));
        if (file) response.end(readFileSync(file));
        else next();
      });
    },
    generateBundle() {
      for (const [fileName, file] of served()) {
        this.emitFile({ type: "asset", fileName, source: readFileSync(file) });
      }
    },
  };
}

/** The service worker, told which files belong to this build. */
function offline(): Plugin {
  return {
    name: "edgematte-offline",
    apply: "build",
    enforce: "post",
    generateBundle(_, output) {
      // The WebGPU build of the runtime is kept once a device has asked for it, not before.
      const names = Object.keys(output).filter((name) => !/asyncify|webgpu|\.map$|golden\/(host|end_to_end)/.test(name));
      const digest = createHash("sha256");
      for (const name of names.sort()) {
        const file = output[name]!;
        digest.update(name).update(file.type === "asset" ? file.source : file.code);
      }
      const template = readFileSync(path.join(here, "src/service-worker.js"), "utf8");
      const source = template
        .replace('"BUILD"', JSON.stringify(digest.digest("hex").slice(0, 16)))
        .replace('["FILES"]', JSON.stringify(["./", ...names.filter((n) => n !== "index.html")]));
      this.emitFile({ type: "asset", fileName: "service-worker.js", source });
    },
  };
}

export default defineConfig({
  base: "./",
  root: here,
  publicDir: false,
  plugins: [assets(), offline()],
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", "module", "browser"] },
  worker: { format: "es" },
  server: { headers: isolated, fs: { allow: [readdirSync(here) && path.join(here, "../..")] } },
  preview: { headers: isolated },
  build: { target: "es2022", assetsInlineLimit: 0 },
});
