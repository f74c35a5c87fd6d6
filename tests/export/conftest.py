"""Small exports, made once and shared (the shipped weights, graph size 64x128, patches of 256);
what every graph is held to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_nets import SMALL

Export = Callable[..., Path]
Static = Callable[[Any, tuple[str, ...]], None]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Gives the folder of an export with these options; each is made once. Do not change it."""
    pytest.importorskip("torch")
    from edgematte.export import export

    made: dict[str, Path] = {}
    folder = tmp_path_factory.mktemp("exports")

    def make(target: str, **options: Any) -> Path:
        key = "-".join([target, *(f"{k}={v}" for k, v in sorted(options.items()))])
        if key not in made:
            settings: dict[str, Any] = {"size": (128, 64)}
            if options.get("graphs") == "split":
                settings["patch"] = 256
            export("lightweight", target=target, output=folder / key, **(settings | options))
            made[key] = folder / key
        return made[key]

    return make


@pytest.fixture(scope="session")
def regional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small regional net with random weights, 40 cells a call. Do not change it."""
    from edgematte.export import export

    output = tmp_path_factory.mktemp("regional") / "regional.edgematte"
    options: dict[str, Any] = {"size": 128, "regions": 40, "random_weights": True, "config": SMALL}
    export("regional-tiny", target="onnx", output=output, **options)
    return output


@pytest.fixture(scope="session")
def cascade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small ViTMatte with random weights that finds its own trimap. Do not change it."""
    from edgematte.export import export

    output = tmp_path_factory.mktemp("cascade") / "cascade.edgematte"
    options: dict[str, Any] = {"size": 64, "random_weights": True, "band_px": 2}
    export("vitmatte-tiny", target="onnx", output=output, cascade="lightweight", **options)
    return output


@pytest.fixture
def static() -> Static:
    """Asserts that a graph captures with fixed shapes, rank 5 at most, and none of some ops."""
    import torch

    def holds(source: Any, banned: tuple[str, ...]) -> None:
        example = tuple(torch.rand(t.shape) for t in source.graph.inputs)
        program = torch.export.export(source.module.eval(), example)
        for node in program.graph.nodes:
            value = node.meta.get("val")
            if isinstance(value, torch.Tensor):
                assert value.ndim <= 5, node
                assert all(isinstance(n, int) for n in value.shape), node
            assert not any(word in f"{node.name} {node.target}" for word in banned), node
        outputs = source.module(*example)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        assert [tuple(o.shape) for o in outputs] == [t.shape for t in source.graph.outputs]

    return holds
