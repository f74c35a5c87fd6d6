"""Checkpoints as training programs write them: wrapped, prefixed, in other precisions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402
from torch import Tensor  # noqa: E402

from edgematte.checkpoint import load_model, module_weights, random_model  # noqa: E402
from edgematte.errors import CheckpointError  # noqa: E402
from edgematte.net import Variant  # noqa: E402
from edgematte.nets import find  # noqa: E402
from edgematte.state_dict import read_state_dict  # noqa: E402

pytestmark = pytest.mark.export

State = dict[str, Tensor]


def state(value: float = 1.0) -> State:
    """Names as a net has them, one of which ends like a wrapper's."""
    return {
        "encoder.conv1.weight": torch.full((2, 3), value),
        "decoder.model.bias": torch.full((2,), value),
        "decoder.norm.num_batches_tracked": torch.tensor(7),
    }


def prefixed(prefix: str, given: State) -> State:
    return {prefix + name: tensor for name, tensor in given.items()}


OTHER = state(9.0)
WRAPPED: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "plain": (state, []),
    "DataParallel": (lambda: prefixed("module.", state()), ["prefix 'module.' removed"]),
    "torch.compile": (lambda: prefixed("_orig_mod.", state()), ["'_orig_mod.' removed"]),
    "compiled, then parallel": (
        lambda: prefixed("module._orig_mod.", state()),
        ["'_orig_mod.' removed", "prefix 'module.' removed"],
    ),
    "a part compiled": (
        lambda: {k.replace("encoder.", "encoder._orig_mod."): v for k, v in state().items()},
        ["'_orig_mod.' removed"],
    ),
    "Lightning": (
        lambda: {
            "state_dict": {**prefixed("model.", state()), "loss.weight": torch.zeros(3)},
            "epoch": 3,
            "pytorch-lightning_version": "2.4.0",
        },
        ["taken from 'state_dict'", "'model.' removed, tensors outside of it left out: 1"],
    ),
    "BasicSR": (
        lambda: {"params": OTHER, "params_ema": state()},
        ["taken from 'params_ema', not from 'params'"],
    ),
    "timm": (
        lambda: {
            "arch": "net",
            "epoch": 7,
            "state_dict": OTHER,
            "state_dict_ema": prefixed("module.", state()),
            "optimizer": {"state": {}, "param_groups": []},
        },
        ["taken from 'state_dict_ema', not from 'state_dict'", "prefix 'module.' removed"],
    ),
    "torch's average": (
        lambda: {"n_averaged": torch.tensor(5), **prefixed("module.", state())},
        ["prefix 'module.' removed, tensors outside of it left out: 1"],
    ),
    "wrapped twice": (
        lambda: {"state_dict": {"model": state()}},
        ["taken from 'state_dict'", "taken from 'model'"],
    ),
    "an average without weights": (
        lambda: {"ema": {"decay": 0.999}, "model": state()},
        ["taken from 'model'"],
    ),
}
FLAT = ("plain", "DataParallel", "torch.compile", "compiled, then parallel", "a part compiled")


@pytest.mark.parametrize("layout", WRAPPED)
def test_every_wrapper_gives_the_weights_and_says_what_was_taken(
    layout: str, tmp_path: Path
) -> None:
    made, said = WRAPPED[layout]
    torch.save(made(), tmp_path / "net.pth")
    files = [tmp_path / "net.pth"]
    if layout in (*FLAT, "torch's average"):  # the same names in the other format
        save_file(made(), tmp_path / "net.safetensors")
        files.append(tmp_path / "net.safetensors")
    for file in files:
        found = read_state_dict(file)
        assert found.tensors.keys() == state().keys()
        assert all(torch.equal(found.tensors[k], v) for k, v in state().items())
        notes = "; ".join(found.notes)
        assert all(part in notes for part in said) and bool(notes) == bool(said)


