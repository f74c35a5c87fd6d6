"""Published and reproduced sizes of the built-in nets, by variant: one literal table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Count:
    """Published and reproduced size of one configuration."""

    config: dict[str, int]
    parameters: int
    macs_g: float  # 1e9 multiply-adds of ``what``
    published_parameters: str
    published_macs_g: str
    what: str = "512x512"
    apart: str = ""  # why the two differ in GMAC, or in parameters by more than rounding


COUNTED_OTHERWISE = "published: projects window padding too, omits relative positions"
SWIN_TOLD = "published: 48.8 M in their README; their code builds 38,753,560"
ONE_STEP = "512x512, one step"

COUNTS: dict[str, tuple[Count, ...]] = {
    "lightweight": (
        Count({"cfm": 1, "ena": 1}, 344_820, 0.938, "344.82K", "0.93"),
        Count({"cfm": 0, "ena": 1}, 342_692, 0.938, "342.70K", "0.93"),
        Count({"cfm": 1, "ena": 0}, 287_924, 0.645, "287.83K", "0.63"),
        Count({"cfm": 0, "ena": 0}, 285_796, 0.645, "285.70K", "0.63"),
    ),
    "regional": (
        Count({}, 31_257_579, 21.5, "31257.58K", "21.2", "1792x1152, 1401 regions"),
        Count({}, 31_257_579, 73.5, "31257.58K", "74.6", "3456x2304, 3036 regions"),
    ),
    "vitmatte-s": (Count({}, 25_814_753, 58.3, "25814.75K", "59.7", apart=COUNTED_OTHERWISE),),
    "vitmatte-b": (Count({}, 96_686_561, 141.1, "96686.56K", "151.0", apart=COUNTED_OTHERWISE),),
    "hdmatt": (
        Count({"cpc": 2}, 27_362_849, 44.6, "none", "none", "320x320, every patch"),
        Count({"cpc": 2}, 27_362_849, 12.7, "none", "none", "320x320, patch with unknown pixels"),
    ),
    "diffmatte-vits": (Count({}, 29_014_273, 50.8, "29014.27K", "50.8", ONE_STEP),),
    "diffmatte-vitb": (Count({}, 101_458_945, 56.0, "101458.95K", "56.0", ONE_STEP),),
    # 53,110 of them are vectors of the spectral norm, which loading a checkpoint folds.
    "diffmatte-res34": (Count({}, 23_867_575, 53.6, "23867.58K", "53.6", ONE_STEP),),
    "diffmatte-swint": (Count({}, 38_753_560, 54.5, "48800K", "54.5", ONE_STEP, apart=SWIN_TOLD),),
}
