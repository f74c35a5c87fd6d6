"""All targets of an export in one literal table: their options, and where their parts are.

Nothing heavy is imported: writers, quantizers and evaluators are named ``module:name`` and come
with extras. To add a target, see CONTRIBUTING.md.
"""

from dataclasses import dataclass

from edgematte.errors import OptionError
from edgematte.options import option
from edgematte.ranges import Range

FLOATS = ("fp32", "fp16")
INT8 = ("int8", "int8-weights")
BLOCKED = ("fp32", "int8-weights")
"""Precisions of ONNX with float convolutions, which processors compute in blocks of channels."""
WIDE = "w8a16"  # 8-bit weights, 16-bit activations: of targets whose engines have them
OPSETS = Range(18, 26)
"""Those that torch and onnxsim write and ONNX Runtime loads."""


@dataclass(frozen=True)
class TargetOptions:
    """Options that every target has."""

    precision: str


@dataclass(frozen=True)
class OnnxOptions(TargetOptions):
    """Options of ONNX."""

    opset: int = option(18, help="operator set", range=OPSETS)
    ort: bool = option(
        False,
        help="also write .ort files, for ONNX Runtime on phones; the .onnx then has only the "
        "rewrites that phones' accelerators have operators for",
    )
    dynamic_batch: bool = option(
        False, help="graphs that take any number of tiles at once, for servers"
    )
    portable: bool = option(
        False,
        help="only the rewrites that all clients have fast operators for, browsers with WebGPU "
        "among them, and none for blocks of channels of processors",
    )

    def __post_init__(self) -> None:
        """Check that the option changes something.

        Raises:
            OptionError: the precision is written so anyway.
        """
        if self.portable and self.precision not in BLOCKED:
            raise OptionError(
                f"portable is of {' and '.join(BLOCKED)}: {self.precision} is written so anyway; "
                "leave it out"
            )

    @property
    def blocked(self) -> bool:
        """Whether graphs are written for processors that compute in blocks of channels."""
        return self.precision in BLOCKED and not (self.ort or self.portable)


@dataclass(frozen=True)
class OpenVinoOptions(TargetOptions):
    """Options of OpenVINO."""

    opset: int = option(18, help="operator set of the ONNX graph it is made from", range=OPSETS)


@dataclass(frozen=True)
class CoreMlOptions(TargetOptions):
    """Options of Core ML."""

    min_ios: int | None = option(
        None,
        help="oldest iOS that runs it (default: 16; int8: 17)",
        choices=(15, 16, 17, 18),
    )
    io: str = option(
        "tensor", help="tensors or pictures at the program's borders", choices=("tensor", "image")
    )
    alpha_bits: int = option(
        8, help="bits of alpha as a picture: bytes or half floats", choices=(8, 16)
    )

    def __post_init__(self) -> None:
        """Fill in the iOS version that the precision needs.

        Raises:
            OptionError: alpha is a tensor and not a picture of so many bits, or the bits need a
                newer iOS.
        """
        if self.min_ios is None:
            object.__setattr__(self, "min_ios", 17 if self.precision == "int8" else 16)
        if self.alpha_bits != 8 and self.io != "image":
            raise OptionError("alpha_bits is of the alpha picture: give io image with it")
        if self.alpha_bits == 16 and (self.min_ios or 0) < 16:
            raise OptionError("alpha_bits 16 needs min_ios 16 or later, or leave it out")


@dataclass(frozen=True)
class LiteRtOptions(TargetOptions):
    """Options of LiteRT."""

    io: str = option(
        "tensor", help="tensors or pictures at the program's borders", choices=("tensor", "image")
    )
    layout: str = option(
        "nchw",
        help="order of the axes of what goes in and out; phones' pictures are nhwc",
        choices=("nchw", "nhwc"),
    )


@dataclass(frozen=True)
class Effort:
    """How much is measured for INT8, which depends on the speed of the target's tools."""

    groups: int  # into how many groups nodes are divided to measure their sensitivity
    feeds: int  # at most so many calls of a graph calibrate it
    judges: int  # at most so many held-out pictures judge a rung


@dataclass(frozen=True)
class Evaluator:
    """What runs a target's graphs in a check on systems without the target's engine."""

    name: str  # given to --engine
    where: str  # module:function, manifest -> check engines
    native: str  # the platform (sys.platform) that has the engine
    extra: str


