"""What a clip's levels mean: matrix, primaries and transfer, as ITU-T H.273 and FFmpeg count."""

from dataclasses import dataclass
from typing import Any

UNKNOWN = 2
ITU709, ITU601, BT2020 = 1, 5, 9
HD_PX = 720  # height from which clips that do not say it are ITU-R 709
HDR = {16: "PQ", 18: "HLG"}  # transfers
WIDE = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}  # primaries


@dataclass(frozen=True)
class Colour:
    """The tags of a clip; pixels keep their levels, so that a copy keeps these as well."""

    primaries: int = UNKNOWN
    transfer: int = UNKNOWN

    @property
    def matrix(self) -> int:
        """The matrix that RGB is written with: BT.2020's for its primaries, else ITU-R 709's."""
        return BT2020 if self.primaries == BT2020 else ITU709

    @property
    def words(self) -> str:
        """What is not ordinary about it; empty for what every screen shows."""
        return ", ".join(
            w for w in (HDR.get(self.transfer), WIDE.get(self.primaries)) if w is not None
        )

    def warning(self, name: str, *, folder: bool) -> str:
        """What a copy with 8 bits a channel loses of it; empty where nothing is lost.

        Args:
            name: of the clip.
            folder: whether it becomes PNG files, which hold no such tags.
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
    """The matrix that a decoded frame's RGB is computed with; guessed where it does not say."""
    matrix = int(frame.colorspace)
    if matrix in (0, UNKNOWN):
        return ITU709 if frame.height >= HD_PX else ITU601
    return matrix
