"""What the threshold on P(unknown) and the band give and cost; `band.py` prints it."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgematte.arrays import Bytes, Floats
from edgematte.host import TrimapHost
from edgematte.manifest import STAGE
from edgematte.metrics import mad, mse
from edgematte.metrics.seams import seam_score
from edgematte.net import load_part
from edgematte.nets import find
from edgematte.pictures import read_grey, read_picture
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.engines import EngineOptions, engine_for, open_engine
from edgematte.runtime.engines.graph import GraphCall, RunnableGraph
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.patches import Patch, unknown_in
from edgematte.runtime.host.planes import to_input
from edgematte.runtime.host.resize import resize_picture
from edgematte.runtime.host.trimap import BACKGROUND, FOREGROUND, UNKNOWN, estimate_trimap
from edgematte.runtime.host.trimap_stage import without_specks
from edgematte.runtime.pipeline import pipeline_for

REST_S = 0.1
COVER = (
    f"{'threshold':>10}{'band_px':>9}{'soft in band':>14}{'band of whole':>15}{'known, wrong':>14}"
)
REFINED = f"{'MAD':>9}{'MSE':>9}{'of soft':>9}{'opacity':>9}{'leak':>9}{'seam':>9}{'patches':>9}"


@dataclass(frozen=True)
class Way:
    """A threshold and a band, and a temperature that probabilities are taken to before."""

    threshold: float
    band_px: int
    temperature: float = 1.0

    def of(self, host: TrimapHost) -> Any:
        """The host section with this threshold and band."""
        return replace(host, unknown_threshold=self.threshold, band_px=self.band_px)


class Bundle:
    """The lightweight net's split cut, or a net behind its segmentation, stage by stage."""

    def __init__(self, path: str | None, threads: int = 1) -> None:
        opened = open_bundle(path)
        self.manifest = opened.manifest
        self.variant = find(self.manifest.model)
        self.cascade = self.manifest.trimap_stage is not None
        self.segment = STAGE if self.cascade else "segment"
        host = self.manifest.trimap_stage or self.manifest.host
        assert isinstance(host, TrimapHost)
        self.host = host  # that of the segmentation
        self.graphs: dict[str, GraphCall] = {}
        for declared in opened.manifest.graphs:
            engine = open_engine(
                engine_for(opened.manifest.target),
                opened.file(declared),
                declared,
                EngineOptions(threads=threads),
            )
            own = self.manifest.host_of(declared)
            self.graphs[declared.name] = RunnableGraph(declared, engine, own)

    def probabilities(self, picture: Bytes) -> Floats:
        """SN's answer (3, h, w) for a picture of any size."""
        image = to_input(resize_picture(picture, self.host.size))
        found: Floats = self.graphs[self.segment](image=image)["trimap"][0]
        return found

    def patches(self, trimap: Bytes, way: Way) -> Sequence[Patch]:
        """The patches or tiles that alpha is stitched from."""
        host = self.manifest.host if self.cascade else way.of(self.host)
        found: Sequence[Patch] = load_part(self.variant.net.patches)(host, trimap)
        return found

    def matte(self, picture: Bytes, found: Floats, way: Way) -> tuple[Floats, Bytes, Clock]:
        """Alpha, trimap and seconds by stage; SN's answer is taken as given."""
        graphs: dict[str, GraphCall] = {
            **self.graphs,
            self.segment: lambda **_: {"trimap": tempered(found, way.temperature)[None]},
        }
        clock, host = Clock(), way.of(self.host)
        if self.cascade:
            run = pipeline_for(self.variant, self.manifest.host, graphs, stage=host)
        else:
            run = pipeline_for(self.variant, host, graphs)
        alpha, trimap = run(picture, None, clock)
        return alpha, trimap, clock


def refining(clock: Clock) -> float:
    """Seconds of the graphs behind the segmentation."""
    seconds = {name: s for name, s in clock.seconds.items() if name.startswith("graph.")}
    return sum(s for name, s in seconds.items() if name not in ("graph.segment", f"graph.{STAGE}"))


def tempered(probabilities: Floats, temperature: float) -> Floats:
    """The probabilities (3, h, w) of the same logits over a temperature."""
    if temperature == 1:
        return probabilities
    raised = np.maximum(probabilities, 1e-12) ** np.float32(1 / temperature)
    return np.asarray(raised / raised.sum(axis=0), np.float32)


def soft_pixels(alpha: NDArray[Any]) -> NDArray[np.bool_]:
    return (alpha > 0.05) & (alpha < 0.95)


