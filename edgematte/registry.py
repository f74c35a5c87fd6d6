"""Every model of the SDK, in one literal table. To add a model, see CONTRIBUTING.md."""

from dataclasses import dataclass, replace

from edgematte.errors import OptionError


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


@dataclass(frozen=True)
class Family:
    """One network: where its classes live, without importing them."""

    name: str
    paper: str
    torch_class: str  # module:class
    cut_module: str  # torch side: graphs(), reference()
    host_module: str  # torch-free side: pipeline(), host_steps()
    multiple: int  # sides of the graph's picture are multiples of this
    config: dict[str, int]
    weights: str  # name under edgematte/weights, empty where none are shipped
    counts: tuple[Count, ...]
    official_keys: str = ""  # module:function, the authors' checkpoint layout -> ours
    needs_trimap: bool = False  # the net finds none of its own
    unpools: bool = False  # puts values where maxima stood: rounding moves some by a pixel
    answers_known: bool = False  # has values of its own for known pixels: --keep-known chooses


COUNTED_OTHERWISE = "published: projects window padding too, omits relative positions"
SWIN_TOLD = "published: 48.8 M in their README; their code builds 38,753,560"

LIGHTWEIGHT = Family(
    name="lightweight",
    paper="Highly Efficient Natural Image Matting, BMVC 2021",
    torch_class="edgematte.models.lightweight:Lightweight",
    cut_module="edgematte.export.cuts.lightweight",
    host_module="edgematte.runtime.lightweight",
    multiple=64,
    config={"cfm": 1, "ena": 1, "k": 16},
    weights="lightweight",
    counts=(
        Count({"cfm": 1, "ena": 1}, 344_820, 0.938, "344.82K", "0.93"),
        Count({"cfm": 0, "ena": 1}, 342_692, 0.938, "342.70K", "0.93"),
        Count({"cfm": 1, "ena": 0}, 287_924, 0.645, "287.83K", "0.63"),
        Count({"cfm": 0, "ena": 0}, 285_796, 0.645, "285.70K", "0.63"),
    ),
)

REGIONAL = Family(
    name="regional",
    paper="Lightweight Portrait Matting via Regional Attention and Refinement, WACV 2024",
    torch_class="edgematte.models.regional:Regional",
    cut_module="edgematte.export.cuts.regional",
    host_module="edgematte.runtime.regional",
    multiple=128,
    config={
        "cra": 1,
        "search_range": 4,
        "k": 8,
        "aliasing": 1,
        "last_shift": 0,
        "width": 96,
        "head_width": 32,
        "depth3": 6,
        "depth4": 2,
        "decoder": 64,
        "region": 32,
        "token": 128,
        "heads": 8,
    },
    weights="",
    counts=(
        Count({}, 31_257_579, 21.5, "31257.58K", "21.2", "1792x1152, 1401 regions"),
        Count({}, 31_257_579, 73.5, "31257.58K", "74.6", "3456x2304, 3036 regions"),
    ),
    official_keys="edgematte.models.regional_keys:from_official",
)

REGIONAL_TINY = replace(
    REGIONAL,
    name="regional-tiny",
    paper="a narrow variant of regional, under a million parameters",
    config={
        **REGIONAL.config,
        "width": 16,
        "head_width": 16,
        "depth3": 4,
        "depth4": 1,
        "decoder": 24,
        "region": 24,
        "token": 64,
        "heads": 4,
    },
    counts=(),
)

VITMATTE_S = Family(
    name="vitmatte-s",
    paper="ViTMatte: Boosting Image Matting with Pretrained Plain Vision Transformers, 2023",
    torch_class="edgematte.models.vitmatte:ViTMatte",
    cut_module="edgematte.export.cuts.vitmatte",
    host_module="edgematte.runtime.vitmatte",
    multiple=32,
    config={
        "dim": 384,
        "depth": 12,
        "heads": 6,
        "window": 14,
        "group": 3,
        "local": 2,
        "conv_neck": 1,
        "pretrained": 14,
        "grid": 32,
        "detail": 48,
        "fusion": 256,
        "hidden": 16,
    },
    weights="",
    counts=(Count({}, 25_814_753, 58.3, "25814.75K", "59.7", apart=COUNTED_OTHERWISE),),
    official_keys="edgematte.models.vitmatte_keys:from_official",
    needs_trimap=True,
    answers_known=True,
)

VITMATTE_B = replace(
    VITMATTE_S,
    name="vitmatte-b",
    config={**VITMATTE_S.config, "dim": 768, "heads": 12},
    counts=(Count({}, 96_686_561, 141.1, "96686.56K", "151.0", apart=COUNTED_OTHERWISE),),
)

