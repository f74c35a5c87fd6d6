"""A page in the browser: cut a photograph out, compare, and correct the trimap by brush strokes.

    python samples/gradio_app.py [BUNDLE] [--port 7860]

Needs `pip install "edgematte[cpu]" gradio`. White strokes are subject, black ones background, grey
ones unknown. Only what lies around the strokes is matted again.
"""

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgematte
from edgematte.pictures import cutout
from edgematte.runtime.host.foreground import estimate_foreground

COLOURS = {"#ffffff": 255, "#808080": 128, "#000000": 0}
"""Colours of the brush, and what they stand for in a trimap."""
AROUND_PX = 64
"""How far around strokes alpha is taken anew: it fades into what was there before."""
LONGEST_SIDE = 2048  # what a page can send to and fro while a person waits

Box = tuple[int, int, int, int]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Work:
    """A photograph that is being worked on."""

    picture: Pixels  # (H, W, 3)
    trimap: Pixels  # (H, W)
    alpha: NDArray[np.float32]  # (H, W)
    seconds: float = 0.0
    ran: int = 0  # graph calls of the last step, in pixels of the picture


def begun(matter: edgematte.Matter, picture: Pixels) -> Work:
    """A whole photograph, matted."""
    found = matter(picture)
    return Work(picture, found.trimap, found.alpha, sum(found.timings.values()), found.alpha.size)


def stroked(trimap: Pixels, layer: Pixels) -> tuple[Pixels, Box | None]:
    """A trimap (H, W) under strokes (H, W, 4), and the box that they changed; None: nothing."""
    values = np.array(list(COLOURS.values()))
    nearest = np.abs(layer[..., :1].astype(int) - values).argmin(-1)  # grey is grey in each channel
    new = np.where(layer[..., 3] > 127, values[nearest], trimap).astype(np.uint8)
    rows, columns = np.nonzero(new != trimap)
    if not len(rows):
        return trimap, None
    return new, (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def corrected(matter: edgematte.Matter, work: Work, layer: Pixels) -> Work:
    """The work after strokes (H, W, 4): the patches around them are run again, and no others."""
    trimap, box = stroked(work.trimap, layer)
    if box is None:
        return work
    height, width = trimap.shape
    side = getattr(matter.host, "patch", None) or max(matter.host.size)
    seen = _grown(box, AROUND_PX + side // 2, width, height)  # by the net, which needs surroundings
    place = slice(seen[1], seen[3]), slice(seen[0], seen[2])
    found = matter(np.ascontiguousarray(work.picture[place]), np.ascontiguousarray(trimap[place]))
    weight = _fading(box, trimap.shape)[place]
    alpha = work.alpha.copy()
    alpha[place] += weight * (found.alpha - alpha[place])
    known = (trimap != work.trimap) & (trimap != 128)
    alpha[known] = trimap[known] / 255
    return Work(work.picture, trimap, alpha, sum(found.timings.values()), found.alpha.size)


def _grown(box: Box, by: int, width: int, height: int) -> Box:
    left, top, right, bottom = box
    return max(left - by, 0), max(top - by, 0), min(right + by, width), min(bottom + by, height)


def _fading(box: Box, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """1 inside a box, and less and less up to ``AROUND_PX`` from it: (H, W)."""

    def line(first: int, last: int, length: int) -> NDArray[np.float32]:
        places = np.arange(length)
        apart = np.maximum(np.maximum(first - places, places - last + 1), 0)
        return np.clip(1 - apart / AROUND_PX, 0, 1).astype(np.float32)

    return np.minimum.outer(line(box[1], box[3], shape[0]), line(box[0], box[2], shape[1]))


def shown(work: Work) -> tuple[tuple[Pixels, Pixels], Pixels, Pixels]:
    """What the page shows: both sides of the slider, the trimap, the cut-out to download."""
    cut = cutout(estimate_foreground(work.picture, work.alpha), work.alpha)
    rows, columns = np.indices(work.alpha.shape) // 12
    behind = np.where((rows + columns) % 2, 204, 255)[..., None].repeat(3, -1)
    share = work.alpha[..., None]
    over = (cut[..., :3] * share + behind * (1 - share)).round().astype(np.uint8)
    return (work.picture, over), work.trimap, cut


def build(matter: edgematte.Matter) -> Any:
    """The page."""
    import gradio as gr
    from PIL import Image

    def told(work: Work) -> str:
        share = 100 * work.ran / work.alpha.size
        return f"{work.seconds:.2f} s, {share:.0f} % of the picture matted"

    def answer(work: Work) -> tuple[Any, ...]:
        pair, trimap, cut = shown(work)
        return work, pair, trimap, Image.fromarray(cut), told(work)

    def cut_out(value: dict[str, Any] | None) -> tuple[Any, ...]:
        if not value or value.get("background") is None:
            raise gr.Error("Choose a photograph first.")
        picture = Image.fromarray(value["background"]).convert("RGB")
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        return answer(begun(matter, np.asarray(picture)))

    def correct(work: Work | None, value: dict[str, Any] | None) -> tuple[Any, ...]:
        if work is None or not value or not value.get("layers"):
            raise gr.Error("Cut the photograph out, then paint on it.")
        layer = Image.fromarray(value["layers"][0]).convert("RGBA")
        size = work.alpha.shape[1], work.alpha.shape[0]
        strokes = np.asarray(layer.resize(size, Image.Resampling.NEAREST))
        return answer(corrected(matter, work, strokes))

    brush = gr.Brush(default_size=16, colors=list(COLOURS), color_mode="fixed")
    with gr.Blocks(title="edgematte") as page:
        kept = gr.State()
        gr.Markdown("# edgematte\nWhite strokes are subject, black background, grey unknown.")
        with gr.Row():
            editor = gr.ImageEditor(
                type="numpy", image_mode="RGBA", brush=brush, transforms=(), label="Photograph"
            )
            slider = gr.ImageSlider(type="numpy", label="Before and after")
        with gr.Row():
            first = gr.Button("Cut out", variant="primary")
            again = gr.Button("Apply strokes")
        said = gr.Markdown()
        with gr.Row():
            trimap = gr.Image(label="Trimap", type="numpy", interactive=False)
            result = gr.Image(label="Cut-out", type="pil", format="png", interactive=False)
        outputs = [kept, slider, trimap, result, said]
        first.click(cut_out, editor, outputs)
        again.click(correct, [kept, editor], outputs)
    return page


def main() -> None:
    """Serve the page on this machine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", nargs="?", help="default: the one that ships with edgematte")
    parser.add_argument("--port", type=int, default=7860)
    arguments = parser.parse_args()
    page = build(edgematte.load(arguments.bundle))
    page.launch(server_name="127.0.0.1", server_port=arguments.port)


if __name__ == "__main__":
    main()
