"""The model card: a repository's README.md, with the front matter that the hub reads."""

import json
from collections.abc import Iterator, Sequence

from edgematte.card import UNKNOWN, Card
from edgematte.manifest import Manifest
from edgematte.nets import find
from edgematte.runtime.bundle import Bundle

TAGS = ("image-matting", "background-removal", "alpha", "onnx", "edge")
KNOWN = {
    "MIT": "mit",
    "Apache-2.0": "apache-2.0",
    "BSD-3-Clause": "bsd-3-clause",
    "CC0-1.0": "cc0-1.0",
    "CC-BY-4.0": "cc-by-4.0",
    "CC-BY-NC-4.0": "cc-by-nc-4.0",
    "CC-BY-SA-4.0": "cc-by-sa-4.0",
    "GPL-3.0-only": "gpl-3.0",
    "AGPL-3.0-only": "agpl-3.0",
}
"""SPDX identifier -> the hub's name of the licence."""


def page_of(bundles: Sequence[Bundle], repository: str, onnx: Sequence[str]) -> str:
    """The card's text; ``onnx`` are names of files in the folder `onnx/`."""
    first = bundles[0].manifest
    return "\n".join(
        [
            *_front_matter(first),
            f"# {repository.split('/')[-1]}",
            "",
            f"{first.model}: {find(first.model).net.paper}. Exported and checked by edgematte.",
            "",
            *_use(repository, first, onnx),
            *_licence(first.weights.card or Card()),
            *_accuracy([bundle.manifest for bundle in bundles]),
            "",
        ]
    )


def _front_matter(manifest: Manifest) -> Iterator[str]:
    licence = (manifest.weights.card or Card()).license
    yield "---"
    yield "library_name: edgematte"
    yield "pipeline_tag: image-segmentation"
    if licence in KNOWN:
        yield f"license: {KNOWN[licence]}"
    else:
        yield "license: other"
        yield f"license_name: {json.dumps(licence or 'unknown')}"
    yield "tags:"
    yield from (f"- {tag}" for tag in (*TAGS, manifest.model))
    yield "---"
    yield ""


def _use(repository: str, manifest: Manifest, onnx: Sequence[str]) -> Iterator[str]:
    trimap = ", trimap" if find(manifest.model).net.needs_trimap else ""
    yield "```python"
    yield "import edgematte"
    yield ""
    yield f'matter = edgematte.load("hf:{repository}@main")  # or a commit, to stay with it'
    yield f'matter("photo.jpg"{trimap}).save("cutout.png")'
    yield "```"
    yield ""
    if onnx:
        yield "In JavaScript, where `config.json` names the kind of net that takes a picture alone:"
        yield ""
        yield "```js"
        yield "import { pipeline } from '@huggingface/transformers';"
        yield ""
        yield f"const remove = await pipeline('background-removal', '{repository}');"
        yield "const cutout = await remove('photo.jpg');"
        yield "```"
        yield ""
        yield "Files: " + ", ".join(f"`onnx/{name}.onnx`" for name in onnx) + "."
    else:
        yield "transformers.js runs nets of one graph that take a picture alone; this is none."
    yield ""


def _licence(card: Card) -> Iterator[str]:
    yield "## Licence and training data"
    yield ""
    yield f"* licence of the weights: {card.license or UNKNOWN}"
    if card.authors:
        yield f"* authors: {', '.join(card.authors)}"
    if card.origin:
        yield f"* from: {card.origin}"
    if card.attribution:
        yield f"* to be shown: {card.attribution}"
    yield ""
    if card.data:
        yield "| pictures | licence | what |"
        yield "|---|---|---|"
        yield from (f"| {d.name} | {d.license or 'unknown'} | {d.what} |" for d in card.data)
    else:
        yield "What it was trained on is unknown."
    yield ""


def _accuracy(manifests: Sequence[Manifest]) -> Iterator[str]:
    yield "## Accuracy against PyTorch"
    yield ""
    yield "Alpha of a picture against the network's own, measured when each file was exported."
    yield ""
    yield "| target | precision | engine | largest difference | mean | unknown band: MAD | SAD |"
    yield "|---|---|---|---|---|---|---|"
    for manifest in manifests:
        bands = {q.engine: q for q in manifest.accuracy.quality if q.region == "unknown band"}
        for d in manifest.accuracy.differences:
            if d.equality != "end-to-end":
                continue
            band = bands.get(d.engine)
            scores = f"{band.mad:.2e} | {band.sad:.4f}" if band else "- | -"
            yield (
                f"| {manifest.target} | {manifest.precision} | {d.engine} | {d.max_abs:.1e} "
                f"| {d.mean_abs:.1e} | {scores} |"
            )
    yield ""
