// Writes FOLDER/foreground, from FOLDER/picture (RGB bytes) and FOLDER/alpha (float32).
//
//     node foreground.mjs FOLDER WIDTH HEIGHT
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { estimateForeground } from "../dist/index.js";

const [folder, ...size] = process.argv.slice(2);
const [width, height] = size.map(Number);
const bytes = (name) => Uint8Array.from(readFileSync(path.join(folder, name)));
const picture = { width, height, data: bytes("picture") };
const alpha = { width, height, data: new Float32Array(bytes("alpha").buffer) };
writeFileSync(path.join(folder, "foreground"), estimateForeground(picture, alpha).data);