def test_wrappers_that_safetensors_writes_into_names(tmp_path: Path) -> None:
    """Its files hold no dictionaries in dictionaries: programs join the names by dots."""
    flat = {**prefixed("state_dict.", OTHER), **prefixed("state_dict_ema.model.", state())}
    save_file(flat, tmp_path / "net.safetensors")
    found = read_state_dict(tmp_path / "net.safetensors")
    assert all(torch.equal(found.tensors[k], v) for k, v in state().items())
    assert found.notes == (
        "prefix 'state_dict_ema.' removed, not from 'state_dict'",
        "prefix 'model.' removed",
    )


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", ["float16", "bfloat16", "float64"])
def test_other_precisions_become_float32_and_that_is_said(
    name: str, suffix: str, tmp_path: Path
) -> None:
    kind = getattr(torch, name)
    given = {k: v.to(kind) if v.is_floating_point() else v for k, v in state(1 / 3).items()}
    file = tmp_path / f"net{suffix}"
    (torch.save if suffix == ".pth" else save_file)(given, file)
    found = read_state_dict(file)
    assert found.notes == (f"{name} converted to float32",)
    for key, value in given.items():
        assert torch.equal(
            found.tensors[key], value.float() if value.is_floating_point() else value
        )
        assert found.tensors[key].dtype == state()[key].dtype


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    torch.save({**state(), **prefixed("_orig_mod.", OTHER)}, tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match=r"holds encoder\.conv1\.weight twice"):
        read_state_dict(tmp_path / "net.pth")


@pytest.mark.parametrize("value", [[1], {"a": 1}, {"model": {"a": "b"}}, {3: torch.zeros(1)}])
def test_what_holds_no_tensors_by_name_is_refused(value: Any, tmp_path: Path) -> None:
    torch.save(value, tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match="holds no dictionary of tensors"):
        read_state_dict(tmp_path / "net.pth")


NET: Variant = find("hdmatt-tiny")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_net_from_a_half_precision_average(suffix: str, tmp_path: Path) -> None:
    """From the file to the net: values, float32, and the source that report and manifest give."""
    model, _ = random_model(NET, {}, 0)
    halves = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    file = tmp_path / f"net{suffix}"
    if suffix == ".pth":
        torch.save({"params": model.state_dict(), "params_ema": halves}, file)
        said = "net.pth (taken from 'params_ema', not from 'params'; float16 converted to float32)"
    else:
        save_file(prefixed("model.", halves), file)
        said = "net.safetensors (prefix 'model.' removed; float16 converted to float32)"
    loaded, weights = load_model(NET, file)
    assert weights.source == said
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, halves[name].to(value.dtype)), name
        assert value.dtype in (torch.float32, torch.int64)


def test_quantized_weights_are_refused(tmp_path: Path) -> None:
    model, _ = random_model(NET, {}, 0)
    name = "encoder.conv1.weight"
    file = tmp_path / "net.pth"
    torch.save(
        {**model.state_dict(), name: torch.zeros_like(model.state_dict()[name]).char()}, file
    )
    with pytest.raises(CheckpointError, match=r"conv1\.weight holds int8, where floats should be"):
        load_model(NET, file)


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float64", "float32"])
def test_a_module_is_taken_as_a_float32_copy_in_evaluation_mode(name: str) -> None:
    model, _ = random_model(NET, {}, 0)
    model.to(getattr(torch, name)).train()
    taken, weights = module_weights(model)
    converted = "" if name == "float32" else f" ({name} converted to float32)"
    assert weights.source == f"module{converted}"
    assert not taken.training and {p.dtype for p in taken.parameters()} == {torch.float32}
    assert model.training and {str(p.dtype) for p in model.parameters()} == {f"torch.{name}"}
    for ours, theirs in zip(taken.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs.float())


def test_a_reader_that_fails_without_a_word_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: Any, **__: Any) -> None:
        raise AssertionError

    file = tmp_path / "net.pth"
    file.write_bytes(b"damaged")
    monkeypatch.setattr("torch.load", silent)
    with pytest.raises(CheckpointError, match="cannot be read as plain weights .AssertionError"):
        read_state_dict(file)
