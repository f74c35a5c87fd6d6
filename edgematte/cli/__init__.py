"""The command line: a module for each command, the table of commands, and printing errors."""

import argparse
import importlib
import keyword
import sys
import warnings
from collections.abc import Sequence
from typing import TextIO

import edgematte
from edgematte.cli.arguments import add_plugins
from edgematte.cli.collector import release
from edgematte.cli.flags import flags_of, spelt
from edgematte.cli.signals import Stopped, heeded
from edgematte.cli.streams import abandon, say, settle
from edgematte.cli.volume import add_volume, volume
from edgematte.errors import EdgematteError, OptionError, PictureWarning, ToleranceError
from edgematte.nets import plug_in

COMMANDS = {
    "models": "what there is to export, with published and reproduced sizes",
    "export": "PyTorch -> a checked bundle for one target",
    "import": "a net that came as an ONNX file -> a bundle, checked against the file",
    "check": "compare a bundle with PyTorch: exit 0 within tolerance, 1 outside, 2 could not run",
    "matte": "cut the subject out of pictures",
    "batch": "cut the subject out of very many pictures, on one machine or a Ray cluster",
    "trimap": "make a trimap of a mask, as `matte --mask` does",
    "serve": "answer requests for mattes over HTTP, with replicas on Ray Serve",
    "train": "fit or fine-tune a network on folders of pictures",
    "info": "what a bundle is",
    "goldens": "a bundle's golden records as raw files, for ports of the host side",
    "repository": "a bundle as a model repository of Triton Inference Server",
    "sign": "sign a bundle with a key, for `check --key`",
    "sbom": "a bundle's bill of materials, as CycloneDX",
    "publish": "put bundles on the Hugging Face hub, for edgematte and transformers.js",
    "bench": "where the time of a matte goes",
    "doctor": "name the first stage of a bundle that departs, and the node in it",
    "report": "one page about a bundle, or about two side by side",
    "completion": "print a script for tab completion in a shell",
    "man": "print the manual page",
}

OK, OUTSIDE, FAILED, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; every error is one line on standard error."""
    settle()
    try:
        return _run(argv)
    finally:
        abandon(sys.stdout)  # Python would report what it cannot write at the end by itself


def _run(argv: Sequence[str] | None) -> int:
    flags: dict[str, str] = {}
    try:
        plug_in(_plugins(argv))
        arguments = _read(argv)
        flags = arguments.flags
        with heeded(), volume(arguments), warnings.catch_warnings():
            warnings.showwarning = _show_warning
            release()
            code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except ToleranceError as error:
        return _say(str(error), OUTSIDE)
    except OptionError as error:
        return _say(spelt(str(error), flags), FAILED)
    except EdgematteError as error:
        return _say(str(error), FAILED)
    except Stopped as stop:
        return _say(f"{stop}; nothing half-written was left", 128 + stop.number)
    except KeyboardInterrupt as stop:
        return _say(str(stop) or "interrupted; nothing half-written was left", INTERRUPTED)
    except BrokenPipeError:
        return FAILED
    except MemoryError:
        return _say("not enough memory", FAILED)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return _say(f"{error.strerror or error}{where}", FAILED)


def _read(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments; help that cannot be printed is an error as of any other output."""
    try:
        return build_parser(_command(argv)).parse_args(argv)
    except SystemExit:
        sys.stdout.flush()
        raise


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The parser with all commands; each command sets `run`.

    Args:
        only: the one command that has its arguments, so that the others' modules and the options
            that nets declare for them are not imported; None: all have theirs; "": none has.
    """
    parser = argparse.ArgumentParser(
        prog="edgematte",
        description="Trained matting networks, from PyTorch to the devices people hold.",
    )
    parser.add_argument("--version", action="version", version=f"edgematte {edgematte.__version__}")
    commands = parser.add_subparsers(metavar="command", required=True)
    for name, line in COMMANDS.items():
        command = commands.add_parser(name, help=line, description=line[0].upper() + line[1:] + ".")
        if only not in (None, name):
            continue
        word = f"{name}_" if keyword.iskeyword(name) else name
        module = importlib.import_module(f"edgematte.cli.{word}")
        module.add_arguments(command)
        add_plugins(command)
        add_volume(command)
        command.set_defaults(run=module.run, flags=flags_of(command))
    return parser


def _command(argv: Sequence[str] | None) -> str | None:
    """The command that is asked for, if it is one; "" for what is said of all commands."""
    first = (sys.argv[1:] if argv is None else list(argv))[:1]
    if not first or first[0] in ("-h", "--help", "--version"):
        return ""
    return first[0] if first[0] in COMMANDS else None


def _plugins(argv: Sequence[str] | None) -> list[str]:
    """The modules that ``--plugin`` names: their nets add arguments of their own."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_plugins(early)
    plugins: list[str] = early.parse_known_args(argv)[0].plugin
    return plugins


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning about a picture on one line, and other warnings as Python does."""
    if issubclass(category, PictureWarning):
        say(f"edgematte: {' '.join(str(message).split())}")
    else:
        say(warnings.formatwarning(message, category, filename, lineno, line).rstrip("\n"))


def _say(message: str, code: int) -> int:
    say(f"edgematte: {' '.join(message.split())}")
    return code
