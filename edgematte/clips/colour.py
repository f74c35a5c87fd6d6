"""What a clip's levels mean: matrix, primaries and transfer, with the numbers of ITU-T H.273."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes
from edgematte.pictures import hdr
from edgematte.pictures.tone import shown

UNKNOWN = 2
ITU709, ITU601, BT2020 = 1, 5, 9
HD_PX = 720  # clips without tags are taken for ITU-R 709 from this height on
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
            w for w in (hdr.TRANSFERS.get(self.transfer), WIDE.get(self.primaries)) if w is not None
        )

    @property
    def coding(self) -> hdr.Coding | None:
        """What the values of an HDR clip mean; None for others."""
        return hdr.Coding(self.primaries, self.transfer) if self.transfer in hdr.TRANSFERS else None

    @property
    def recorded(self) -> hdr.Coding | None:
        """What PNG files say of unusual colours; None: nothing, or it is not known."""
        known = UNKNOWN not in (self.primaries, self.transfer)
        return hdr.Coding(self.primaries, self.transfer) if self.words and known else None

    def shown(self, name: str) -> str:
        """What is said of an HDR clip of this name before a background."""
        return (
            f"{name} is HDR ({self.words}): before a background it is shown as on an ordinary "
            "screen, in ITU-R 709"
        )


SCREEN = Colour(1, 1)
"""Of what is shown on an ordinary screen, such as the view that nets have of HDR: ITU-R 709."""


def view_of(values: NDArray[np.uint16], coding: hdr.Coding) -> Bytes:
    """Stored RGB (H, W, 3) of an HDR clip -> what nets see, as of HDR pictures."""
    return shown(hdr.light_of(values, coding), primaries=coding.chromaticities)


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
