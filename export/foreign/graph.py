"""From a file's graph to the bundle's: one static input and output, named, and their layouts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from edgematte.errors import OnnxFileError, OptionError
from edgematte.export.foreign.beside import FileState, inputs_of
from edgematte.export.foreign.options import Given
from edgematte.host import Size
from edgematte.manifest import Graph, Tensor
from edgematte.ranges import SIDE
from edgematte.runtime.nets.foreign.host import ForeignHost, MaskHost, MatteHost, State

NAME, PIXELS, ALPHA = "matte", "pixels", "alpha"
MOST_CHANNELS = 4  # of a picture: tells the layout of an input
ANY = (-65504.0, 65504.0)  # range of features: that of float16
APART = 0.1  # *chosen*: proportions of an output's planes may differ so much from the input's
HOSTS: dict[str, type[ForeignHost]] = {"matte": MatteHost, "mask": MaskHost}


@dataclass(frozen=True)
class Entrance:
    """The one input of a file."""

    name: str
    layout: str  # NCHW or NHWC
    size: Size

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the input, with a batch of one."""
        width, height = self.size
        return (1, 3, height, width) if self.layout == "NCHW" else (1, height, width, 3)


def entrance_of(
    path: Path,
    model: onnx.ModelProto,
    size: Size | None,
    usual: Size | None = None,
    beside: Collection[str] = (),
) -> Entrance:
    """The input that takes the picture; ``usual`` is the size where its sides are open.

    ``beside`` are names of inputs that are states or are held at a number.

    Raises:
        OnnxFileError: not one further input of (1, 3, H, W) or (1, H, W, 3) and float32.
        OptionError: a size that is missing, or is not the file's.
    """
    inputs = [value for name, value in inputs_of(model).items() if name not in beside]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        told = " beside its states and constants" if beside else ""
        raise OnnxFileError(
            f"{path} has {len(inputs)} inputs ({names[:120]}){told}: nets with one, the picture, "
            "are imported; of a recurrent net name its states, input and output, and give the "
            "inputs that are held at a number"
        )
    kind = inputs[0].type.tensor_type
    if kind.elem_type != onnx.TensorProto.FLOAT:
        known = {number: name.lower() for name, number in onnx.TensorProto.DataType.items()}
        what = known.get(kind.elem_type, f"of an unknown type, {kind.elem_type}")
        raise OnnxFileError(f"{path}: its input is {what}; it should be float32")
    if not kind.HasField("shape"):
        raise OnnxFileError(
            f"{path}: its input has no known number of axes; export it again with four, such as "
            "(1, 3, H, W)"
        )
    sides = [max(axis.dim_value, 0) for axis in kind.shape.dim]  # 0 is an open side
    shown = [axis.dim_value or axis.dim_param or "?" for axis in kind.shape.dim]
    if len(sides) != 4 or sides[0] > 1 or 3 not in (sides[1], sides[3]):
        raise OnnxFileError(
            f"{path}: its input is {shown}; it should be one picture of three channels, "
            "(1, 3, H, W) or (1, H, W, 3)"
        )
    layout = "NCHW" if sides[1] == 3 else "NHWC"
    height, width = sides[2:] if layout == "NCHW" else sides[1:3]
    given = size or (usual if usual and not (width and height) else (width, height))
    if not all(given):
        raise OptionError(
            f"size is needed: the input of {path} is {shown}, of any size; give the one that the "
            "net was trained on, such as 512"
        )
    if any(own and own != side for own, side in zip((width, height), given, strict=True)):
        raise OptionError(
            f"size {given[0]}x{given[1]}: the input of {path} is {shown}; leave it out, or export "
            "the file again with open sides"
        )
    if max(given) not in SIDE:
        raise OnnxFileError(
            f"{path}: its input is {shown}; sides are {SIDE}: export it again with others"
        )
    return Entrance(inputs[0].name, layout, given)


def output_of(path: Path, model: onnx.ModelProto, given: Given) -> str:
    """The name of the output that is the matte.

    Raises:
        OnnxFileError: there is none.
        OptionError: there are several and none is named, or one is named that is not there.
    """
    states = (given.states or {}).values()
    names = [value.name for value in model.graph.output if value.name not in states]
    if not names:
        besides = " but its states" if states else ""
        raise OnnxFileError(
            f"{path} has no output{besides}: export the net again with its matte as one"
        )
    if given.output is not None and given.output not in names:
        raise OptionError(
            f"output_name {given.output!r}: the outputs of {path} are {', '.join(names)[:200]}"
        )
    if given.output is None and len(names) > 1 and not given.first_output:
        raise OptionError(
            f"output_name is needed: {path} has {len(names)} outputs, {', '.join(names)[:200]}; "
            "say which is the matte (often the first)"
        )
    return given.output or names[0]


