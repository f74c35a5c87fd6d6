// Every host step on the records of `edgematte goldens BUNDLE --to DIR`, against what it should give.
//
// EDGEMATTE_GOLDENS names the folders, separated by colons.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import * as host from "../dist/index.js";
import { Pool, picture, plane } from "./pool.mjs";

const folders = (process.env.EDGEMATTE_GOLDENS ?? "").split(":").filter(Boolean);
const skip = !folders.length && "EDGEMATTE_GOLDENS names no folders of `edgematte goldens`";

test("there are records to run the steps on", { skip }, () => assert.ok(folders.length));

function reduce({ size }, pool) {
  return { reduced: picture(host.resizePicture(pool.bytes("picture"), size)) };
}

const split = {
  reduce,
  trimap: (section, pool) => ({
    trimap: plane(host.estimateTrimap(pool.planes("probabilities"), pool.values("size"), section)),
  }),
  patches: (section, pool) => {
    const placed = host.placePatches(section, pool.bytes("trimap"));
    return {
      patches: { data: placed.flatMap(({ patch }) => [patch.left, patch.top, patch.side]) },
      refined: { data: placed.map(({ refined }) => +refined) },
    };
  },
  crop: (_, pool) => {
    const patch = pool.patch("patch");
    const probabilities = pool.has("probabilities") ? pool.planes("probabilities") : undefined;
    const classes = host.probabilityPatch(probabilities, pool.bytes("trimap"), patch);
    return {
      picture_patch: { shape: [patch.side, patch.side, 3], data: host.crop(pool.bytes("picture"), patch) },
      probability_patch: { ...classes, shape: classes.shape.slice(1) },
    };
  },
  stitch: (section, pool) => {
    const [width, height] = pool.has("size") ? pool.values("size") : pool.sizeOf("trimap");
    const trimap = pool.has("trimap") ? pool.bytes("trimap") : { width, height, data: new Uint8Array() };
    const stitcher = host.stitcherFor(section, trimap);
    const alphas = pool.values("alphas");
    const area = section.patch ** 2;
    for (let i = 0; i < alphas.length / area; i++) {
      stitcher.add(pool.patch("patches", i), alphas.subarray(i * area, (i + 1) * area));
    }
    return { alpha: plane(stitcher.finish()) };
  },
};

const netSteps = {
  split,
  fused: {
    reduce,
    trimap: split.trimap,
    enlarge: (_, pool) => ({
      alpha: plane(host.enlarge(pool.planes("reduced_alpha"), pool.values("size"))),
    }),
  },
  regions: {
    frame: (section, pool) => {
      const given = pool.bytes("picture");
      const frame = host.frameFor([given.width, given.height], section.size);
      return { framed: picture(host.toFrame(given, frame)) };
    },
    select: (section, pool) => {
      const cells = host.selectCells(pool.planes("cell_trimap"), section.max_regions);
      return { cells: { data: cells.flatMap(({ row, column }) => [row, column]) } };
    },
    crop: (_, pool) => {
      const alpha = pool.planes("coarse_alpha");
      const data = host.cropRegions(pool.bytes("framed"), alpha, pool.cells());
      return { regions: { shape: [data.length / 256, 4, 8, 8], data } };
    },
    neighbours: (section, pool) => {
      const cells = pool.cells();
      const group = host.withNeighbours(cells, section.k);
      return { group: { data: group }, positions: { data: host.positions(section, cells, group) } };
    },
    paste: (_, pool) => ({
      pasted: plane(host.pasteRegions(pool.planes("cell_alpha"), pool.values("refined"), pool.cells())),
    }),
    finish: (section, pool) => {
      const frame = host.frameFor(pool.values("size"), section.size);
      const classes = host.cellClasses(pool.planes("cell_trimap"));
      return {
        trimap: plane(host.classesFromFrame(classes, frame)),
        alpha: plane(host.fromFrame(pool.planes("coarse_alpha"), frame)),
      };
    },
  },
};

netSteps.tiles = {
  tiles: (section, pool) => {
    const placed = host.placeTiles(section, pool.bytes("trimap"));
    return {
      tiles: { data: placed.flatMap(({ tile }) => [tile.left, tile.top, tile.side, tile.tall]) },
      run: { data: placed.map(({ run }) => +run) },
    };
  },
  crop: (section, pool) => {
    const tile = pool.tile("tile");
    return {
      tile_image: host.tileImage(section, pool.bytes("picture"), tile),
      tile_trimap: host.tileTrimap(section, pool.bytes("trimap"), tile),
    };
  },
  stitch: (section, pool) => {
    const trimap = pool.bytes("trimap");
    const stitcher = new host.Stitcher([trimap.width, trimap.height], section.overlap);
    const alphas = pool.values("alphas");
    const area = section.size[0] * section.size[1];
    for (let i = 0; i < alphas.length / area; i++) {
      stitcher.add(pool.tile("tiles", i), alphas.subarray(i * area, (i + 1) * area));
    }
    const alpha = stitcher.finish();
    host.keepKnown(alpha.data, trimap);
    return { alpha: plane(alpha) };
  },
};

const stageSteps = {
  reduce,
  clean: (section, pool) => ({
    cleaned: host.withoutSpecks(pool.planes("probabilities"), section.speck_share),
  }),
  trimap: (section, pool) => ({
    trimap: plane(host.estimateTrimap(pool.planes("cleaned"), pool.values("size"), section)),
  }),
};

for (const folder of folders) {
  const index = JSON.parse(readFileSync(path.join(folder, "index.json"), "utf8"));
  for (const { name, steps } of index.cases) {
    for (const step of steps) {
      const stage = step.part === "trimap_stage";
      const section = stage ? index.trimap_stage : index.host;
      const run = (stage ? stageSteps : netSteps[section.kind])?.[step.name];
      if (!run) continue; // a net whose host side is not in this package
      test(`${path.basename(folder)}, ${name}: ${step.part} ${step.name}`, () => {
        const results = run(section, new Pool(folder, step.reads));
        for (const [array, entry] of Object.entries(step.gives)) {
          new Pool(folder, step.gives).compare(array, entry, results[array]);
        }
      });
    }
  }
}
