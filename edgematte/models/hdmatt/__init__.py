"""High-Resolution Deep Image Matting."""
