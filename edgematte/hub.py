"""Checkpoints in the layout of the Hugging Face hub: a folder on disk, or fetched by name.

Such a folder holds ``config.json``, ``model.safetensors`` (or ``pytorch_model.bin``) and often
``preprocessor_config.json`` with the normalisation of the pictures.
"""

import math
from pathlib import Path

from edgematte.codec import parse
from edgematte.errors import CheckpointError, line_of
from edgematte.extras import importing

SCHEME = "hf:"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
PREPROCESSOR = "preprocessor_config.json"

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
    repository, _, revision = name.removeprefix(SCHEME).partition("@")
    sentence = f"{name} is a name on the Hugging Face hub, and huggingface-hub is not installed"
    way_out = 'pip install "edgematte[hub]", or give the folder of a copy on disk'
    with importing(sentence, way_out, CheckpointError):
        from huggingface_hub import snapshot_download
    try:
        for weights in WEIGHTS:  # many repositories hold the same weights in both files
            wanted = ["config.json", PREPROCESSOR, weights]
            folder = Path(
                snapshot_download(repository, revision=revision or None, allow_patterns=wanted)
            )
            if (folder / weights).is_file():
                break
    except Exception as error:  # from many libraries: no network, no such name, no access
        first = line_of(error, 160)
        raise CheckpointError(
            f"{name} could not be fetched ({first}); give the folder of a copy on disk instead"
        ) from None
    return folder


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
