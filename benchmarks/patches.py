"""Patches of the lightweight net's split cut: sides, margins, placed or on a grid, in one run.

    python benchmarks/patches.py [--photos FILE ...] [--size 1920x1080] [--share 0.2] [--rounds 5]
        [--u2net u2netp.onnx] [--threads 2]

Each photograph is cropped to --size, enlarged where it is smaller; SN says the probabilities, and
the threshold of unknown pixels is moved until --share of them are unknown. Each way (side/margin,
placed at multiples of 16 pixels, or on the fixed grid of 320/32) refines all photographs, in turns.
Printed are patches run, their pixels over the unknown pixels, median milliseconds from picture to
alpha and of REFINE for each unknown megapixel, how far alpha is from that of the whole picture
refined at once, over unknown pixels, and the seam score. A side must be a multiple of 64: the
attention works on 4x4 subsets of features at a sixteenth.

With --u2net, a U^2-Net file as rembg has it, that graph alone runs in the same turns, on 320x320,
and the last column is the whole of a way over its time.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import torch
from threshold import cropped

from edgematte.arrays import Bytes, Floats
from edgematte.checkpoint import load_model
from edgematte.cli.arguments import parse_size
from edgematte.export.capture import TorchGraph, capture
from edgematte.export.cuts.lightweight import CUT, Refine
from edgematte.export.passes import ONNX_CPU
from edgematte.export.targets.onnx import to_onnx
from edgematte.metrics.seams import seam_score
from edgematte.models.lightweight.network import Lightweight
from edgematte.nets import find
from edgematte.pictures import read_picture
from edgematte.runtime.engines import Engine, EngineOptions, open_engine
from edgematte.runtime.engines.graph import RunnableGraph
from edgematte.runtime.engines.workers import Crew, Division, Workers
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.patches import mirrored, unknown_in
from edgematte.runtime.host.planes import to_input
from edgematte.runtime.host.resize import resize_picture, resize_planes
from edgematte.runtime.host.trimap import UNKNOWN, estimate_trimap
from edgematte.runtime.nets.lightweight.host import Sizes, SplitHost
from edgematte.runtime.nets.lightweight.patches import patches_for
from edgematte.runtime.nets.lightweight.pipeline import pipeline

ASTRONAUT = Path(__file__).parents[1] / "samples" / "astronaut.jpg"
LATTICE = 16
WAYS = ["320/32 grid", *(f"{side}/{m}" for side in (128, 192, 256, 320) for m in (8, 16, 32))]
REST_S = 0.1


@dataclass
class Scene:
    """A photograph with SN's probabilities, and alpha of the whole picture refined at once."""

    picture: Bytes
    host: SplitHost  # with the threshold that makes the share of unknown pixels
    trimap: Bytes
    whole: Floats


