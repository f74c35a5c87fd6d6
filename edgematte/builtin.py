"""The nets that come with edgematte, in one literal table. To add one, see CONTRIBUTING.md."""

from edgematte.net import Net, Variant

MODELS, CUTS = "edgematte.models", "edgematte.export.cuts"
NETS, TRAINING = "edgematte.runtime.nets", "edgematte.training.nets"

FOR_TRIMAPS = "vitmatte-tiny"
"""The net that ships for pictures with a trimap, where it is better than the default."""
BUNDLES = {"lightweight": "default.edgematte", FOR_TRIMAPS: "vitmatte-tiny.edgematte.zip"}
"""The bundles beside this file, by the names of their nets; the first is the default."""

_LIGHTWEIGHT = {"cfm": True, "ena": True, "k": 16, "sn_width": 16}

LIGHTWEIGHT = Net(
    name="lightweight",
    paper="Highly Efficient Natural Image Matting, BMVC 2021",
    network=f"{MODELS}.lightweight.network:Lightweight",
    cut=f"{CUTS}.lightweight:CUT",
    hosts={
        "fused": f"{NETS}.lightweight.host:FusedHost",
        "split": f"{NETS}.lightweight.host:SplitHost",
    },
    pipeline=f"{NETS}.lightweight.pipeline:pipeline",
    steps=f"{NETS}.lightweight.steps:STEPS",
    patches=f"{NETS}.lightweight.steps:patches_of",
    sizes=f"{NETS}.lightweight.host:Sizes",
    recipes=f"{TRAINING}.lightweight:RECIPES",
    stage=f"{CUTS}.lightweight:trimap_stage",
    multiple=64,
    variants={
        "lightweight": Variant(_LIGHTWEIGHT, weights="lightweight"),
        "lightweight-wide": Variant(
            {**_LIGHTWEIGHT, "sn_width": 32},
            "a variant of lightweight whose segmentation network is twice as wide",
            weights="lightweight-wide",
        ),
    },
)

_REGIONAL = {
    "cra": True,
    "search_range": 4,
    "k": 8,
    "aliasing": True,
    "last_shift": False,
    "width": 96,
    "head_width": 32,
    "depth3": 6,
    "depth4": 2,
    "decoder": 64,
    "region": 32,
    "token": 128,
    "heads": 8,
}
_REGIONAL_TINY = {
    **_REGIONAL,
    "width": 16,
    "head_width": 16,
    "depth3": 4,
    "depth4": 1,
    "decoder": 24,
    "region": 24,
    "token": 64,
    "heads": 4,
}

REGIONAL = Net(
    name="regional",
    paper="Lightweight Portrait Matting via Regional Attention and Refinement, WACV 2024",
    network=f"{MODELS}.regional.network:Regional",
    cut=f"{CUTS}.regional:CUT",
    hosts={"regions": f"{NETS}.regional.host:RegionsHost"},
    pipeline=f"{NETS}.regional.pipeline:pipeline",
    steps=f"{NETS}.regional.steps:STEPS",
    options=f"{NETS}.regional.host:Options",
    sizes=f"{NETS}.regional.host:Sizes",
    keys=f"{MODELS}.regional.keys:from_official",
    recipes=f"{TRAINING}.regional:RECIPES",
    multiple=128,
    variants={
        "regional": Variant(_REGIONAL),
        "regional-tiny": Variant(
            _REGIONAL_TINY, "a narrow variant of regional, under a million parameters"
        ),
    },
)

_VITMATTE_S = {
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
}
_VITMATTE_TINY = {
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
}

VITMATTE = Net(
    name="vitmatte",
    paper="ViTMatte: Boosting Image Matting with Pretrained Plain Vision Transformers, 2023",
    network=f"{MODELS}.vitmatte.network:ViTMatte",
    cut=f"{CUTS}.vitmatte:CUT",
    hosts={"tiles": f"{NETS}.vitmatte.host:TilesHost"},
    pipeline=f"{NETS}.vitmatte.pipeline:pipeline",
    steps=f"{NETS}.vitmatte.steps:STEPS",
    options=f"{NETS}.vitmatte.host:Options",
    patches=f"{NETS}.vitmatte.steps:patches_of",
    pads=True,
    sizes=f"{NETS}.vitmatte.host:Sizes",
    keys=f"{MODELS}.vitmatte.keys:from_official",
    recipes=f"{TRAINING}.vitmatte:RECIPES",
    multiple=32,
    needs_trimap=True,
    variants={
        "vitmatte-s": Variant(_VITMATTE_S),
        "vitmatte-b": Variant({**_VITMATTE_S, "dim": 768, "heads": 12}),
        "vitmatte-tiny": Variant(
            _VITMATTE_TINY,
            "a narrow variant of vitmatte-s, under a million parameters",
            weights="vitmatte-tiny",
            recipes=f"{TRAINING}.vitmatte:TINY_RECIPES",
        ),
    },
)

