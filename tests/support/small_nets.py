"""The regional net as small as its parts allow, for exports that take seconds."""

SMALL = {
    "width": 8,
    "head_width": 8,
    "depth3": 2,
    "depth4": 1,
    "decoder": 8,
    "region": 8,
    "token": 16,
    "heads": 2,
}