def main(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    model, _ = load_model(find("lightweight"))
    hosts = {way: host_of(way, model) for way in arguments.ways}
    with tempfile.TemporaryDirectory() as scratch:
        graphs = Graphs(model, Path(scratch), arguments.threads)
        scenes = [
            scene(path, parse_size(arguments.size), arguments.share, graphs, model)
            for path in arguments.photos
        ]
        peer = u2net(arguments.u2net, arguments.threads) if arguments.u2net else None
        measure(hosts, scenes, graphs, peer, arguments.rounds)


def host_of(way: str, model: torch.nn.Module) -> SplitHost:
    side, _, margin = way.partition(" ")[0].partition("/")
    host = CUT.host("split", (512, 512), Sizes(patch=int(side)), model)
    assert isinstance(host, SplitHost)
    lattice = None if "grid" in way else LATTICE
    return replace(host, overlap=int(margin), lattice=lattice)


class Graphs:
    """The split cut's graphs, with patches of any side, on ONNX Runtime."""

    def __init__(self, model: torch.nn.Module, folder: Path, threads: int) -> None:
        self.model, self.folder, self.threads = model, folder, threads
        self._made: dict[str, RunnableGraph] = {}

    def of(self, host: SplitHost) -> dict[str, RunnableGraph]:
        """Both graphs of a host section."""
        segment, refine = CUT.graphs(self.model, host)
        return {
            "segment": self._opened("segment", segment),
            "refine": self._opened(f"refine-{host.patch}", refine),
        }

    def _opened(self, name: str, source: TorchGraph) -> RunnableGraph:
        if name not in self._made:
            file = self.folder / f"{name}.onnx"
            onnx.save(to_onnx(capture(source, ONNX_CPU), 18), file)
            crew = Crew(Division.of(self.threads))

            def engine(threads: int) -> Engine:
                options = EngineOptions(threads=threads)
                return open_engine("onnxruntime", file, source.graph, options)

            workers = Workers(crew, lambda: engine(1), several=False)
            graph = RunnableGraph(source.graph, engine(self.threads), workers=workers)
            self._made[name] = graph
        return self._made[name]


@torch.inference_mode()
def scene(
    path: Path, size: tuple[int, int], share: float, graphs: Graphs, model: torch.nn.Module
) -> Scene:
    picture = cropped(read_picture(path), size)
    host = host_of("320/32 grid", model)
    image = to_input(resize_picture(picture, host.size))
    probabilities = graphs.of(host)["segment"](image=image)["trimap"][0]
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        host = replace(host, unknown_threshold=middle)
        trimap = estimate_trimap(
            probabilities, size, unknown_threshold=middle, band_px=host.band_px
        )
        low, high = (middle, high) if (trimap == UNKNOWN).mean() > share else (low, middle)
    tall, wide = (-(-n // 64) * 64 for n in picture.shape[:2])
    rows, columns = mirrored(0, tall, picture.shape[0]), mirrored(0, wide, picture.shape[1])
    assert isinstance(model, Lightweight)
    planes = resize_planes(probabilities, size).take(rows, 1).take(columns, 2)[None]
    whole = Refine(model).eval()(
        torch.from_numpy(to_input(picture.take(rows, 0).take(columns, 1))), torch.from_numpy(planes)
    )[0, 0, : picture.shape[0], : picture.shape[1]]
    print(f"{path.name}: {(trimap == UNKNOWN).mean():.3f} unknown", flush=True)
    return Scene(picture, host, trimap, whole.numpy())


def u2net(file: Path, threads: int) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    image = np.random.default_rng(0).random((1, 3, 320, 320), np.float32)
    return lambda: session.run(None, {name: image})


def measure(
    hosts: dict[str, SplitHost],
    scenes: list[Scene],
    graphs: Graphs,
    peer: Callable[[], object] | None,
    rounds: int,
) -> None:
    times: dict[str, list[tuple[float, float]]] = {way: [] for way in hosts}
    peers: list[float] = []
    answers: dict[str, list[Floats]] = {}
    for round_number in range(rounds + 1):
        for way, host in hosts.items():
            answers[way], spent = [], []
            for one in scenes:
                time.sleep(REST_S)
                run = pipeline(
                    replace(host, unknown_threshold=one.host.unknown_threshold), graphs.of(host)
                )
                clock, start = Clock(), time.perf_counter()
                answers[way].append(run(one.picture, None, clock)[0])
                spent.append((time.perf_counter() - start, clock.seconds["graph.refine"]))
            if round_number:
                times[way].append(tuple(np.mean(spent, axis=0)))
        if peer is not None:
            time.sleep(REST_S)
            start = time.perf_counter()
            peer()
            peers.append(time.perf_counter() - start)
    beside = statistics.median(peers[1:]) if peers else None
    if beside:
        print(f"U^2-Net: {1000 * beside:.0f} ms")
    print(
        "| side/margin | patches | px run / unknown | ms | REFINE ms/MP | mean | max | seam "
        "| ms / U2 |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    unknown = [one.trimap == UNKNOWN for one in scenes]
    megapixels = float(np.mean([mask.sum() for mask in unknown])) / 1e6
    for way, host in hosts.items():
        whole, refine = (
            1000 * statistics.median(column) for column in zip(*times[way], strict=True)
        )
        rows = []
        for one, mask, alpha in zip(scenes, unknown, answers[way], strict=True):
            patches = patches_for(host, one.trimap)
            count = int(unknown_in(one.trimap, patches).sum())
            apart = np.abs(alpha - one.whole)[mask]
            rows.append((count, apart.mean(), apart.max(), seam_score(alpha, patches, mask)))
        patches_run, mean, _, seam = np.mean(rows, axis=0)
        pixels = patches_run * host.patch**2 / 1e6 / megapixels
        ratio = f"{whole / 1000 / beside:.2f}" if beside else "-"
        print(
            f"| {way} | {patches_run:.0f} | {pixels:.2f} | {whole:.0f} | {refine / megapixels:.0f} "
            f"| {mean:.4f} | {max(r[2] for r in rows):.2f} | {seam:.2f} | {ratio} |",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, nargs="+", default=[ASTRONAUT])
    parser.add_argument("--ways", nargs="+", default=WAYS)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--u2net", type=Path, metavar="FILE")
    main(parser.parse_args())
