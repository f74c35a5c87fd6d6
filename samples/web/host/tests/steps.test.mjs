// Every host step on its recorded inputs, against its recorded results.
import assert from "node:assert/strict";
import { test } from "node:test";

import * as host from "../dist/index.js";
import { bundles } from "./bundles.mjs";

/** Float results: those of float32 sums in another order. Bytes, boxes and flags must be equal. */
const FLOATS = 1e-5;

for (const { name, bundle } of bundles) {
  const section = bundle.manifest.host;
  const steps = STEPS()[section.kind] ?? {};
  for (const [step, run] of Object.entries(steps)) {
    test(`${name}: ${step}`, async (t) => {
      const pool = new Map([...(await bundle.golden("end_to_end")), ...(await bundle.golden("host"))]);
      const results = run(section, new Pool(pool));
      if (!results) return t.skip("this net has no such step");
      for (const [array, actual] of Object.entries(results)) compare(array, actual, pool.get(array));
    });
  }
}

/** Recorded arrays in the forms that the steps take. */
class Pool {
  constructor(arrays) {
    this.arrays = arrays;
  }
  array(name) {
    const array = this.arrays.get(name);
    assert.ok(array, `the record lacks ${name}`);
    return array;
  }
  bytes(name) {
    const { shape, data } = this.array(name);
    return { width: shape[1], height: shape[0], data };
  }
  /** (C, h, w), or (h, w) as one plane. */
  planes(name) {
    const array = this.array(name);
    const [height, width] = array.shape.slice(-2);
    const data = host.unit(array);
    return { planes: data.length / (width * height), width, height, data };
  }
  size() {
    return [...this.array("size").data];
  }
  cells() {
    const { data } = this.array("cells");
    return Array.from({ length: data.length / 2 }, (_, i) => ({ row: data[2 * i], column: data[2 * i + 1] }));
  }
  patch(name = "patch", row = 0) {
    const [left, top, side] = this.array(name).data.subarray(3 * row, 3 * row + 3);
    return { left, top, side };
  }
}

function STEPS() {
  const reduce = ({ size }, pool) => ({ reduced: every(picture(host.resizePicture(pool.bytes("picture"), size)), [4, 4]) });
  const trimap = (section, pool) => ({
    trimap: plane(host.estimateTrimap(pool.planes("probabilities"), pool.size(), section)),
  });
  return {
    fused: {
      reduce,
      trimap,
      enlarge: (_, pool) => ({
        alpha: every(plane(host.enlarge(pool.planes("reduced_alpha"), pool.size())), [4, 4]),
      }),
    },
    split: {
      reduce,
      trimap,
      patches: (section, pool) => {
        const placed = host.placePatches(section, pool.bytes("trimap"));
        return {
          patches: { data: placed.flatMap(({ patch }) => [patch.left, patch.top, patch.side]) },
          refined: { data: placed.map(({ refined }) => +refined) },
        };
      },
      crop: (_, pool) => {
        const patch = pool.patch();
        const { side } = patch;
        const classes = host.probabilityPatch(pool.planes("probabilities"), pool.bytes("trimap"), patch);
        const data = host.crop(pool.bytes("picture"), patch);
        return {
          picture_patch: every({ shape: [side, side, 3], data }, [4, 4]),
          probability_patch: every({ shape: [3, side, side], data: classes.data }, [1, 8, 8]),
        };
      },
      stitch: (section, pool) => {
        const stitcher = new host.Stitcher(pool.size(), section.overlap);
        const { shape } = pool.array("alphas");
        const alphas = host.unit(pool.array("alphas"));
        const area = shape[1] * shape[2];
        for (let i = 0; i < shape[0]; i++) {
          stitcher.add(pool.patch("patches", i), alphas.subarray(i * area, (i + 1) * area));
        }
        return { alpha: every(plane(stitcher.finish()), [4, 4]) };
      },
    },
    regions: {
      frame: (section, pool) => {
        const given = pool.bytes("picture");
        const frame = host.frameFor([given.width, given.height], section.size);
        return { framed: picture(host.toFrame(given, frame)) };
      },
      select: (section, pool) => ({
        cells: { data: host.selectCells(pool.planes("cell_trimap"), section.max_regions).flatMap(({ row, column }) => [row, column]) },
      }),
      crop: (_, pool) => {
        const cells = pool.cells();
        const data = host.cropRegions(pool.bytes("framed"), pool.planes("coarse_alpha"), cells);
        return { regions: every({ shape: [cells.length, 4, 8, 8], data }, [16]) };
      },
      neighbours: (section, pool) => {
        if (!section.k) return undefined;
        const cells = pool.cells();
        const group = host.withNeighbours(cells, section.k);
        return { group: { data: group }, positions: { data: host.positions(section, cells, group) } };
      },
      paste: (_, pool) => {
        const refined = host.unit(pool.array("refined"));
        return { pasted: every(plane(host.pasteRegions(pool.planes("cell_alpha"), refined, pool.cells())), [4, 4]) };
      },
      finish: (section, pool) => {
        const frame = host.frameFor(pool.size(), section.size);
        return {
          trimap: plane(host.classesFromFrame(host.cellClasses(pool.planes("cell_trimap")), frame)),
          alpha: every(plane(host.fromFrame(pool.planes("coarse_alpha"), frame)), [4, 4]),
        };
      },
    },
  };
}

function picture({ width, height, data }) {
  return { shape: [height, width, 3], data };
}

function plane({ width, height, data }) {
  return { shape: [height, width], data };
}

/** The entries that records keep: every so manieth of each axis. */
function every({ shape, data }, steps) {
  let kept = [0];
  let pitch = data.length;
  shape.forEach((side, axis) => {
    pitch /= side;
    const places = [];
    for (let i = 0; i < side; i += steps[axis] ?? 1) places.push(i * pitch);
    kept = kept.flatMap((base) => places.map((place) => base + place));
  });
  return { data: kept.map((place) => data[place]) };
}

function compare(name, { data: actual }, recorded) {
  assert.ok(recorded, `the record lacks ${name}`);
  assert.equal(actual.length, recorded.data.length, `${name}: number of values`);
  const exact = !recorded.dtype.startsWith("float");
  let largest = 0;
  for (let i = 0; i < actual.length; i++) largest = Math.max(largest, Math.abs(actual[i] - recorded.data[i]));
  assert.ok(largest <= (exact ? 0 : FLOATS), `${name} is off by ${largest}`);
}
