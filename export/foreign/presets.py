"""How well-known nets are used, in one literal table; what is given beside a preset wins."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgematte.errors import OptionError
from edgematte.export.foreign.beside import LongerSide
from edgematte.export.foreign.options import UNIT, Given

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


@dataclass(frozen=True)
class Preset:
    """One family of nets. ``given.size`` is taken where the input of the file has open sides."""

    kind: str
    given: Given
    source: str  # the published code that uses the net like this


# Every number is the authors' own, from the file that is named; a remark says where others differ.
PRESETS: Mapping[str, Preset] = {
    # The authors keep proportions: the shorter side becomes 512, both multiples of 32.
    "modnet": Preset(
        "matte",
        Given(size=(512, 512), scale=UNIT, mean=(0.5,), std=(0.5,), first_output=True),
        "github.com/ZHKKKe/MODNet: onnx/inference_onnx.py, onnx/export_onnx.py",
    ),
    # The authors, and rembg, divide by the largest byte of the picture in place of 255; most
    # photographs have a byte of 255.
    "u2net": Preset(
        "mask",
        Given(size=(320, 320), scale=UNIT, mean=MEAN, std=STD, activation="min-max",
              first_output=True),
        "github.com/xuebinqin/U-2-Net: u2net_test.py, data_loader.py (ToTensorLab, flag 0); "
        "github.com/danielgatis/rembg: rembg/sessions/u2net.py, rembg/sessions/base.py",
    ),
    # rembg (rembg/sessions/dis_general_use.py) subtracts ImageNet's means.
    "isnet": Preset(
        "mask",
        Given(
            size=(1024, 1024), scale=UNIT, mean=(0.5,), std=(1,), activation="min-max",
            first_output=True,
        ),
        "github.com/xuebinqin/DIS: IS-Net/Inference.py",
    ),
    # rembg (rembg/sessions/birefnet_general.py) stretches what the sigmoid gives to [0, 1] once
    # more. BiRefNet's files of 2K and those of dynamic resolution have sizes of their own.
    "birefnet": Preset(
        "matte",
        Given(size=(1024, 1024), scale=UNIT, mean=MEAN, std=STD, activation="sigmoid",
              first_output=True),
        "github.com/ZhengPeng7/BiRefNet: tutorials/BiRefNet_inference.ipynb, "
        "tutorials/BiRefNet_pth2onnx.ipynb",
    ),
    "rmbg": Preset(
        "matte",
        Given(
            size=(1024, 1024), scale=UNIT, mean=(0.5,), std=(1,), activation="min-max",
            first_output=True,
        ),
        "huggingface.co/briaai/RMBG-1.4: preprocessor_config.json, MyPipe.py",
    ),
    # A BiRefNet, whose ONNX file has the sigmoid inside: its output is named alphas.
    "rmbg-2": Preset(
        "matte",
        Given(size=(1024, 1024), scale=UNIT, mean=MEAN, std=STD, first_output=True),
        "huggingface.co/briaai/RMBG-2.0: preprocessor_config.json, onnx/model.onnx; "
        "github.com/danielgatis/rembg: rembg/sessions/bria_rmbg.py",
    ),
    # Its table of downsample_ratio begins with 1280x720; the number is its converter's own choice.
    "rvm": Preset(
        "matte",
        Given(
            size=(1280, 720), scale=UNIT, output="pha",
            states={"r1i": "r1o", "r2i": "r2o", "r3i": "r3o", "r4i": "r4o"},
            held={"downsample_ratio": LongerSide(512)},
        ),
        "github.com/PeterL1n/RobustVideoMatting: documentation/inference.md, inference.py",
    ),
    # The landscape variant takes 256x144; its file says so.
    "selfie": Preset(
        "mask",
        Given(size=(256, 256), scale=UNIT, first_output=True),
        "github.com/google-ai-edge/mediapipe: "
        "mediapipe/modules/selfie_segmentation/selfie_segmentation_cpu.pbtxt",
    ),
}  # fmt: skip


def preset_of(name: str) -> Preset:
    """The preset of that name.

    Raises:
        OptionError: there is none; the message lists those there are.
    """
    if name not in PRESETS:
        raise OptionError(f"preset {name!r}: there are: {', '.join(PRESETS)}")
    return PRESETS[name]


def filled(given: Given, preset: Preset) -> Given:
    """The options with those of a preset where none is given, but for the size."""
    own = {name: value for name, value in vars(given).items() if value is not None}
    own["first_output"] = given.output is None
    own["size"] = given.size
    own["held"] = {**(preset.given.held or {}), **(given.held or {})}
    return replace(preset.given, **own)
