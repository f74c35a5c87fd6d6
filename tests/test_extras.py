"""Missing packages are one sentence; Ctrl-C while one is imported is Ctrl-C."""

import importlib
import signal
import threading
from pathlib import Path

import pytest

from edgematte.errors import EngineError
from edgematte.extras import importing

PRESSED = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"


def fetch(name: str) -> None:
    with importing("nothing goes without it", "pip install it", EngineError):
        importlib.import_module(name)


def test_a_missing_package_is_one_sentence() -> None:
    with pytest.raises(EngineError, match=r"without it \(No module named.*\): pip install it"):
        fetch("edgematte_has_no_such_module")


@pytest.mark.parametrize(
    "rest",
    ["raise ImportError('initialization failed')\n", "VALUE = 1\n"],
    ids=["turned into an ImportError", "swallowed"],
)
def test_ctrl_c_during_an_import_is_no_missing_package(
    rest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As compiled modules do: onnxruntime's says `import numpy failed` then."""
    name = f"pressed_{len(rest)}"
    (tmp_path / f"{name}.py").write_text(PRESSED + rest)
    monkeypatch.syspath_prepend(tmp_path)
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            fetch(name)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_it_works_in_threads_too() -> None:
    found: list[BaseException] = []

    def work() -> None:
        fetch("json")
        try:
            fetch("edgematte_has_no_such_module")
        except EngineError as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(found) == 1
