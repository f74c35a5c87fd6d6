"""The Hugging Face hub: checkpoints in its layout, and bundles that were published there.

A folder of a checkpoint holds ``config.json``, ``model.safetensors`` (or ``pytorch_model.bin``) and
often ``preprocessor_config.json`` with the normalisation of the pictures.
"""

import logging
import math
from pathlib import Path

from edgematte.codec import parse
from edgematte.errors import BundleError, CheckpointError, EdgematteError, line_of
from edgematte.extras import importing

log = logging.getLogger(__name__)

SCHEME = "hf:"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
PREPROCESSOR = "preprocessor_config.json"
BUNDLE = "bundle.edgematte"
"""The folder of a repository that holds the bundle to load."""

Triple = tuple[float, float, float]


def is_hub_name(name: Path | str) -> bool:
    """Whether a name has the form ``hf:OWNER/NAME`` or ``hf:OWNER/NAME@REVISION``."""
    return str(name).startswith(SCHEME)


def fetch(name: str) -> Path:
    """The folder of ``hf:OWNER/NAME`` in the hub's cache, fetched if it is not there.

    Only one file of weights is fetched: the first of :data:`WEIGHTS` that the repository has.

    Raises:
        CheckpointError: huggingface-hub is not installed, or the hub did not give the file.
    """
    for weights in WEIGHTS:  # many repositories hold the same weights in both files
        folder = _snapshot(name, ["config.json", PREPROCESSOR, weights], CheckpointError)
        if (folder / weights).is_file():
            break
    return folder


def fetch_bundle(name: str) -> Path:
    """The bundle of ``hf:OWNER/NAME`` in the hub's cache, as `edgematte publish` put it there.

    Nothing in it is trusted: whoever opens it compares the hashes.

    Raises:
        BundleError: huggingface-hub is not installed, the hub did not give it, or there is none.
    """
    folder = _snapshot(name, [f"{BUNDLE}/*"], BundleError) / BUNDLE
    if not folder.is_dir():
        raise BundleError(
            f"{name} has no folder {BUNDLE}: it is not a repository of `edgematte publish`"
        )
    return folder


def _snapshot(name: str, patterns: list[str], kind: type[EdgematteError]) -> Path:
    """Files of a repository at one commit; where the hub is down, those that the cache has."""
    repository, _, revision = name.removeprefix(SCHEME).partition("@")
    sentence = f"{name} is a name on the Hugging Face hub, and huggingface-hub is not installed"
    way_out = 'pip install "edgematte[hub]", or give the folder of a copy on disk'
    with importing(sentence, way_out, kind):
        from huggingface_hub import HfApi, snapshot_download
    try:
        commit = HfApi().repo_info(repository, revision=revision or None).sha
        return Path(snapshot_download(repository, revision=commit, allow_patterns=patterns))
    except Exception as error:  # from many libraries: no network, no such name, no access
        first = line_of(error, 160)
        if _told(error):
            raise _not_fetched(kind, name, first) from None
    try:
        folder = snapshot_download(
            repository, revision=revision or None, allow_patterns=patterns, local_files_only=True
        )
    except Exception:
        raise _not_fetched(kind, name, first) from None
    log.warning("%s: the hub cannot be reached (%s); the copy in its cache is used", name, first)
    return Path(folder)


def _told(error: Exception) -> bool:
    """Whether the hub answered: that there is no such name, or no access."""
    status = getattr(getattr(error, "response", None), "status_code", 500)
    return 400 <= status < 500


def _not_fetched(kind: type[EdgematteError], name: str, why: str) -> EdgematteError:
    return kind(f"{name} could not be fetched ({why}); give the folder of a copy on disk instead")


def weights_in(folder: Path) -> Path:
    """The file of weights in a folder: the first of :data:`WEIGHTS` that is there."""
    return next((folder / n for n in WEIGHTS if (folder / n).is_file()), folder / WEIGHTS[0])


def normalisation(folder: Path) -> tuple[Triple, Triple] | None:
    """Mean and deviation of RGB in [0, 1] in the folder's preprocessor file; None without one.

    Raises:
        CheckpointError: the values are not three finite numbers each, with deviations above 0.
    """
    file = folder / PREPROCESSOR
    if not file.is_file():
        return None
    try:
        config = parse(file.read_text(encoding="utf-8"))
        if not config.get("do_normalize", True):
            return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        if "image_mean" not in config and "image_std" not in config:
            return None
        mean, std = _three(config["image_mean"]), _three(config["image_std"])
        if not all(map(math.isfinite, (*mean, *std))) or min(std) <= 0:
            raise ValueError("finite values, deviations above 0")
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise CheckpointError(
            f"{file}: image_mean and image_std should be three numbers each ({error})"
        ) from None
    return mean, std


def _three(values: list[float]) -> Triple:
    first, second, third = (float(v) for v in values)
    return first, second, third
