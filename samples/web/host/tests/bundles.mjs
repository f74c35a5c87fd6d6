// Bundles that the tests run on: the one that ships with edgematte, and those in the folders that
// EDGEMATTE_BUNDLES names, separated by colons.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import path from "node:path";

import { openBundle } from "../dist/index.js";

const shipped = fileURLToPath(new URL("../../../../edgematte/default.edgematte", import.meta.url));
const others = (process.env.EDGEMATTE_BUNDLES ?? "").split(":").filter(Boolean);

/** Folders of all bundles. */
export const folders = [shipped, ...others];

/** A function that reads files of a folder, as openBundle wants it. */
export function from(folder) {
  return async (name) => {
    try {
      return new Uint8Array(await readFile(path.join(folder, name)));
    } catch {
      return undefined;
    }
  };
}

/** All bundles, opened. */
export const bundles = await Promise.all(
  folders.map(async (folder) => ({ name: path.basename(folder), bundle: await openBundle(from(folder)) })),
);
