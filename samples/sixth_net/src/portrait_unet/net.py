"""What edgematte is told of the net: where its parts live. Nothing is imported to list it."""

from edgematte.net import Net, Variant

NET = Net(
    name="portrait-unet",
    paper="a sample of a net from outside: inverted residuals and a U-shaped decoder",
    # The torch side: training, export.
    network="portrait_unet.network:PortraitUNet",
    cut="portrait_unet.cut:CUT",
    recipes="portrait_unet.training:RECIPES",
    # The host side: NumPy and Pillow only.
    hosts={"fused": "portrait_unet.host:FusedHost"},
    pipeline="portrait_unet.pipeline:pipeline",
    steps="portrait_unet.steps:STEPS",
    options="portrait_unet.host:LoadOptions",
    sizes="portrait_unet.host:Sizes",
    multiple=32,
    variants={
        "portrait-unet": Variant({"width": 16, "expand": 4, "depth": 2}),
        "portrait-unet-tiny": Variant(
            {"width": 4, "expand": 2, "depth": 1}, paper="a narrow variant, to try the tool chain"
        ),
    },
    package="edgematte-portrait-unet",
)
