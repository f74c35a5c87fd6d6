"""Take a ViTMatte checkpoint from the Hugging Face hub to a device, and matte a photograph with it.

    python samples/vitmatte_from_hub.py [WEIGHTS] [OUT] [MODEL] [SIZE]

WEIGHTS is `hf:hustvl/vitmatte-small-composition-1k` by default, or a folder with config.json,
model.safetensors and preprocessor_config.json. The bundle also holds the lightweight net's
segmentation, which makes the trimap: no one has to draw one. Needs
`pip install "edgematte[export,hub]"`; the weights' authors allow research only.
"""

import sys
from pathlib import Path

import edgematte
from edgematte.export import export
from edgematte.pictures import cutout, read_picture, write_picture

HERE = Path(__file__).resolve().parent


def main(weights: str, out: Path, model: str, size: int) -> None:
    """Export with a trimap stage, say where the normalisation came from, and use the bundle."""
    bundle = export(
        model,
        target="onnx",
        size=size,
        weights=weights,
        cascade="lightweight",
        output=out / f"{model}.edgematte",
        force=True,
    )
    print(bundle.manifest.weights.source)
    picture = read_picture(HERE / "astronaut.jpg")
    matte = edgematte.load(bundle.path)(picture)  # or (picture, trimap) where you have one
    write_picture(cutout(picture, matte.alpha), out / "cutout.png")
    for stage, seconds in matte.timings.items():
        print(f"{stage}: {1000 * seconds:.0f} ms")
    print(out / "cutout.png")


if __name__ == "__main__":
    given = sys.argv[1:] + [""] * 4
    main(
        given[0] or "hf:hustvl/vitmatte-small-composition-1k",
        Path(given[1] or "."),
        given[2] or "vitmatte-s",
        int(given[3] or 512),
    )