def host_of(
    path: Path, kind: str, entrance: Entrance, shape: tuple[int, ...], given: Given
) -> ForeignHost:
    """The host section, from the options and from the shape of the output.

    Raises:
        OnnxFileError: the output is no map of the picture.
        OptionError: something is needed and not given, or has no meaning for this output.
    """
    layout = answer_layout(path, shape, entrance)
    channels = {"NCHW": shape[1], "NHWC": shape[-1], "NHW": 1}[layout]
    if given.channel is None and channels > 1:
        raise OptionError(
            f"class_index is needed: the output of {path} has {channels} channels; say which is "
            "the subject, 0 to " + str(channels - 1)
        )
    channel = given.channel or 0
    if channel >= channels:
        raise OptionError(
            f"class_index {channel}: the output of {path} has {channels} channels, 0 to "
            f"{channels - 1}"
        )
    activation = given.activation or "none"
    if activation == "softmax" and channels == 1:
        raise OptionError("activation softmax: the output has one channel; is it a sigmoid?")
    scale, mean, std = given.normalisation
    return HOSTS[kind](
        size=entrance.size,
        channel_order=given.channel_order or "RGB",
        scale=scale,
        layout=entrance.layout,
        answer_layout=layout,
        mean=mean,
        std=std,
        channel=channel,
        activation=activation,
        invert=bool(given.invert),
    )


def answer_layout(path: Path, shape: tuple[int, ...], entrance: Entrance) -> str:
    """The layout of an output: of three axes NHW; of four by where its planes are.

    Raises:
        OnnxFileError: it has no planes of about the picture's proportions.
    """
    width, height = entrance.size
    planes: dict[str, tuple[int, int]] = {}
    if len(shape) == 3:
        planes = {"NHW": shape[1:]}
    if len(shape) == 4:
        planes = {"NCHW": shape[2:], "NHWC": shape[1:3]}
        if entrance.layout == "NHWC":
            planes = dict(reversed(planes.items()))
    fitting = [
        (abs(rows * width / (columns * height) - 1), name)
        for name, (rows, columns) in planes.items()
        if shape[0] == 1 and min(rows, columns) > 1
    ]
    able = [name for apart, name in fitting if apart <= APART]
    if not able:
        raise OnnxFileError(
            f"{path}: its output is {list(shape)}, no map of a picture of {width}x{height}: it "
            "should be (1, C, h, w), (1, h, w, C) or (1, h, w), with the picture's proportions"
        )
    return able[0]


def states_at(shapes: Sequence[tuple[int, ...]]) -> tuple[State, ...] | None:
    """The states of the host section, with the bundle's names; None where there are none."""
    made = (State(f"state{n}", f"next{n}", shape) for n, shape in enumerate(shapes, 1))
    return tuple(made) or None


def declared(
    host: ForeignHost, entrance: Entrance, shape: tuple[int, ...], states: Sequence[FileState]
) -> Graph:
    """The declaration of the bundle's graph; ``states`` are the file's, in the host's order."""
    unit = host.activation in ("sigmoid", "softmax", "min-max")
    meaning = f"{host.cut} before {host.activation}" if unit else host.cut
    pixels = Tensor(
        PIXELS,
        entrance.shape,
        "float32",
        entrance.layout,
        (float(host.range[0]), float(host.range[1])),
        f"{host.channel_order}, (byte * scale - mean) / std",
    )
    alpha = Tensor(ALPHA, shape, "float32", host.answer_layout, (0.0, 1.0), meaning)
    ins, outs = [pixels], [alpha]
    for state, file in zip(host.states or (), states, strict=True):
        plain = host.layout == "NCHW" and len(state.shape) == 4
        layout = "NCHW" if plain else "N" + "X" * (len(state.shape) - 1)
        about = f"{file.source}: zeros at the first frame, then {state.output}"
        ins.append(Tensor(state.input, state.shape, "float32", layout, ANY, about))
        about = f"{file.answer}: {state.input} of the next frame"
        outs.append(Tensor(state.output, state.shape, "float32", layout, ANY, about))
    return Graph(NAME, tuple(ins), tuple(outs))
