"""``edgematte serve``."""

import argparse
from pathlib import Path

from edgematte.cli.arguments import add_engine, add_load_options
from edgematte.cli.streams import remark
from edgematte.errors import EngineError
from edgematte.extras import importing

LOCAL = "local"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "--bundle",
        action="append",
        default=[],
        metavar="[NAME=]BUNDLE",
        help="may be given several times; the first is taken where a request names none (default: "
        "the one that ships with edgematte)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="to listen on (default: loopback)")
    parser.add_argument(
        "--port", type=int, default=8000, metavar="N", help="0: a free one (default: 8000)"
    )
    parser.add_argument(
        "--api-key-file",
        type=Path,
        metavar="FILE",
        help="answer those alone who show one of its keys, one a line (or EDGEMATTE_API_KEY)",
    )
    add_engine(parser, verify=False)
    parser.set_defaults(threads=1)
    add_replicas(parser)
    add_limits(parser)
    add_load_options(parser)


def add_replicas(parser: argparse.ArgumentParser) -> None:
    """What is said of the replicas."""
    group = parser.add_argument_group("of the replicas, each a process with all bundles")
    group.add_argument(
        "--ray", default=LOCAL, metavar="ADDRESS", help="a Ray cluster (default: local, one here)"
    )
    group.add_argument(
        "--replicas",
        default="1",
        metavar="N|MIN:MAX",
        help="how many, or from how many to how many by what is asked for (default: 1)",
    )
    for flag, kind, default, text in (
        ("--target-ongoing", float, 2, "MIN:MAX: requests a replica, over which one is added"),
        ("--upscale-delay", float, 5, "MIN:MAX: seconds over it until one is added"),
        ("--downscale-delay", float, 60, "MIN:MAX: seconds under it until one is removed"),
        ("--batch", int, 8, "bundles exported with --dynamic-batch: pictures matted together"),
        ("--batch-wait-ms", float, 10, "with --dynamic-batch: how long one waits for others"),
    ):
        group.add_argument(flag, type=kind, metavar="X", help=f"{text} (default: {default})")


def add_limits(parser: argparse.ArgumentParser) -> None:
    """What a server takes at most."""
    group = parser.add_argument_group("limits")
    for flag, kind, default, text in (
        ("--max-mb", float, 25, "bytes of a request, in millions"),
        ("--max-megapixels", float, 50, "pixels of a picture, in millions"),
        ("--max-waiting", int, 64, "requests without an answer yet; more are told to come again"),
        ("--max-held-mb", float, 500, "bytes of requests and answers in memory, in millions"),
        ("--max-connections", int, 1000, "open connections"),
        ("--answer-timeout", float, 120, "seconds until an answer"),
    ):
        group.add_argument(
            flag, type=kind, default=default, metavar="X", help=f"{text} (default: {default})"
        )


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM; print the address on standard output."""
    from edgematte.cli import serving

    serving.check_ranges(arguments)
    named = serving.named_bundles(arguments.bundle)
    least, most = serving.replicas_of(arguments)
    if arguments.ray == LOCAL:
        serving.stay_on_loopback()
    sentence = "serving needs packages that are not installed"
    with importing(sentence, 'pip install "edgematte[serve]"', EngineError):
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
        from ray import serve  # noqa: F401
    from edgematte.serve import deployment, server
    from edgematte.serve.app import make_app
    from edgematte.serve.keys import read_keys

    keys = read_keys(arguments.api_key_file)
    offers = serving.offers_of(named)
    loading = serving.loading_of(arguments, offers)
    limits = serving.limits_of(arguments)
    server.room_for(limits.connections)
    with server.bound(arguments.host, arguments.port) as address:
        cluster = None if arguments.ray == LOCAL else arguments.ray
        scaling = serving.scaling_of(arguments, least, most)
        with deployment.fleet(offers, loading, scaling, limits, address=cluster) as fleet:
            app = make_app(fleet, tuple(offers), limits, keys)
            fleet.on_repeat = app.state.front.metrics.again
            host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
            url = f"http://{host}:{address.getsockname()[1]}"

            def started(stop: object) -> None:
                print(url, flush=True)
                remark(f"edgematte: serving {', '.join(offers)}; Ctrl-C or SIGTERM stops it")
                if not keys and not serving.is_loopback(arguments.host):
                    remark(
                        "edgematte: whoever reaches this address may use it: --api-key-file FILE "
                        "asks for a key"
                    )

            server.run(
                app,
                address,
                look=deployment.running,
                look_s=deployment.LOOK_S,
                on_start=started,
            )
    return 0