_HDMATT = {"cpc": 2, "k": 3, "width": 64}

HDMATT = Net(
    name="hdmatt",
    paper="High-Resolution Deep Image Matting, AAAI 2021",
    network=f"{MODELS}.hdmatt.network:HDMatt",
    cut=f"{CUTS}.hdmatt:CUT",
    hosts={"patches": f"{NETS}.hdmatt.host:PatchesHost"},
    pipeline=f"{NETS}.hdmatt.pipeline:pipeline",
    steps=f"{NETS}.hdmatt.steps:STEPS",
    patches=f"{NETS}.hdmatt.steps:patches_of",
    options=f"{NETS}.hdmatt.host:Options",
    sizes=f"{NETS}.hdmatt.host:Sizes",
    recipes=f"{TRAINING}.hdmatt:RECIPES",
    multiple=8,
    needs_trimap=True,
    unpools=True,
    variants={
        "hdmatt": Variant(_HDMATT),
        "hdmatt-tiny": Variant(
            {**_HDMATT, "width": 8}, "a narrow variant of hdmatt, under a million parameters"
        ),
    },
)

_DIFFMATTE_VITS = {
    "dim": 384,
    "depth": 12,
    "heads": 6,
    "window": 14,
    "pretrained": 14,
    "grid": 32,
    "base": 32,
}

DIFFMATTE = Net(
    name="diffmatte",
    paper="Diffusion for Natural Image Matting, ECCV 2024",
    network=f"{MODELS}.diffmatte.network:DiffMatteViT",
    cut=f"{CUTS}.diffmatte:CUT",
    hosts={
        "whole": f"{NETS}.diffmatte.host:WholeHost",
        "tiles": f"{NETS}.diffmatte.host:TilesHost",
    },
    pipeline=f"{NETS}.diffmatte.pipeline:pipeline",
    steps=f"{NETS}.diffmatte.steps:STEPS",
    patches=f"{NETS}.diffmatte.frames:patches_of",
    pads=True,
    options=f"{NETS}.diffmatte.host:Options",
    sizes=f"{NETS}.diffmatte.host:Sizes",
    keys=f"{MODELS}.diffmatte.keys:from_official",
    recipes=f"{TRAINING}.diffmatte:RECIPES",
    multiple=32,
    needs_trimap=True,
    variants={
        "diffmatte-vits": Variant(_DIFFMATTE_VITS, recipes=f"{TRAINING}.diffmatte:VIT_RECIPES"),
        "diffmatte-vitb": Variant(
            {**_DIFFMATTE_VITS, "dim": 768, "heads": 12},
            recipes=f"{TRAINING}.diffmatte:VIT_RECIPES",
        ),
        "diffmatte-res34": Variant(
            {"width": 64, "base": 32}, network=f"{MODELS}.diffmatte.network:DiffMatteRes34"
        ),
        "diffmatte-swint": Variant(
            {"width": 96, "head_width": 32, "depth3": 6, "base": 32},
            network=f"{MODELS}.diffmatte.network:DiffMatteSwin",
        ),
        "diffmatte-lightweight": Variant(
            {"ena": True, "k": 16, "base": 16},
            "the lightweight net's encoder in DiffMatte, and a decoder of half its width",
            network=f"{MODELS}.diffmatte.network:DiffMatteLightweight",
            multiple=64,
        ),
    },
)

FOREIGN = Net(
    name="foreign",
    paper="a net that came as an ONNX file from elsewhere",
    network="",
    cut="",
    hosts={
        "matte": f"{NETS}.foreign.host:MatteHost",
        "mask": f"{NETS}.foreign.host:MaskHost",
    },
    pipeline=f"{NETS}.foreign.pipeline:pipeline",
    steps=f"{NETS}.foreign.steps:STEPS",
    estimator=f"{NETS}.foreign.stage:estimator",
    imported=True,
    variants={"foreign": Variant({})},
)

BUILTIN = (LIGHTWEIGHT, REGIONAL, VITMATTE, HDMATT, DIFFMATTE)
IMPORTED = (FOREIGN,)
"""Nets of bundles that are imported: there is no network of theirs to export or to train."""
READ = (*BUILTIN, *IMPORTED)
"""All nets whose bundles are read."""