def table(
    pairs: Sequence[tuple[Path, Path]],
    bundle: Bundle,
    ways: Sequence[Way],
    *,
    enlarge: int,
    refine: bool,
    recall: float,
) -> None:
    """A line for each way, means over the pictures."""
    rows: dict[Way, list[list[float]]] = {way: [] for way in ways}
    for image, alpha_file in pairs:
        picture = read_picture(image)
        size = picture.shape[1] * enlarge, picture.shape[0] * enlarge
        picture = resize_picture(picture, size)
        grey = Image.fromarray(read_grey(alpha_file)).resize(size, Image.Resampling.BICUBIC)
        alpha = np.asarray(grey, np.float32) / np.float32(255)
        found = bundle.probabilities(picture)
        for way in ways:
            rows[way].append(measured(bundle, way, picture, found, alpha, refine=refine))
    print(f"{len(pairs)} pictures" + (f", enlarged {enlarge} times" if enlarge > 1 else ""))
    print("temperature " * (len({way.temperature for way in ways}) > 1) + COVER + REFINED * refine)
    means = {way: [float(x) for x in np.mean(numbers, axis=0)] for way, numbers in rows.items()}
    for way, (covered, whole, wrong, *rest) in means.items():
        line = f"{way.threshold:>10.2f}{way.band_px:>9}{covered:>14.3f}{whole:>15.3f}{wrong:>14.4f}"
        if rest:
            line += "".join(f"{n:>9.4f}" for n in rest[:-1]) + f"{rest[-1]:>9.1f}"
        print(f"{way.temperature:>11.2f} " * (len({w.temperature for w in ways}) > 1) + line)
    able = [way.threshold for way, row in means.items() if row[0] >= recall]
    print(f"largest threshold with {recall:.0%} of the soft pixels: {max(able, default=None)}")


def measured(
    bundle: Bundle, way: Way, picture: Bytes, found: Floats, alpha: Floats, *, refine: bool
) -> list[float]:
    """What one picture says: see `band.py`."""
    if refine:
        matte, trimap, _ = bundle.matte(picture, found, way)
    else:
        trimap = estimate_trimap(
            without_specks(
                tempered(found, way.temperature), getattr(bundle.host, "speck_share", 0.0)
            ),
            (picture.shape[1], picture.shape[0]),
            unknown_threshold=way.threshold,
            band_px=way.band_px,
        )
    unknown, soft = trimap == UNKNOWN, soft_pixels(alpha)
    wrong = (trimap == FOREGROUND) & (alpha < 0.5) | (trimap == BACKGROUND) & (alpha > 0.5)
    numbers = [float(unknown[soft].mean()) if soft.any() else 1.0]
    numbers += [float(unknown.mean()), float(wrong.mean())]
    if refine:
        inside, outside = alpha >= 0.95, alpha <= 0.05
        patches = bundle.patches(trimap, way)
        numbers += [
            mad(matte, alpha),
            mse(matte, alpha),
            mad(matte, alpha, soft) if soft.any() else 0.0,
            float(matte[inside].mean()) if inside.any() else 1.0,
            float(matte[outside].mean()) if outside.any() else 0.0,
            seam_score(matte, patches),
            float(unknown_in(trimap, patches).sum()),
        ]
    return numbers


def times(
    photos: Sequence[Path], size: tuple[int, int], bundle: Bundle, ways: Sequence[Way], rounds: int
) -> None:
    """Unknown share and milliseconds of photographs of one size, the ways in turns."""
    pictures = [cropped(read_picture(photo), size) for photo in photos]
    spent: dict[Way, list[list[list[float]]]] = {way: [[] for _ in pictures] for way in ways}
    shares: dict[Way, list[tuple[float, float, float, float]]] = {}
    for round_number in range(rounds + 1):
        for way in ways:
            shares[way] = []
            for number, picture in enumerate(pictures):
                time.sleep(REST_S)
                start = time.perf_counter()
                found = bundle.probabilities(picture)
                matte, trimap, clock = bundle.matte(picture, found, way)
                whole = time.perf_counter() - start
                if round_number:
                    spent[way][number].append([whole, refining(clock)])
                patches = bundle.patches(trimap, way)
                ran = float(unknown_in(trimap, patches).sum())
                seam = seam_score(matte, patches)
                halves = (matte > 0.1) & (matte < 0.9)
                shares[way].append(
                    (float((trimap == UNKNOWN).mean()), float(halves.mean()), ran, seam)
                )
    print(f"{len(pictures)} photographs of {size[0]}x{size[1]}; means of their medians")
    print(
        "| threshold / band | unknown | alpha in 0.1..0.9 | patches | seam | ms | of them REFINE |"
    )
    print("|---|---|---|---|---|---|---|")
    for way in ways:
        share, half, count, score = (float(x) for x in np.mean(shares[way], axis=0))
        whole, refine = (
            1000 * statistics.fmean(statistics.median(r[i] for r in rows) for rows in spent[way])
            for i in (0, 1)
        )
        print(
            f"| {way.threshold} / {way.band_px} | {share:.3f} | {half:.3f} | {count:.1f} "
            f"| {score:.2f} | {whole:.0f} | {refine:.0f} |"
        )


def cropped(picture: Bytes, size: tuple[int, int]) -> Bytes:
    """The middle of a picture, enlarged where it is smaller than ``size``."""
    scale = max(size[0] / picture.shape[1], size[1] / picture.shape[0], 1)
    large = tuple(round(n * scale) for n in (picture.shape[1], picture.shape[0]))
    image = Image.fromarray(picture).resize(large, Image.Resampling.BICUBIC)
    left, top = ((a - b) // 2 for a, b in zip(large, size, strict=True))
    return np.asarray(image)[top : top + size[1], left : left + size[0]].copy()
