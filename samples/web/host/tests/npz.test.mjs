// Arrays as NumPy writes them, made here byte by byte.
import assert from "node:assert/strict";
import { test } from "node:test";

import { readNpy, readNpz } from "../dist/index.js";

function npy(descr, fortran, shape, values) {
  const header = `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': (${shape.join(", ")},), }\n`;
  const bytes = new Uint8Array(values.buffer);
  return new Uint8Array([0x93, ...Buffer.from("NUMPY"), 1, 0, header.length, 0, ...Buffer.from(header), ...bytes]);
}

test("an array whose first axis is the fastest is read with the last the fastest", () => {
  const values = Int32Array.from([0, 3, 1, 4, 2, 5]);
  const array = readNpy(npy("<i4", "True", [2, 3], values));
  assert.deepEqual([array.shape, [...array.data]], [[2, 3], [0, 1, 2, 3, 4, 5]]);
});

test("half precision and 64-bit integers are read as numbers", () => {
  assert.deepEqual([...readNpy(npy("<f2", "False", [2], Uint16Array.from([0x3c00, 0xc000]))).data], [1, -2]);
  assert.deepEqual([...readNpy(npy("<i8", "False", [2], BigInt64Array.from([7n, -1n]))).data], [7, -1]);
});

test("what is no archive is refused with the record's name", async () => {
  await assert.rejects(readNpz(new Uint8Array(40), "golden/x.npz"), /golden\/x\.npz cannot be read \(it is no zip/);
});
