"""Bundles on a hub: published by the command, opened by name, verified, and kept in the cache."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import hub as stub
import pytest

from edgematte.runtime.bundle import DEFAULT

NO_HUB = importlib.util.find_spec("huggingface_hub") is None
pytestmark = pytest.mark.skipif(NO_HUB, reason='pip install "edgematte[hub]": no huggingface-hub')

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The command line with a hub of its own and an empty cache."""

    def command(hub: stub.Hub, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        own = {
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(tmp_path / "cache"),
            "HF_TOKEN": stub.TOKEN,
        }
        environment = {**os.environ, **own, "HF_HUB_DISABLE_TELEMETRY": "1", **more}
        return subprocess.run(
            [sys.executable, "-m", "edgematte", *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            env=environment,
        )

    return command


def test_what_is_published_opens_by_its_name_and_from_the_cache(run: Run) -> None:
    with stub.running() as hub:
        done = run(hub, "publish", str(DEFAULT), "me/net", "--private")
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == f"{hub.address}/me/net/commit/{hub.commit('me/net')}"
        assert hub.private == {"me/net": True}
        files = hub.files["me/net"]
        assert files["bundle.edgematte/refine.onnx"] == (DEFAULT / "refine.onnx").read_bytes()
        first, commit = dict(files), hub.commit("me/net")
        told = run(hub, "info", "hf:me/net")
        assert told.returncode == 0 and "files verified" in told.stdout
        # A revision stays what it was; what the hub has by now is another commit.
        files["bundle.edgematte/refine.onnx"] += b"tampered"
        newest = run(hub, "info", "hf:me/net")
        assert newest.returncode == 2 and "sha256 differs" in newest.stderr
        hub.files["me/net"] = first
        assert run(hub, "info", f"hf:me/net@{commit}").returncode == 0
    down = run(hub, "info", f"hf:me/net@{commit}")
    assert down.returncode == 0 and "files verified" in down.stdout
    assert "the hub cannot be reached" in down.stderr and "its cache is used" in down.stderr


def test_what_a_hub_does_not_give_is_one_sentence(run: Run) -> None:
    with stub.running() as hub:
        missing = run(hub, "info", "hf:me/no-such-net")
        assert (
            missing.returncode == 2 and "hf:me/no-such-net could not be fetched" in missing.stderr
        )
        hub.files["me/other"] = {"README.md": b"# no bundle"}
        other = run(hub, "info", "hf:me/other")
        assert other.returncode == 2 and "no folder bundle.edgematte" in other.stderr
        denied = run(hub, "publish", str(DEFAULT), "me/net", HF_TOKEN="hf_of_somebody_else")
        assert denied.returncode == 2 and "could not be written to the hub" in denied.stderr
        assert "me/net" not in hub.files
    for done in (missing, other, denied, run(hub, "info", "hf:me/net")):
        assert done.returncode == 2
        assert done.stderr.strip().splitlines()[-1].startswith("edgematte: ")
        assert "Traceback" not in done.stderr


def test_a_name_that_is_none_is_refused_before_anything(run: Run, tmp_path: Path) -> None:
    folder = str(tmp_path / "repository")
    for name in ("net", "a/b/c", "../net", "me/net?x"):
        done = run(stub.Hub(), "publish", str(DEFAULT), name, "--folder", folder)
        assert done.returncode == 2 and "should be OWNER/NAME" in done.stderr
    both = run(stub.Hub(), "publish", str(DEFAULT), "me/net", "--folder", folder, "--private")
    assert both.returncode == 2 and "--private" in both.stderr
    assert not Path(folder).exists()
