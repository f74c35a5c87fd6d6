"""``edgematte bench``."""

import argparse
import dataclasses
from pathlib import Path

from edgematte.cli.arguments import (
    add_batch,
    add_engine,
    add_json,
    add_load_options,
    load_matter,
    parse_size,
    print_json,
    told_choice,
)
from edgematte.cli.streams import plain
from edgematte.errors import OptionError
from edgematte.ranges import OPTIONS, check


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("bundle", nargs="?", help="default: the one that ships with edgematte")
    parser.add_argument("--picture", metavar="FILE", help="default: a made one of --size")
    parser.add_argument("--trimap", metavar="FILE", help="of --picture, for nets that need one")
    parser.add_argument("--size", help="of the made picture (default: 1920x1080)")
    parser.add_argument("--runs", type=int, default=20, help="timed runs, after 2 warm-ups")
    add_engine(parser)
    add_batch(parser, "pictures a run, whose tiles run N a call")
    add_load_options(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print median and 90th percentile per stage, the host's share, and peak memory."""
    from edgematte.bench import bench
    from edgematte.pictures import MAX_PIXELS, read_grey, read_picture
    from edgematte.testcard import testcard, testcard_trimap

    check("--runs", arguments.runs, OPTIONS["runs"])
    if arguments.size and arguments.picture:
        raise OptionError("--size is of the made picture: leave it out with --picture")
    if arguments.trimap and not arguments.picture:
        raise OptionError("--trimap is of --picture: give --picture FILE with it")
    size = parse_size(arguments.size or "1920x1080")
    if min(size) < 1 or size[0] * size[1] > MAX_PIXELS:
        raise OptionError(f"--size {arguments.size}: at least 1x1, at most {MAX_PIXELS:,} pixels")
    matter = load_matter(arguments)
    picture = read_picture(Path(arguments.picture)) if arguments.picture else testcard(*size)
    trimap = read_grey(Path(arguments.trimap)) if arguments.trimap else None
    manifest = matter.bundle.manifest
    made = matter.variant.net.needs_trimap and not manifest.trimap_stage
    if trimap is None and made and not arguments.picture:
        trimap = testcard_trimap(*size)
    timed = bench(matter, picture, arguments.runs, trimap=trimap, batch=arguments.batch)
    if arguments.json:
        print_json(dataclasses.asdict(timed) | told_choice(matter))
        return 0
    several = f" of {timed.batch} pictures" if timed.batch > 1 else ""
    name = plain(matter.bundle.shown.name)
    print(f"{name}, {timed.engine}, {plain(timed.picture)}, {timed.runs} runs{several}")
    print(f"{'stage':<18}{'median ms':>12}{'p90 ms':>12}")
    for stage in timed.stages:
        print(f"{stage.name:<18}{stage.median_ms:>12.1f}{stage.p90_ms:>12.1f}")
    if timed.workers > 1:
        count = timed.worker_threads
        threads = f", {count} thread{'' if count == 1 else 's'} each" if count else ""
        print(f"independent calls run {timed.workers} at a time{threads}")
    print(f"host steps take {100 * timed.host_share:.0f} % of the whole")
    print(f"{timed.pictures_per_s:.2f} pictures per second")
    peak = timed.peak_rss_mb
    print(
        f"peak resident memory {'not told by this system' if peak is None else f'{peak:.0f} MiB'}"
    )
    return 0
