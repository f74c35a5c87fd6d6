"""Adapt the lightweight net to your own cut-outs, export it, and matte a photograph with it.

    python samples/finetune.py CUTOUTS BACKGROUNDS [OUT] [STEPS]

CUTOUTS is a folder of pictures with transparency, BACKGROUNDS one of photographs without your
subject. The defaults (300 steps at 256 pixels) take a few minutes on two cores. Run it again to go
on with a run that was stopped. Needs `pip install "edgematte[export]"`.
"""

import sys
from pathlib import Path

import torch

import edgematte
from edgematte.checkpoint import load_model
from edgematte.export import export
from edgematte.nets import find
from edgematte.pictures import cutout, read_picture, write_picture
from edgematte.training.engine.device import choose_device, choose_precision
from edgematte.training.engine.run import Run
from edgematte.training.pictures.sources import Folders, load_library
from edgematte.training.recipe.schedule import Settings
from edgematte.training.recipes import recipe

HERE = Path(__file__).resolve().parent
SIDE_PX = 256


def main(cutouts: Path, backgrounds: Path, out: Path, steps: int) -> None:
    """Train from the shipped weights, then export in the cut that takes pictures of any size."""
    torch.set_num_threads(1)  # more of them wait for each other wherever something else runs too
    device = choose_device(None)
    settings = Settings(
        out / "run",
        steps=steps,
        size_px=SIDE_PX,
        device=device,
        precision=choose_precision(device),
        samples_every=100,
        bar=True,
    )
    library = load_library(Folders(foregrounds=[cutouts], backgrounds=[backgrounds]))
    model, _ = load_model(find("lightweight"))  # and Path("mine.safetensors") for your own
    Run(recipe("lightweight"), settings, library, model, tune=True).train()

    bundle = export(
        "lightweight",
        target="onnx",
        cut="split",
        weights=str(out / "run" / "model.safetensors"),
        output=out / "tuned.edgematte",
        force=True,
    )
    picture = read_picture(HERE / "astronaut.jpg")
    matte = edgematte.load(bundle.path)(picture)
    write_picture(cutout(picture, matte.alpha), out / "cutout.png")
    print(bundle.path)
    print(out / "cutout.png")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if len(arguments) < 2:
        sys.exit(__doc__)
    output = Path(arguments[2]) if len(arguments) > 2 else Path("out")
    main(Path(arguments[0]), Path(arguments[1]), output, int((arguments[3:] or ["300"])[0]))
