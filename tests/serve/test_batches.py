"""Pictures that wait are matted together, by bucket of sizes, and each gets its own matte."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from serving import REASON, pixels_of, to_file

from edgematte.errors import PictureError
from edgematte.runtime.matte import Matte
from edgematte.runtime.matter import Matter
from edgematte.serve.jobs import Answer, Job, Refusal
from edgematte.serve.replica import Loading, Replica

serve = pytest.importorskip("ray.serve", reason=REASON)

SIZES = [(60, 50), (90, 60), (512, 512), (520, 40), (513, 50), (60, 50)]  # two buckets
TOGETHER = [3, 3, 3, 1, 1]


class Tiles:
    """A pipeline and a matter of it, whose alpha is the first red value of the picture."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        graph = SimpleNamespace(dynamic_batch=True)
        self.bundle = SimpleNamespace(manifest=SimpleNamespace(graphs=(graph,)))
        self.pipeline = self

    def take(self, batch: int) -> None:
        """As of pipelines that work on tiles."""

    def many(self, pictures: Sequence[Any], trimaps: Sequence[Any], masks: Any) -> list[Matte]:
        self.batches.append(len(pictures))
        for picture, trimap in zip(pictures, trimaps, strict=True):
            if trimap is not None and trimap.shape != picture.pixels.shape[:2]:
                raise PictureError("the trimap is of another size")
        shapes = [(p.pixels.shape[:2], p.pixels[0, 0, 0] / np.float32(255)) for p in pictures]
        alphas = [np.full(shape, value, np.float32) for shape, value in shapes]
        return [Matte(alpha, np.zeros(alpha.shape, np.uint8), {}) for alpha in alphas]

    def close(self) -> None:
        """There is nothing to close."""


def test_a_batch_is_of_one_bucket_and_a_bad_picture_spoils_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context = SimpleNamespace(_deployment_config=SimpleNamespace(max_ongoing_requests=8))
    monkeypatch.setattr(serve, "get_replica_context", lambda: context)
    replica, tiles = Replica({}, Loading(batch=4, batch_wait_s=0.5)), Tiles()
    replica._matters["tiles"] = cast(Matter, tiles)
    jobs = [
        Job("tiles", to_file(np.full((height, width, 3), 40 * number, np.uint8)), write="alpha")
        for number, (width, height) in enumerate(SIZES)
    ]
    spoilt = Job("tiles", jobs[-1].picture, to_file(np.zeros((9, 9), np.uint8)))

    async def asked() -> list[Answer | Refusal]:
        return await asyncio.gather(*(replica.matte(job) for job in (*jobs[:-1], spoilt)))

    *answers, refused = asyncio.run(asked())
    assert refused == Refusal(422, "the trimap is of another size")
    for number, (answer, (width, height)) in enumerate(zip(answers, SIZES, strict=False)):
        assert isinstance(answer, Answer)
        alpha = pixels_of(answer.content)
        assert alpha.shape == (height, width) and (alpha == 40 * number).all()
    # The three small ones were with the spoilt one, which made each of them go alone after it.
    assert [a.shared_with for a in answers if isinstance(a, Answer)] == TOGETHER
    assert sorted(tiles.batches) == [1, 1, 1, 1, 2, 4]
    replica.close()
