"""Host side of HDMatt: features of the patches, contexts for each, alpha, stitching (eq. 1-6)."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import closing, nullcontext
from dataclasses import asdict
from pathlib import Path

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.errors import OptionError
from edgematte.runtime.engines.graph import GraphCall, need
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.explanation import Explanation, patch_of, pixel_to_explain
from edgematte.runtime.host.patches import (
    Stitcher,
    known_alpha,
    patch_grid,
    unknown_in,
    walk,
    window,
)
from edgematte.runtime.host.trimap import FOREGROUND, UNKNOWN, keep_known
from edgematte.runtime.nets.hdmatt.context_bank import ContextBank
from edgematte.runtime.nets.hdmatt.explanation import explain
from edgematte.runtime.nets.hdmatt.host import Options, PatchesHost
from edgematte.runtime.nets.hdmatt.journal import Journal


def pipeline(
    host: PatchesHost, graphs: Mapping[str, GraphCall], options: Options | None = None
) -> "Patches":
    """The pipeline over the graphs of a bundle.

    Raises:
        BundleError: a graph is missing.
    """
    for name in ("bank", "query") if host.k else ("query",):
        need(graphs, name, host.cut)
    return Patches(host, graphs, None if options is None else options.memory_mb)


class Patches:
    """Runs the graphs on each patch with unknown pixels, row by row; others follow from the trimap.

    Memory holds the picture, its trimap and alpha, one row of patches, those that run side by side,
    and the features of at most
    ``host.candidates`` patches: as float32 where the picture has no more patches than that, else as
    float16; what exceeds a limit is in a temporary file.
    """

    def __init__(
        self, host: PatchesHost, graphs: Mapping[str, GraphCall], memory_mb: float | None = None
    ) -> None:
        """``graphs`` holds ``query``, and ``bank`` where patches look at each other.

        ``memory_mb`` is how much of the features is kept in memory (1e6 bytes); None: all.
        """
        self.host, self.graphs, self.memory_mb = host, graphs, memory_mb

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """See :class:`Pipeline`."""
        assert trimap is not None
        return self.resume(picture, trimap, clock, None)

    def resume(
        self, picture: Bytes, trimap: Bytes, clock: Clock, journal: Path | None, work: str = ""
    ) -> tuple[Floats, Bytes]:
        """As the call; finished patches are recorded at ``journal``, recorded ones are skipped.

        ``work`` names what else alpha depends on: weights, precision, engine. The journal is not
        removed: the caller does that when the result is written.

        Raises:
            OptionError: the journal is of another picture, trimap or ``work``.
        """
        side, overlap = self.host.patch, self.host.overlap
        size = picture.shape[1], picture.shape[0]
        patches = list(walk(patch_grid(size, side, overlap)))
        with clock("host.trimap"):
            unknown = unknown_in(trimap, patches)
        clock.counts["patches"] = len(patches)
        clock.counts["patches refined"] = int(unknown.sum())
        if not unknown.any():
            return (trimap == FOREGROUND).astype(np.float32), trimap
        record = None
        if journal is not None:
            record = Journal(journal, _identity(self.host, picture, trimap, work))
        stitcher = Stitcher(size, side, overlap)
        bank = ContextBank(self.host, self.graphs, picture, trimap, patches, clock, self.memory_mb)
        todo = [i for i in np.flatnonzero(unknown).tolist() if record is None or i not in record]
        with (
            nullcontext() if record is None else closing(record),
            bank,
            closing(bank.mattes(todo)) as mattes,
        ):
            for i, patch in enumerate(patches):
                part = window(trimap, patch)
                if not unknown[i]:
                    with clock("host.stitch"):
                        stitcher.add(patch, known_alpha(part, side))
                    continue
                if record is not None and i in record:
                    values = record.get(i)
                else:
                    alpha = next(mattes)
                    values = alpha[: part.shape[0], : part.shape[1]][part == UNKNOWN]
                    if record is not None:
                        record.put(i, values)
                with clock("host.stitch"):
                    stitcher.add(patch, patch_alpha(part, values, side))
        with clock("host.stitch"):
            return keep_known(stitcher.finish(), trimap), trimap

    def explain(
        self, picture: Bytes, trimap: Bytes, clock: Clock, pixel: tuple[int, int] | None = None
    ) -> Explanation:
        """Which patches the patch of a pixel (x, y) looks at, and where; None: a pixel is chosen.

        Raises:
            OptionError: the pixel is not unknown, or there are no contexts.
        """
        side, overlap = self.host.patch, self.host.overlap
        if not self.host.k:
            raise OptionError("this bundle's patches see no other patches: nothing to explain")
        patches = list(walk(patch_grid((picture.shape[1], picture.shape[0]), side, overlap)))
        pixel = pixel_to_explain(trimap, patches) if pixel is None else pixel
        number = patch_of(pixel, trimap, patches)
        graphs, limit = self.graphs, self.memory_mb
        with ContextBank(self.host, graphs, picture, trimap, patches, clock, limit) as bank:
            return explain(bank, number, pixel)


def patch_alpha(part: Bytes, values: Floats, side: int) -> Floats:
    """Alpha (side, side) of a ``part`` (h, w) of the trimap; ``values`` are its unknown pixels'."""
    alpha = np.zeros((side, side), np.float32)
    inside = alpha[: part.shape[0], : part.shape[1]]
    inside[part == FOREGROUND] = 1
    inside[part == UNKNOWN] = values
    return alpha


def _identity(host: PatchesHost, picture: Bytes, trimap: Bytes, work: str) -> str:
    """sha256 of everything that alpha depends on."""
    text = f"{json.dumps(asdict(host), sort_keys=True)} {picture.shape} {work}\n"
    digest = hashlib.sha256(text.encode())
    for plane in (picture, trimap):
        digest.update(np.ascontiguousarray(plane).data)
    return digest.hexdigest()
