// The arrays of one step of a goldens folder, in the forms that the host side takes.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";

const TYPES = { float32: Float32Array, uint8: Uint8Array, int32: Int32Array };

export class Pool {
  constructor(folder, entries) {
    this.folder = folder;
    this.entries = entries;
  }

  has(name) {
    return name in this.entries;
  }

  values(name) {
    const { file, dtype } = this.entries[name];
    const bytes = Uint8Array.from(readFileSync(path.join(this.folder, file)));
    return new TYPES[dtype](bytes.buffer);
  }

  /** Width and height of an array (height, width, ...). */
  sizeOf(name) {
    const [height, width] = this.entries[name].shape;
    return [width, height];
  }

  /** A picture or trimap. */
  bytes(name) {
    const [width, height] = this.sizeOf(name);
    return { width, height, data: this.values(name) };
  }

  /** Planes (C, h, w), or (h, w) as one plane. */
  planes(name) {
    const [height, width] = this.entries[name].shape.slice(-2);
    const data = this.values(name);
    return { planes: data.length / (width * height), width, height, data };
  }

  cells() {
    const data = this.values("cells");
    return Array.from({ length: data.length / 2 }, (_, i) => ({ row: data[2 * i], column: data[2 * i + 1] }));
  }

  patch(name, row = 0) {
    const [left, top, side] = this.values(name).subarray(3 * row, 3 * row + 3);
    return { left, top, side };
  }

  tile(name, row = 0) {
    const [left, top, side, tall] = this.values(name).subarray(4 * row, 4 * row + 4);
    return { left, top, side, tall };
  }

  /** A whole result against a record, of which only every so manieth entry may be kept. */
  compare(name, entry, result) {
    assert.ok(result, `the step does not give ${name}`);
    const expected = this.values(name);
    const data = entry.every ? sampled(result, entry.every) : result.data;
    assert.equal(data.length, expected.length, `${name}: number of values`);
    let [largest, sum] = [0, 0];
    for (let i = 0; i < expected.length; i++) {
      const apart = Math.abs(data[i] - expected[i]);
      largest = Math.max(largest, apart);
      sum += apart;
    }
    const mean = sum / Math.max(1, expected.length);
    assert.ok(largest <= entry.tolerance_max && mean <= entry.tolerance_mean, `${name} is off by ${largest}, ${mean}`);
    // This port resizes in fixed point, as Pillow does: it needs no tolerance for bytes.
    if (entry.dtype === "uint8") assert.equal(largest, 0, `${name} is off by ${largest}`);
  }
}

function sampled({ shape, data }, steps) {
  let kept = [0];
  let pitch = data.length;
  shape.forEach((side, axis) => {
    pitch /= side;
    const places = [];
    for (let i = 0; i < side; i += steps[axis] ?? 1) places.push(i * pitch);
    kept = kept.flatMap((base) => places.map((place) => base + place));
  });
  return kept.map((place) => data[place]);
}

export function picture({ width, height, data }) {
  return { shape: [height, width, 3], data };
}

export function plane({ width, height, data }) {
  return { shape: [height, width], data };
}
