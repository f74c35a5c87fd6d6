from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import edgematte
from edgematte import testcard


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_many_threads_on_one_matter_get_what_one_would(engine: str, tiny_bundle: Path) -> None:
    pytest.importorskip(engine)
    matter = edgematte.load(tiny_bundle, engine=engine, threads=1)
    sizes = [(40 + 7 * i, 90 - 5 * i) for i in range(12)]
    pictures = [testcard.testcard(*size) for size in sizes] * 3
    serial = [matter(picture) for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(matter, pictures))
    for one, other in zip(serial, parallel, strict=True):
        np.testing.assert_array_equal(one.alpha, other.alpha)
        np.testing.assert_array_equal(one.trimap, other.trimap)
        assert set(one.timings) == set(other.timings)


def test_a_refused_picture_in_one_thread_does_not_disturb_the_others(tiny_bundle: Path) -> None:
    matter = edgematte.load(tiny_bundle, threads=1)
    picture = testcard.testcard(70, 50)
    wanted = matter(picture).alpha

    def work(number: int) -> bool:
        if number % 3:
            return bool((matter(picture).alpha == wanted).all())
        with pytest.raises(edgematte.EdgematteError):
            matter(picture[..., 0])
        return True

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(24)))
