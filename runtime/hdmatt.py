"""Host side of HDMatt: features of the patches, contexts for each, alpha, stitching (eq. 1-6)."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import closing, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import BundleError, OptionError
from edgematte.manifest import Host
from edgematte.ranges import check_options
from edgematte.runtime.clock import Clock
from edgematte.runtime.context_bank import ContextBank
from edgematte.runtime.contexts import best_contexts, candidates, has_unknown, pad, window
from edgematte.runtime.explanation import Explanation, explain, patch_of, pixel_to_explain
from edgematte.runtime.graph import GraphCall
from edgematte.runtime.journal import Journal
from edgematte.runtime.lightweight import known_alpha
from edgematte.runtime.patches import Patch, Stitcher, crop, patch_grid, walk
from edgematte.runtime.pipeline import Pipeline, Step
from edgematte.runtime.trimap import BACKGROUND, FOREGROUND, STRIP, UNKNOWN

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


def pipeline(host: Host, graphs: Mapping[str, GraphCall]) -> Pipeline:
    """The pipeline over the graphs of a bundle.

    Raises:
        BundleError: graphs or parameters that no export of this net writes.
    """
    _check(host)
    needed = ("bank", "query") if host.k else ("query",)
    if missing := [name for name in needed if name not in graphs]:
        raise BundleError(f"the patches cut needs a graph {missing[0]!r}; the bundle has none")
    return Patches(host, graphs)


class Patches:
    """Patches with unknown pixels one by one, row by row; the others are known already.

    Memory is the picture, its trimap and alpha, one row of patches, and the features of at most
    ``host.candidates`` patches: as float32 where those are all the patches there are, else as
    float16, and beyond a limit in a temporary file.
    """

    def __init__(self, host: Host, graphs: Mapping[str, GraphCall]) -> None:
        """``graphs`` holds ``query``, and ``bank`` where patches see each other."""
        self.host, self.graphs = host, graphs
        self.memory_mb: float | None = None

    def limit_memory(self, megabytes: float) -> None:
        """Keep at most so much of the features in memory (1e6 bytes), from now on.

        Raises:
            OptionError: less than nothing.
        """
        check_options(memory_mb=megabytes)
        self.memory_mb = megabytes

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """See :class:`Pipeline`."""
        assert trimap is not None
        return self.resume(picture, trimap, clock, None)

    def resume(
        self, picture: Bytes, trimap: Bytes, clock: Clock, journal: Path | None, work: str = ""
    ) -> tuple[Floats, Bytes]:
        """The same; finished patches are recorded at ``journal``, and those found there are kept.

        ``work`` names what else the alpha depends on: weights, precision, engine. The journal
        stays; whoever has written the result removes it.

        Raises:
            OptionError: a journal of another picture, trimap or work.
        """
        side, overlap = _sides(self.host)
        size = picture.shape[1], picture.shape[0]
        patches = patches_of(self.host, trimap)
        with clock("host.trimap"):
            unknown = has_unknown(trimap, patches)
        clock.counts["patches"] = len(patches)
        clock.counts["patches refined"] = int(unknown.sum())
        if not unknown.any():
            return (trimap == FOREGROUND).astype(np.float32), trimap
        record = None
        if journal is not None:
            record = Journal(journal, _identity(self.host, picture, trimap, work))
        stitcher = Stitcher(size, side, overlap)
        bank = ContextBank(self.host, self.graphs, picture, trimap, patches, clock, self.memory_mb)
        with nullcontext() if record is None else closing(record), bank:
            for i, patch in enumerate(patches):
                known = window(trimap, patch)
                if not unknown[i]:
                    with clock("host.stitch"):
                        stitcher.add(patch, known_alpha(known, side))
                    continue
                if record is not None and i in record:
                    values = record.get(i)
                else:
                    alpha = bank.matte(i)
                    values = alpha[: known.shape[0], : known.shape[1]][known == UNKNOWN]
                    if record is not None:
                        record.put(i, values)
                with clock("host.stitch"):
                    stitcher.add(patch, patch_alpha(known, values, side))
        with clock("host.stitch"):
            return with_known(stitcher.finish(), trimap), trimap

    def explain(
        self, picture: Bytes, trimap: Bytes, clock: Clock, pixel: tuple[int, int] | None = None
    ) -> Explanation:
        """Which patches the patch of a pixel (x, y) looks at, and where; by default of one chosen.

        Raises:
            OptionError: the pixel is not unknown, or there are no contexts.
        """
        if not self.host.k:
            raise OptionError("this bundle's patches see no other patches: nothing to explain")
        patches = patches_of(self.host, trimap)
        pixel = pixel_to_explain(trimap, patches) if pixel is None else pixel
        number = patch_of(pixel, trimap, patches)
        graphs, limit = self.graphs, self.memory_mb
        with ContextBank(self.host, graphs, picture, trimap, patches, clock, limit) as bank:
            return explain(bank, number, pixel)


def patch_alpha(known: Bytes, values: Floats, side: int) -> Floats:
    """Alpha (side, side) from the trimap's part (h, w) and the values of its unknown pixels."""
    alpha = np.zeros((side, side), np.float32)
    inside = alpha[: known.shape[0], : known.shape[1]]
    inside[known == FOREGROUND] = 1
    inside[known == UNKNOWN] = values
    return alpha


