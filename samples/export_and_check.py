"""Export the lightweight net from Python, check the bundle, and matte a photograph with it.

    python samples/export_and_check.py [FOLDER]

Needs `pip install "edgematte[export]"`.
"""

import sys
from pathlib import Path

import edgematte
from edgematte.check.engines import check_engines
from edgematte.check.run import check_bundle
from edgematte.check.table import table
from edgematte.export import export
from edgematte.pictures import cutout, read_picture, write_picture

HERE = Path(__file__).resolve().parent


def main(folder: Path) -> None:
    """Export to ONNX in the split cut, which takes pictures of any size."""
    bundle = export(
        "lightweight", target="onnx", cut="split", output=folder / "net.edgematte", force=True
    )
    accuracy = check_bundle(bundle, check_engines(bundle.manifest))
    print("\n".join(table(accuracy)))
    matter = edgematte.load(bundle.path)
    picture = read_picture(HERE / "astronaut.jpg")
    write_picture(cutout(picture, matter(picture).alpha), folder / "cutout.png")
    print(folder / "cutout.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("out"))
