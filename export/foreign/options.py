"""What has to be known of a net to use it: options of an import."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgematte.errors import OptionError
from edgematte.export.foreign.beside import LongerSide
from edgematte.host import ORDERS, Size
from edgematte.ranges import check_options
from edgematte.runtime.nets.foreign.host import ACTIVATIONS, Triple

KINDS = ("matte", "mask")
UNIT = 1 / 255


@dataclass(frozen=True)
class Given:
    """Options as they were given; None where the file, or the usual value, is to decide.

    Args:
        size: (width, height) of the picture that the net sees.
        mean: subtracted from ``byte * scale``, one number or one a channel.
        std: divides what is left.
        scale: multiplies the bytes.
        channel_order: RGB or BGR.
        output: the name of the output that is the matte.
        channel: which of its channels is the subject.
        activation: none, sigmoid, softmax or min-max.
        invert: the output is of the background.
        states: of a recurrent net: names of inputs -> the outputs that they are at the next frame.
        held: names of further inputs -> the numbers that they are held at.
        first_output: take the first output where there are several.
    """

    size: Size | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    scale: float | None = None
    channel_order: str | None = None
    output: str | None = None
    channel: int | None = None
    activation: str | None = None
    invert: bool | None = None
    states: Mapping[str, str] | None = None
    held: Mapping[str, float | LongerSide] | None = None
    first_output: bool = False

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            OptionError: a value that it cannot have.
        """
        for side in self.size or ():
            check_options(size=side)
        check_options(class_index=self.channel)
        for name, known in (("channel_order", ORDERS), ("activation", ACTIVATIONS)):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise OptionError(f"{name} {value!r}: there are: {', '.join(known)}")
        if self.scale is not None and not 0 < self.scale <= 1:
            raise OptionError(
                f"scale {self.scale:g}: above 0, 1 at the most; 1/255 makes bytes [0, 1], 1 "
                "leaves them as they are"
            )
        if self.std is not None and not min(triple("std", self.std)) > 0:
            raise OptionError(f"std {list(self.std)}: numbers above 0")
        if self.mean is not None:
            triple("mean", self.mean)
        for name, number in (self.held or {}).items():
            if not isinstance(number, LongerSide) and not abs(number) < 1e6:
                raise OptionError(f"constant {name!r} {number:g}: a number")

    @property
    def normalisation(self) -> tuple[float, Triple, Triple]:
        """Scale, mean and std.

        Raises:
            OptionError: none of them is given.
        """
        if self.mean is None and self.std is None and self.scale is None:
            raise OptionError(
                "how bytes become the net's input cannot be read from the file: give mean and std, "
                "scale (1/255 for [0, 1], 1 for bytes as they are), or a preset"
            )
        scale = UNIT if self.scale is None else self.scale
        return scale, triple("mean", self.mean or (0,)), triple("std", self.std or (1,))


def triple(name: str, values: Sequence[float]) -> Triple:
    """One number for all channels, or one for each.

    Raises:
        OptionError: another count, or values that are not finite.
    """
    numbers = [float(value) for value in values]
    if len(numbers) not in (1, 3) or not all(abs(n) < 1e6 for n in numbers):
        raise OptionError(
            f"{name} {', '.join(map(str, values))}: one number, or three, in the order of the "
            "graph's channels"
        )
    first, second, third = numbers * (3 // len(numbers))
    return first, second, third