VITMATTE_TINY = replace(
    VITMATTE_S,
    name="vitmatte-tiny",
    paper="a narrow variant of vitmatte-s, under a million parameters",
    config={
        "dim": 96,
        "depth": 4,
        "heads": 3,
        "window": 5,
        "group": 2,
        "local": 1,
        "conv_neck": 1,
        "pretrained": 7,
        "grid": 8,
        "detail": 16,
        "fusion": 64,
        "hidden": 16,
    },
    counts=(),
)

HDMATT = Family(
    name="hdmatt",
    paper="High-Resolution Deep Image Matting, AAAI 2021",
    torch_class="edgematte.models.hdmatt:HDMatt",
    cut_module="edgematte.export.cuts.hdmatt",
    host_module="edgematte.runtime.hdmatt",
    multiple=8,
    config={"cpc": 2, "k": 3, "width": 64},
    weights="",
    counts=(
        Count({"cpc": 2}, 27_362_849, 44.6, "none", "none", "320x320, every patch"),
        Count({"cpc": 2}, 27_362_849, 12.7, "none", "none", "320x320, patch with unknown pixels"),
    ),
    needs_trimap=True,
    unpools=True,
)

HDMATT_TINY = replace(
    HDMATT,
    name="hdmatt-tiny",
    paper="a narrow variant of hdmatt, under a million parameters",
    config={**HDMATT.config, "width": 8},
    counts=(),
)

DIFFMATTE_VITS = Family(
    name="diffmatte-vits",
    paper="Diffusion for Natural Image Matting, ECCV 2024",
    torch_class="edgematte.models.diffmatte:DiffMatteViT",
    cut_module="edgematte.export.cuts.diffmatte",
    host_module="edgematte.runtime.diffmatte",
    multiple=32,
    config={
        "dim": 384,
        "depth": 12,
        "heads": 6,
        "window": 14,
        "pretrained": 14,
        "grid": 32,
        "base": 32,
    },
    weights="",
    counts=(Count({}, 29_014_273, 50.8, "29014.27K", "50.8", "512x512, one step"),),
    official_keys="edgematte.models.diffmatte_keys:from_official",
    needs_trimap=True,
    answers_known=True,
)

DIFFMATTE_VITB = replace(
    DIFFMATTE_VITS,
    name="diffmatte-vitb",
    config={**DIFFMATTE_VITS.config, "dim": 768, "heads": 12},
    counts=(Count({}, 101_458_945, 56.0, "101458.95K", "56.0", "512x512, one step"),),
)

DIFFMATTE_RES34 = replace(
    DIFFMATTE_VITS,
    name="diffmatte-res34",
    torch_class="edgematte.models.diffmatte:DiffMatteRes34",
    config={"width": 64, "base": 32},
    # 53,110 of them are vectors of the spectral norm, which is folded as a checkpoint is loaded.
    counts=(Count({}, 23_867_575, 53.6, "23867.58K", "53.6", "512x512, one step"),),
)

DIFFMATTE_SWINT = replace(
    DIFFMATTE_VITS,
    name="diffmatte-swint",
    torch_class="edgematte.models.diffmatte:DiffMatteSwin",
    config={"width": 96, "head_width": 32, "depth3": 6, "base": 32},
    counts=(Count({}, 38_753_560, 54.5, "48800K", "54.5", "512x512, one step", apart=SWIN_TOLD),),
)

DIFFMATTE_LIGHTWEIGHT = replace(
    DIFFMATTE_VITS,
    name="diffmatte-lightweight",
    paper="the lightweight net's encoder in DiffMatte, and a decoder of half its width",
    torch_class="edgematte.models.diffmatte:DiffMatteLightweight",
    multiple=64,
    config={"ena": 1, "k": 16, "base": 16},
    counts=(),
)

FAMILIES: dict[str, Family] = {
    f.name: f
    for f in (
        LIGHTWEIGHT,
        REGIONAL,
        REGIONAL_TINY,
        VITMATTE_S,
        VITMATTE_B,
        VITMATTE_TINY,
        HDMATT,
        HDMATT_TINY,
        DIFFMATTE_VITS,
        DIFFMATTE_VITB,
        DIFFMATTE_RES34,
        DIFFMATTE_SWINT,
        DIFFMATTE_LIGHTWEIGHT,
    )
}


def family(name: str) -> Family:
    """The family of that name.

    Raises:
        OptionError: no such model; the message lists those there are.
    """
    if name not in FAMILIES:
        raise OptionError(f"unknown model {name!r}; there are: {', '.join(FAMILIES)}")
    return FAMILIES[name]
