"""samples/android: the Kotlin host side, compiled, on the golden records of the shipped bundle."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgematte.cli import main
from edgematte.runtime.bundle import DEFAULT
from edgematte.runtime.nets.lightweight.pipeline import enlarge

SAMPLE = Path(__file__).parents[1] / "samples" / "android"
Step = Callable[..., bytes]


@pytest.fixture(scope="module")
def step(tmp_path_factory: pytest.TempPathFactory) -> Step:
    """Runs a step of the compiled program: name, input, (W, H), (W, H) of the result, the rest."""
    java, compiler = shutil.which("java"), shutil.which("kotlinc")
    if java is None or compiler is None:
        pytest.skip("kotlinc or java is not installed (apt-get install kotlin)")
    folder = tmp_path_factory.mktemp("kotlin")
    jar = folder / "host.jar"
    sources = map(str, sorted(SAMPLE.glob("*.kt")))
    done = subprocess.run(
        [compiler, *sources, "-include-runtime", "-d", str(jar)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert jar.is_file() and ": warning: " not in done.stderr, done.stderr

    def run(name: str, given: NDArray[Any], *numbers: object) -> bytes:
        (folder / "in.bin").write_bytes(given.tobytes())
        command = [java, "-cp", str(jar), "edgematte.ProveKt", name, "in.bin", "out.bin"]
        subprocess.run([*command, *map(str, numbers)], cwd=folder, check=True, capture_output=True)
        return (folder / "out.bin").read_bytes()

    return run


def test_reducing_and_trimaps_are_those_of_the_records(step: Step, tmp_path: Path) -> None:
    assert main(["goldens", str(DEFAULT), "--to", str(tmp_path / "records"), "--quiet"]) == 0
    index = json.loads((tmp_path / "records" / "index.json").read_text())
    host, seen = index["host"], []
    for case in index["cases"]:
        size: list[int] = []
        for one in case["steps"]:
            reads, gives = (
                {
                    name: np.fromfile(tmp_path / "records" / e["file"], e["dtype"]).reshape(
                        e["shape"]
                    )
                    for name, e in one[key].items()
                    if "every" not in e
                }
                for key in ("reads", "gives")
            )
            if one["name"] == "reduce":
                size = [reads["picture"].shape[1], reads["picture"].shape[0]]
                answer = step("reduce", reads["picture"], *size, *host["size"])
                wanted, entry = gives.get("reduced"), one["gives"]["reduced"]
            elif one["name"] == "trimap":
                planes = reads["probabilities"]
                rule = host["unknown_threshold"], host["band_px"]
                answer = step("trimap", planes, *planes.shape[:0:-1], *size, *rule)
                wanted, entry = gives.get("trimap"), one["gives"]["trimap"]
            else:
                continue
            if wanted is None:  # a part of it alone is kept
                found = np.frombuffer(answer, np.uint8).reshape(*host["size"][::-1], 3)
                found = found[tuple(slice(None, None, n) for n in entry["every"])]
                wanted = np.fromfile(tmp_path / "records" / entry["file"], np.uint8)
            else:
                found = np.frombuffer(answer, np.uint8)
            np.testing.assert_array_equal(found.ravel(), wanted.ravel())
            seen.append((case["name"], one["name"]))
    assert {name for name, _ in seen} >= {"recorded", "larger", "small"}
    assert {name for _, name in seen} == {"reduce", "trimap"}


@pytest.mark.parametrize("size", [(97, 61), (31, 20)])
def test_alpha_is_enlarged_and_reduced_as_in_python(step: Step, size: tuple[int, int]) -> None:
    alpha = np.random.default_rng(0).random((1, 32, 48), np.float32)
    answer = np.frombuffer(step("enlarge", alpha, 48, 32, *size), "<f4")
    # Sums in double precision, stored as float32 after each pass, as the reference does it.
    np.testing.assert_allclose(answer.reshape(size[::-1]), enlarge(alpha, size), atol=1e-6)
