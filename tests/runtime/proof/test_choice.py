"""Engines that lie are caught by the golden calls, and right ones that are slow are not taken."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the extra `cpu` is not installed")

import lying_engines

import edgematte
from edgematte.cli import main
from edgematte.errors import BundleError, EngineError, OptionError, ToleranceError
from edgematte.runtime.engines import ENGINES, EngineRow
from edgematte.runtime.matter import Matter
from edgematte.testcard import testcard as card

Capture = pytest.CaptureFixture[str]
Rewrite = Callable[[Path, str, Callable[[dict[str, Any]], object]], None]
LIES = ("Scaled", "SwappedChannels", "OneNaN", "Overflown", "Saturated")


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Has these classes, by lower case names, as all engines; verdicts are kept in a new folder."""
    monkeypatch.setenv("EDGEMATTE_CACHE", str(tmp_path / "cache"))

    def have(*names: str) -> None:
        lying_engines.opened.clear()
        for name in list(ENGINES):
            monkeypatch.delitem(ENGINES, name)
        for name in names:
            row = EngineRow(f"lying_engines:{name}", "pip install it", ("onnx",))
            monkeypatch.setitem(ENGINES, name.lower(), row)

    return have


def verdicts(matter: Matter) -> dict[str, str]:
    assert matter.engine_choice is not None
    return {trial.engine: trial.verdict for trial in matter.engine_choice.trials}


@pytest.mark.parametrize("lie", LIES)
def test_an_engine_that_lies_is_caught(
    lie: str, engines: Callable[..., None], tiny_bundle: Path
) -> None:
    engines(lie, "Right")
    matter = edgematte.load(tiny_bundle, engine="auto")
    assert matter.engine == "right" and matter.engine_choice is not None
    (other,) = matter.engine_choice.trials
    assert other.engine == lie.lower() and other.verdict in ("wrong", "failed")
    assert "differs" in other.reason or "not finite" in other.reason
    name = lie.lower()
    with pytest.raises((ToleranceError, EngineError), match="differs|not finite"):
        edgematte.load(tiny_bundle, engine=name, verify=True)
    edgematte.load(tiny_bundle, engine=name)  # what was asked for plainly is opened plainly


@pytest.mark.parametrize("lie", ["Scaled", "SwappedChannels", "OneNaN"])
def test_it_is_caught_on_the_bundle_that_ships(lie: str, engines: Callable[..., None]) -> None:
    """Whose records have every 16th row and column of the large planes alone."""
    engines(lie, "Right")
    assert edgematte.load(engine="auto").engine == "right"


@pytest.mark.parametrize("order", [("Slow", "Right"), ("Right", "Slow")])
def test_an_engine_that_is_right_but_slow_is_not_taken(
    order: tuple[str, str], engines: Callable[..., None], tiny_bundle: Path
) -> None:
    engines(*order)
    matter = edgematte.load(tiny_bundle, engine="auto")
    assert matter.engine == "right" and verdicts(matter) == {"slow": "slower"}
    assert matter.engine_choice is not None
    (slow,) = matter.engine_choice.trials
    assert slow.seconds is not None and slow.seconds > 0.1  # two graphs, 50 ms each
    assert "times as long" in slow.reason
    alpha = matter(card(50, 40)).alpha
    assert np.array_equal(alpha, edgematte.load(tiny_bundle, engine="right")(card(50, 40)).alpha)


def test_the_graphs_that_were_proven_are_those_that_are_used(
    engines: Callable[..., None], tiny_bundle: Path
) -> None:
    engines("Right", "Slow")
    edgematte.load(tiny_bundle, engine="auto", threads=1)
    assert lying_engines.opened == ["Right", "Right", "Slow", "Slow"]  # two graphs each, once


def test_a_verdict_is_remembered(engines: Callable[..., None], tiny_bundle: Path) -> None:
    engines("Right", "Slow", "Scaled")
    first = edgematte.load(tiny_bundle, engine="auto", threads=1).engine_choice
    lying_engines.opened.clear()
    again = edgematte.load(tiny_bundle, engine="auto", threads=1).engine_choice
    assert lying_engines.opened == ["Right", "Right"]
    assert first is not None and again is not None
    assert again.remembered and not first.remembered
    assert again.taken == first.taken and again.trials == first.trials


def test_a_verdict_is_of_one_bundle_and_one_machine(
    engines: Callable[..., None],
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    rewrite: Rewrite,
) -> None:
    from edgematte.runtime.proof import verdicts as kept

    engines("Right")

    def remembered(**asked: Any) -> bool:
        choice = edgematte.load(tiny_bundle, engine="auto", **asked).engine_choice
        assert choice is not None
        return choice.remembered

    assert not remembered() and remembered()
    assert not remembered(threads=1) and not remembered(in_flight=2)
    for name, other in (("processor", "another"), ("drivers", "newer"), ("VERSION", "9")):
        with monkeypatch.context() as changed:
            changed.setattr(kept, name, other if name == "VERSION" else lambda told=other: told)
            assert not remembered() and remembered()
    with monkeypatch.context() as changed:
        changed.setitem(
            ENGINES, "right", EngineRow("lying_engines:Right", "", ("onnx",), package="json")
        )
        assert not remembered() and remembered()
    rewrite(tiny_bundle, "host", lambda arrays: arrays.update(more=np.zeros(1)))
    from edgematte.manifest import FILE

    assert FILE and not remembered()


