"""What ``edgematte serve`` makes of its arguments."""

import argparse
import os
import re
import secrets
from pathlib import Path
from typing import Any

from edgematte.cli.declared import given, load_options
from edgematte.errors import OptionError
from edgematte.ranges import OPTIONS, check
from edgematte.runtime.bundle import open_bundle
from edgematte.serve.limits import MB, Limits
from edgematte.serve.replica import BATCH, Loading, Offer, dynamic
from edgematte.serve.scaling import Scaling

NAME = re.compile(r"[A-Za-z0-9_.-]+")
RANGED = (
    *("--threads", "--batch", "--batch-wait-ms", "--port", "--answer-timeout"),
    *("--max-mb", "--max-megapixels", "--max-waiting", "--max-held-mb", "--max-connections"),
    *("--target-ongoing", "--upscale-delay", "--downscale-delay"),
)


def check_ranges(arguments: argparse.Namespace) -> None:
    """Refuse numbers outside of their ranges."""
    for flag in RANGED:
        if (value := value_of(arguments, flag)) is not None:
            check(flag, value, OPTIONS[_name_of(flag)])


def value_of(arguments: argparse.Namespace, flag: str) -> Any:
    """The value of a flag."""
    return getattr(arguments, _name_of(flag))


def _name_of(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")


def named_bundles(given: list[str]) -> dict[str, str | None]:
    """The bundles by name; one without a name has that of its file."""
    if not given:
        return {"default": None}
    named: dict[str, str | None] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or not NAME.fullmatch(name):
            name, path = Path(text).name.removesuffix(".zip").removesuffix(".edgematte"), text
        if not path or not NAME.fullmatch(name):
            raise OptionError(
                f"--bundle {text}: give NAME=BUNDLE, with a name of letters, digits, _, . and -"
            )
        if name in named:
            raise OptionError(
                f"--bundle {text}: there is a bundle {name} already; give NAME=BUNDLE"
            )
        named[name] = path
    return named


def replicas_of(arguments: argparse.Namespace) -> tuple[int, int]:
    """The least and the most replicas."""
    least, colon, most = arguments.replicas.partition(":")
    parts = [least, most if colon else least]
    if not all(part.isdecimal() and 0 < int(part) <= 10_000 for part in parts):
        raise OptionError(
            f"--replicas {arguments.replicas}: give a number from 1 to 10000, or two as MIN:MAX"
        )
    numbers = int(parts[0]), int(parts[1])
    if numbers[0] > numbers[1]:
        raise OptionError(f"--replicas {arguments.replicas}: MIN is above MAX")
    if numbers[0] == numbers[1]:
        for flag in ("--target-ongoing", "--upscale-delay", "--downscale-delay"):
            if value_of(arguments, flag) is not None:
                raise OptionError(f"{flag} needs --replicas MIN:MAX: their number is fixed")
    return numbers


def offers_of(named: dict[str, str | None]) -> dict[str, Offer]:
    """The bundles, opened and verified."""
    return {name: Offer.of(path) for name, path in named.items()}


def loading_of(arguments: argparse.Namespace, offers: dict[str, Offer]) -> Loading:
    """How replicas load them."""
    batches = any(dynamic(open_bundle(offer.path)) for offer in offers.values())
    if not batches:
        for flag in ("--batch", "--batch-wait-ms"):
            if value_of(arguments, flag) is not None:
                raise OptionError(
                    f"{flag} has no meaning here: no bundle was exported with --dynamic-batch"
                )
    more: dict[str, Any] = {}
    if arguments.batch_wait_ms is not None:
        more["batch_wait_s"] = arguments.batch_wait_ms / 1000
    return Loading(
        engine=arguments.engine,
        device=arguments.device,
        threads=arguments.threads,
        engine_cache=arguments.engine_cache,
        batch=arguments.batch or (BATCH if batches else None),
        plugins=tuple(arguments.plugin),
        options=given(arguments, load_options()),
        **more,
    )


def limits_of(arguments: argparse.Namespace) -> Limits:
    """What the server takes at most."""
    return Limits(
        body_bytes=int(arguments.max_mb * MB),
        pixels=int(arguments.max_megapixels * MB),
        waiting=arguments.max_waiting,
        held_bytes=int(arguments.max_held_mb * MB),
        connections=arguments.max_connections,
        answer_s=arguments.answer_timeout,
    )


def scaling_of(arguments: argparse.Namespace, least: int, most: int) -> Scaling:
    """How many replicas there are."""
    said = {
        "target_ongoing_requests": arguments.target_ongoing,
        "upscale_delay_s": arguments.upscale_delay,
        "downscale_delay_s": arguments.downscale_delay,
    }
    return Scaling(
        least, most, **{name: value for name, value in said.items() if value is not None}
    )


def stay_on_loopback() -> None:
    """Let Ray, when it is imported, listen on loopback, for those who have its token.

    The token is made anew, and known to the processes that this one starts.
    """
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # its name for "one machine"
    if "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone."""
    return host in ("localhost", "::1") or host.startswith("127.")
