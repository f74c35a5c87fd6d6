"""``edgematte batch``."""

import argparse
import io
import logging
from contextlib import redirect_stdout

from edgematte.cli.arguments import (
    add_batch,
    add_engine,
    add_json,
    add_load_options,
    print_json,
)
from edgematte.cli.declared import given, load_options
from edgematte.cli.progress import counted
from edgematte.cli.results import add_results, refuse_results, results_of
from edgematte.cli.streams import remark, say

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "input",
        metavar="INPUT",
        help="a folder, a list (.txt, a path or URL a line), a Parquet file of paths or bytes, a "
        "WebDataset .tar, a pattern of such files, or an fsspec URL of one of these",
    )
    parser.add_argument(
        "output",
        metavar="OUTPUT",
        help="a new folder, that of a batch that was stopped, or an fsspec URL; all nodes share it",
    )
    parser.add_argument("--bundle", help="default: the one that ships with edgematte")
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="HOST:PORT of a Ray cluster, ray://HOST:PORT, auto, or local: one is started here and "
        "ended (default: local)",
    )
    parser.add_argument(
        "--actors",
        type=int,
        metavar="N",
        help="workers, each with the bundle in its memory (default: as processors allow)",
    )
    parser.add_argument(
        "--threads-per-actor",
        dest="threads",
        type=int,
        default=1,
        metavar="N",
        help="of each worker's engine (default: 1)",
    )
    parser.add_argument(
        "--column", metavar="NAME", help="of a Parquet file: what holds paths or bytes"
    )
    parser.add_argument(
        "--retry-failed", action="store_true", help="try pictures that failed before again"
    )
    add_results(parser)
    add_engine(parser, threads=False)
    add_batch(parser, "tiles of a picture that run in one call")
    add_load_options(parser)
    add_json(parser)


class _Told(io.TextIOBase):
    """Standard output while Ray runs, which tells there of workers that end: lines for `-v`."""

    def write(self, text: str) -> int:
        """Log the lines."""
        for line in text.splitlines():
            if line.strip():
                log.debug("%s", line)
        return len(text)


def run(arguments: argparse.Namespace) -> int:
    """Matte all pictures; those that fail are told of, and then 1 is returned."""
    from edgematte.batch.run import BatchOptions, run_batch
    from edgematte.pictures.cutouts import open_background

    refuse_results(arguments)
    behind = open_background(arguments.background) if arguments.background else None
    loading = {
        "engine": arguments.engine,
        "device": arguments.device,
        "engine_cache": arguments.engine_cache,
        "verify": arguments.verify or None,
        "batch": arguments.batch,
        "plugins": tuple(arguments.plugin),
        **given(arguments, load_options()),
    }
    options = BatchOptions(
        arguments.bundle,
        tuple(dict.fromkeys(arguments.write)),
        results_of(arguments, behind),
        {name: value for name, value in loading.items() if value not in (None, ())},
        arguments.column,
        arguments.ray,
        arguments.actors,
        arguments.threads,
        arguments.retry_failed,
    )
    with redirect_stdout(_Told()), counted(" pictures") as progress:
        report = run_batch(arguments.input, arguments.output, options, progress, _remark)
    for path, error in report.errors:
        say(f"edgematte: {error}" if error.startswith(path) else f"edgematte: {path}: {error}")
    rate = (report.done + report.failed) / report.seconds if report.seconds else 0.0
    if arguments.json:
        print_json(
            {
                "index": report.index,
                "done": report.done,
                "failed": report.failed,
                "before": report.before,
                "seconds": round(report.seconds, 3),
                "pictures_per_second": round(rate, 3),
            }
        )
    else:
        print(report.index)
    if report.before:
        _remark(f"{report.before} pictures were in the index already")
    if report.failed:
        say(
            f"edgematte: {report.failed} of {report.done + report.failed} pictures failed; the "
            "index has the error of each"
        )
    return 1 if report.failed else 0


def _remark(line: str) -> None:
    remark(f"edgematte: {line}")
