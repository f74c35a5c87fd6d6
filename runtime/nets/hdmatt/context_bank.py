"""The features of a picture's patches, and alpha of one patch with the contexts that suit it."""

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.runtime.engines.graph import GraphCall, answers
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.patches import Patch, crop
from edgematte.runtime.host.planes import to_input
from edgematte.runtime.host.trimap import trimap_probabilities
from edgematte.runtime.nets.hdmatt.contexts import best_contexts, candidates, pad
from edgematte.runtime.nets.hdmatt.feature_store import FeatureStore
from edgematte.runtime.nets.hdmatt.host import PatchesHost

Indices = NDArray[np.int32]

STACKED = {"key": "keys", "value": "values", "mask": "masks"}
"""Outputs of BANK for one patch -> the inputs of QUERY that stack them for its K contexts."""


class ContextBank:
    """Features of the patches of one picture, which the graph BANK computes once for each patch.

    BANK runs on the candidates before the first query, and on any other patch when it is the query.
    The graph QUERY is given the patch's own key and value, and computes the encoder's first layers
    again, which takes 0.11 s of one core at 320 pixels, beside 0.50 s for BANK and 0.32 s for
    QUERY. BANK could hand over the decoder's skips and the places of its maxima instead, and QUERY
    would take 0.20 s; but that is 17 MB from graph to graph, and 12 MB to keep for every patch
    instead of 2 MB, and places of maxima cannot be compared between engines.
    """

    def __init__(
        self,
        host: PatchesHost,
        graphs: Mapping[str, GraphCall],
        picture: Bytes,
        trimap: Bytes,
        patches: Sequence[Patch],
        clock: Clock,
        memory_mb: float | None = None,
    ) -> None:
        """Nothing is computed yet."""
        self.host, self.graphs, self.clock = host, graphs, clock
        self.picture, self.trimap, self.patches = picture, trimap, patches
        half = len(patches) > (host.candidates or 0)
        self.store = FeatureStore(half=half, memory_mb=memory_mb)
        self.numbers: Indices = np.zeros(0, np.int32)  # of the candidates, ascending
        self._contexts: Floats | None = None  # (N, C), pooled
        self._queries: dict[int, Floats] = {}  # by number, (C,), pooled

    def __enter__(self) -> "ContextBank":
        """The bank itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget the features."""
        self.store.close()

    def mattes(self, numbers: Sequence[int]) -> Generator[Floats, None, None]:
        """Alpha (side, side) of each of these patches; they are worked on side by side."""
        timed = partial(self.clock, "graph.query")
        inputs = self._inputs(numbers) if self.host.k else map(self._alone, numbers)
        with closing(answers(self.graphs["query"], inputs, len(numbers), timed)) as answered:
            for outputs in answered:
                alpha: Floats = outputs["alpha"][0, 0]
                yield alpha

    def _alone(self, number: int) -> dict[str, Floats]:
        """What QUERY needs of a patch that looks at no others."""
        image, trimap = self.planes(number)
        return {"image": image, "trimap": trimap}

    def _inputs(self, numbers: Sequence[int]) -> Iterator[dict[str, Floats]]:
        """What QUERY needs of each patch: itself, its features, and those of its contexts."""
        if self._contexts is None:
            self._fill()
        others = [number for number in numbers if number not in self._queries]
        with closing(self._banked(others)) as banked:
            for number in numbers:
                if number in self._queries:
                    alone = self._alone(number)
                    query, key, own = self.features(number, **alone)
                else:
                    alone, outputs = next(banked)
                    query, key, own = self._rounded(outputs)
                with self.clock("host.contexts"):
                    contexts = self.contexts_of(number, query)
                yield alone | {"key": key, "own": own} | contexts

    def contexts_of(self, number: int, query: Floats) -> dict[str, Floats]:
        """The features of the contexts that a patch of a pooled query looks at."""
        chosen = self.choose(number, query)
        pairs = np.stack([np.full_like(chosen, number), chosen], axis=1)
        pairs = self.clock.choose(f"contexts of patch {number}", pairs)
        there = np.isin(pairs[:, 1], self.numbers)  # a check may give patches that are none here
        return self._gathered(pairs[there, 1])

    def _banked(
        self, numbers: Sequence[int]
    ) -> Generator[tuple[dict[str, Floats], dict[str, Floats]], None, None]:
        """What BANK takes and gives for each of these patches, side by side."""
        taken: deque[dict[str, Floats]] = deque()

        def given() -> Iterator[dict[str, Floats]]:
            for number in numbers:
                taken.append(self._alone(number))
                yield taken[-1]

        timed = partial(self.clock, "graph.bank")
        with closing(answers(self.graphs["bank"], given(), len(numbers), timed)) as answered:
            for outputs in answered:
                yield taken.popleft(), outputs

    def features(self, number: int, image: Floats, trimap: Floats) -> tuple[Floats, Floats, Floats]:
        """Pooled query (C,), key (1, C, h, w) and own value (1, 2C, h, w) of a patch."""
        if self._contexts is None:
            self._fill()
        if number in self._queries:
            key, own = (self.store.get(number, name) for name in ("key", "own"))
            return self._queries[number], key, own
        with self.clock("graph.bank"):
            outputs = self.graphs["bank"](image=image, trimap=trimap)
        return self._rounded(outputs)

    def _rounded(self, outputs: Mapping[str, Floats]) -> tuple[Floats, Floats, Floats]:
        key, own = (self.store.rounded(outputs[name]) for name in ("key", "own"))
        return outputs["query"][0], key, own

    def choose(self, number: int, query: Floats) -> Indices:
        """Numbers of the best contexts of a patch, at most k."""
        assert self._contexts is not None and self.host.k is not None
        place = int(np.searchsorted(self.numbers, number))
        itself = place if number in self._queries else -1
        return self.numbers[best_contexts(query, self._contexts, self.host.k, itself)]

    def planes(self, number: int) -> tuple[Floats, Floats]:
        """The graphs' inputs for a patch: RGB in [0, 1] and one-hot classes, (1, 3, side, side)."""
        with self.clock("host.crop"):
            patch = self.patches[number]
            image = to_input(crop(self.picture, patch).astype(np.uint8, copy=False))
            return image, classes_patch(self.trimap, patch)

    def _fill(self) -> None:
        with self.clock("host.trimap"):
            self.numbers = candidates(self.trimap, self.patches, self.host.candidates or 0)
        self.clock.counts["candidates"] = len(self.numbers)
        pooled = []
        numbers = self.numbers.tolist()
        with closing(self._banked(numbers)) as banked:
            for number, (_, outputs) in zip(numbers, banked, strict=True):
                with self.clock("host.contexts"):
                    pooled.append(outputs["context"][0])
                    self._queries[number] = outputs["query"][0]
                    kept = {k: v for k, v in outputs.items() if k in STACKED or k == "own"}
                    self.store.put(number, kept)
        self._contexts = np.stack(pooled)

    def _gathered(self, chosen: Indices) -> dict[str, Floats]:
        """Stacked features of the contexts, zeros for missing ones, and the ``pad``."""
        assert self.host.k is not None
        inputs = {"pad": pad(len(chosen), self.host.k)}
        for name, plural in STACKED.items():
            if name not in self.store.names:
                continue
            shape = self.store.get(int(self.numbers[0]), name).shape
            inputs[plural] = np.zeros((self.host.k, *shape[1:]), np.float32)
            for row, number in zip(inputs[plural], chosen.tolist(), strict=False):
                row[...] = self.store.get(number, name)[0]
        return inputs


def classes_patch(trimap: Bytes, patch: Patch) -> Floats:
    """One-hot classes (1, 3, side, side) of a patch: background, foreground, unknown."""
    return trimap_probabilities(crop(trimap, patch).astype(np.uint8, copy=False))[None]