def test_a_damaged_verdict_or_a_folder_that_cannot_be_written_means_another_proof(
    engines: Callable[..., None], tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engines("Scaled", "Right")
    edgematte.load(tiny_bundle, engine="auto")
    (file,) = (tmp_path / "cache" / "verdicts").glob("*.json")
    other = file.read_text().replace('"engine": "right"', '"engine": "gone"')
    for text in (other, "{", "[]", '{"taken": 1}', json.dumps({"taken": {"engine": "scaled"}})):
        file.write_text(text)
        assert edgematte.load(tiny_bundle, engine="auto").engine == "right"
    monkeypatch.setenv("EDGEMATTE_CACHE", os.devnull)
    assert edgematte.load(tiny_bundle, engine="auto").engine == "right"
    monkeypatch.delenv("EDGEMATTE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/proc/none")
    assert edgematte.load(tiny_bundle, engine="auto").engine == "right"


def test_an_engine_that_no_longer_opens_is_proven_anew(
    engines: Callable[..., None], tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as on a device whose memory is full by now."""
    engines("Right", "Slow")
    assert edgematte.load(tiny_bundle, engine="auto").engine == "right"

    def full(*_: Any) -> None:
        raise EngineError("no memory left on the device")

    monkeypatch.setattr(lying_engines.Right, "__init__", full)
    with pytest.raises(EngineError, match="right on cpu: failed, no memory left"):
        edgematte.load(tiny_bundle, engine="auto")


def test_where_no_engine_is_right_each_is_named_with_its_figures(
    engines: Callable[..., None], tiny_bundle: Path
) -> None:
    engines("Scaled", "Fails")
    with pytest.raises(
        ToleranceError, match=r"scaled on cpu: wrong, .*allowed 1e-04.*fails on cpu"
    ):
        edgematte.load(tiny_bundle, engine="auto")
    engines("Fails")
    with pytest.raises(EngineError, match="out of memory on the device"):
        edgematte.load(tiny_bundle, engine="auto")


def test_an_engine_that_is_missing_is_told(
    engines: Callable[..., None], tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines("Right")
    monkeypatch.setitem(ENGINES, "none", EngineRow("not_there:Engine", "pip install it", ("onnx",)))
    browser = EngineRow("edgematte.runtime.engines.browser.engine:BrowserEngine", "", ("onnx",))
    monkeypatch.setitem(ENGINES, "browser", browser)
    matter = edgematte.load(tiny_bundle, engine="auto")
    assert verdicts(matter) == {"none": "missing", "browser": "not tried"}
    assert matter.engine_choice is not None
    assert "pip install it" in " ".join(matter.engine_choice.lines())


def test_options_that_say_nothing_to_auto_are_refused(
    engines: Callable[..., None], tiny_bundle: Path
) -> None:
    engines("Right")
    with pytest.raises(OptionError, match="chooses the device"):
        edgematte.load(tiny_bundle, engine="auto", device="cpu")
    with pytest.raises(OptionError):
        edgematte.load(tiny_bundle, engine="auto", steps=3)
    assert lying_engines.opened == []


def test_a_matter_proves_itself_whenever_it_is_asked(
    engines: Callable[..., None], tiny_bundle: Path
) -> None:
    engines("Right", "Scaled", "OneNaN")
    rows = edgematte.load(tiny_bundle, engine="right").prove()
    assert [row.where for row in rows] == ["segment.trimap", "refine.alpha"]
    assert all(row.ok and row.max_abs < 1e-4 for row in rows)
    with pytest.raises(ToleranceError, match="engine scaled on cpu is wrong on this machine"):
        edgematte.load(tiny_bundle, engine="scaled").prove()
    with pytest.raises(EngineError, match="not finite"):
        edgematte.load(tiny_bundle, engine="onenan").prove()
    matter = edgematte.load(tiny_bundle, engine="right")
    shutil.rmtree(tiny_bundle / "golden")
    with pytest.raises(BundleError, match="golden record"):
        matter.prove()
    matter.close()
    with pytest.raises(OptionError, match="closed"):
        matter.prove()


def test_the_commands_take_auto_and_say_why(
    engines: Callable[..., None],
    tiny_bundle: Path,
    png: Callable[..., Path],
    tmp_path: Path,
    capsys: Capture,
) -> None:
    engines("Scaled", "Right")
    photo, bundle = str(png()), str(tiny_bundle)
    matte = ["matte", photo, "--bundle", bundle, "-o", str(tmp_path / "out.png")]
    assert main([*matte, "--engine", "auto", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["engine_choice"]
    assert told["taken"]["engine"] == "right"
    assert told["trials"][0]["verdict"] == "wrong" and told["trials"][0]["worst"]["max_abs"] > 1e-4
    assert main([*matte, "--engine", "auto", "--verbose"]) == 0
    err = capsys.readouterr().err
    assert "right on cpu: taken" in err and "scaled on cpu: wrong" in err
    assert (
        main(["bench", bundle, "--size", "50x40", "--runs", "1", "--engine", "auto", "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out)["engine_choice"]["taken"]["engine"] == "right"
    assert main(["check", bundle, "--engine", "auto"]) == 0
    assert "right on cpu" in capsys.readouterr().out
    assert main([*matte, "--engine", "scaled", "--verify"]) == 1
    captured = capsys.readouterr()
    assert len(captured.err.splitlines()) == 1 and "allowed 1e-04" in captured.err
    assert main([*matte, "--engine", "right", "--verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["engine_choice"]["trials"] == []
    assert main(["check", bundle, "--engine", "auto", "--device", "cpu"]) == 2