def with_known(alpha: Floats, trimap: Bytes) -> Floats:
    """Alpha (H, W), in place, with exactly 0 and 1 where the trimap says so."""
    for top in range(0, len(alpha), STRIP):
        rows = slice(top, top + STRIP)
        np.copyto(alpha[rows], 0, where=trimap[rows] == BACKGROUND)
        np.copyto(alpha[rows], 1, where=trimap[rows] == FOREGROUND)
    return alpha


def patches_of(host: Host, trimap: Bytes) -> list[Patch]:
    """The patches that a picture's alpha is stitched from; ``trimap`` (H, W) is the picture's."""
    side, overlap = _sides(host)
    return list(walk(patch_grid((trimap.shape[1], trimap.shape[0]), side, overlap)))


def host_steps(host: Host) -> dict[str, Step]:
    """Every host step as a function of named arrays, for golden records and ports of the host."""
    _check(host)
    side, overlap = _sides(host)

    def patches(trimap: Bytes) -> dict[str, NDArray[Any]]:
        grid = patches_of(host, trimap)
        boxes = np.array([(p.left, p.top, p.side) for p in grid], np.int32)
        found: dict[str, NDArray[Any]] = {"patches": boxes, "refined": has_unknown(trimap, grid)}
        if host.k:
            found["candidates"] = candidates(trimap, grid, host.candidates or 0)
        return found

    def cut(picture: Bytes, trimap: Bytes, patch: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
        where = Patch(*(int(n) for n in patch))
        return {"picture_patch": crop(picture, where), "trimap_patch": crop(trimap, where)}

    def contexts(query_vector: Floats, context_vectors: Floats) -> dict[str, NDArray[Any]]:
        assert host.k is not None
        chosen = best_contexts(query_vector, context_vectors, host.k, 0)
        return {"chosen": chosen, "pad": pad(len(chosen), host.k)}

    def stitch(
        patches: NDArray[np.int32], alphas: Floats, trimap: Bytes
    ) -> dict[str, NDArray[Any]]:
        stitcher = Stitcher((trimap.shape[1], trimap.shape[0]), side, overlap)
        for row, alpha in zip(patches, alphas, strict=True):
            stitcher.add(Patch(*(int(n) for n in row)), alpha)
        return {"alpha": with_known(stitcher.finish(), trimap)}

    steps: dict[str, Step] = {"patches": patches, "crop": cut}
    if host.k:
        steps["contexts"] = contexts
    return steps | {"stitch": stitch}


def _identity(host: Host, picture: Bytes, trimap: Bytes, work: str) -> str:
    """sha256 of everything that alpha depends on."""
    text = f"{json.dumps(asdict(host), sort_keys=True)} {picture.shape} {work}\n"
    digest = hashlib.sha256(text.encode())
    for plane in (picture, trimap):
        digest.update(np.ascontiguousarray(plane).data)
    return digest.hexdigest()


def _check(host: Host) -> None:
    if host.cut != "patches":
        raise BundleError(f"unknown cut {host.cut!r}; there are: patches")
    side, overlap = host.patch, host.overlap
    if side is None or overlap is None or not 0 <= overlap < side:
        raise BundleError(f"patch {side}, overlap {overlap}: the overlap should be less than it")
    if host.k is not None and host.k < 1:
        raise BundleError(f"k {host.k}: at least 1, or left out where there are no contexts")
    if host.k and (host.candidates is None or host.candidates <= host.k):
        raise BundleError(f"candidates {host.candidates}: more than k, which is {host.k}")


def _sides(host: Host) -> tuple[int, int]:
    assert host.patch is not None and host.overlap is not None
    return host.patch, host.overlap
