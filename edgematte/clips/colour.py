"""What a clip's levels mean: matrix, primaries and transfer, with the numbers of ITU-T H.273."""

from dataclasses import dataclass
from typing import Any

UNKNOWN = 2
ITU709, ITU601, BT2020 = 1, 5, 9
HD_PX = 720  # clips without tags are taken for ITU-R 709 from this height on
HDR = {16: "PQ", 18: "HLG"}  # transfers
WIDE = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}  # primaries


@dataclass(frozen=True)
class Colour:
    """The colour tags of a clip. A copy keeps the levels of pixels, and so has the same tags."""

    primaries: int = UNKNOWN
    transfer: int = UNKNOWN

    @property
    def matrix(self) -> int:
        """The matrix to write RGB with: BT.2020's for BT.2020 primaries, else ITU-R 709's."""
        return BT2020 if self.primaries == BT2020 else ITU709

    @property
    def words(self) -> str:
        """The unusual tags in words; empty if every screen shows such colours."""
        return ", ".join(
            w for w in (HDR.get(self.transfer), WIDE.get(self.primaries)) if w is not None
        )

    def warning(self, name: str, *, folder: bool) -> str:
        """A warning of what a copy with 8 bits a channel loses; empty if it loses nothing.

        Args:
            name: the name of the clip.
            folder: whether the copy is a folder of PNG files, which have no such tags.
        """
        if folder and self.words:
            return f"{name} has {self.words} colour, which its PNG files do not say"
        if self.transfer in HDR:
            return f"{name} is HDR ({self.words}): its tags are kept, its levels pass in 8 bits"
        return ""


def colour_of(stream: Any) -> Colour:
    """The tags of a video stream."""
    context = stream.codec_context
    return Colour(int(context.color_primaries), int(context.color_trc))


def matrix_of(frame: Any) -> int:
    """The matrix to compute a decoded frame's RGB with; a guess if the frame has no tag."""
    matrix = int(frame.colorspace)
    if matrix in (0, UNKNOWN):
        return ITU709 if frame.height >= HD_PX else ITU601
    return matrix
