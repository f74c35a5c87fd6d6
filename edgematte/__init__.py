"""edgematte takes trained matting networks from PyTorch to the devices people hold."""

__version__ = "0.1.0"