@dataclass(frozen=True)
class Target:
    """A format that graphs are written in."""

    name: str
    extra: str  # pip extra with the packages that the writer needs
    precisions: tuple[str, ...]
    default: str  # precision, if none is given
    options: type[TargetOptions]
    writer: str  # module with build, save, tools
    passes: str  # module:function, options -> rewrites of captured graphs
    quantizer: str  # module:class
    effort: Effort
    quantizing: str = "calibration"  # pip extra with the packages that the quantizer needs
    executed: str = ""  # module:function, file and graph -> operators that its engine runs
    no_methods: tuple[str, ...] = ()  # methods of choosing ranges that its quantizer lacks
    wide: bool = False  # whether INT8 may fall back to 16-bit activations
    evaluator: Evaluator | None = None
    lint: str = ""  # module:function, a graph's file and declaration -> findings on other devices
    on_device: str = ""  # module:function, manifest -> check engines in a device's arithmetic


WRITERS, PASSES = "edgematte.export.targets", "edgematte.export.passes"
LINT = "edgematte.export.lint"
QUANTIZERS = "edgematte.calibration.quantizers"

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target(
            name="onnx",
            extra="export",
            precisions=(*FLOATS, *INT8, WIDE),
            default="fp32",
            options=OnnxOptions,
            writer=f"{WRITERS}.onnx",
            passes=f"{PASSES}:for_onnx",
            quantizer=f"{QUANTIZERS}.onnx:OnnxQuantizable",
            effort=Effort(groups=12, feeds=24, judges=8),
            executed="edgematte.export.executed:by_onnxruntime",
            lint=f"{LINT}.onnx:findings",
            wide=True,
        ),
        Target(
            name="openvino",
            extra="export,openvino",
            precisions=(*FLOATS, *INT8),
            default="fp32",
            options=OpenVinoOptions,
            writer=f"{WRITERS}.openvino",
            passes=f"{PASSES}:for_openvino",
            quantizer=f"{QUANTIZERS}.openvino:OpenVinoQuantizable",
            effort=Effort(groups=6, feeds=24, judges=8),
            executed="edgematte.export.executed:by_openvino",
            lint=f"{LINT}.openvino:findings",
            no_methods=("entropy",),
        ),
        Target(
            name="coreml",
            extra="coreml",
            precisions=(*FLOATS, *INT8, "int4-palette"),
            default="fp16",
            options=CoreMlOptions,
            writer=f"{WRITERS}.coreml",
            passes=f"{PASSES}:portable",
            quantizer=f"{QUANTIZERS}.coreml:CoreMlQuantizable",
            effort=Effort(groups=6, feeds=8, judges=2),
            lint=f"{LINT}.coreml:findings",
            evaluator=Evaluator(
                name="mil",
                where="edgematte.export.mil.engine:check_engines",
                native="darwin",
                extra="coreml",
            ),
        ),
        Target(
            name="litert",
            extra="litert-export",
            precisions=(*FLOATS, *INT8, WIDE),
            default="fp32",
            options=LiteRtOptions,
            writer=f"{WRITERS}.litert",
            passes=f"{PASSES}:for_litert",
            quantizer=f"{QUANTIZERS}.litert:LiteRtQuantizable",
            effort=Effort(groups=6, feeds=24, judges=8),
            quantizing="litert-export",
            wide=True,
            lint=f"{LINT}.litert:findings",
            on_device="edgematte.export.litert.half:check_engines",
        ),
    )
}


def find_target(name: str) -> Target:
    """The target of that name.

    Raises:
        OptionError: no such target; the message lists those there are.
    """
    if name not in TARGETS:
        raise OptionError(f"unknown target {name!r}; there are: {', '.join(TARGETS)}")
    return TARGETS[name]


def find_precision(target: Target, name: str | None) -> str:
    """The precision of that name, or the target's default.

    Raises:
        OptionError: the target has no such precision; the message lists those it has.
    """
    name = name or target.default
    if name not in target.precisions:
        able = ", ".join(target.precisions)
        instead = (
            ": its integers have 8 bits; int8-weights has 8-bit weights and 16-bit floats"
            if name == WIDE
            else ""
        )
        raise OptionError(f"{target.name} has no precision {name!r}{instead}; there are: {able}")
    return name
