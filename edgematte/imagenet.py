"""The mean and the deviation of ImageNet's pictures, which pretrained networks are fed by."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Of red, green and blue in [0, 1]."""
IMAGENET_STD = (0.229, 0.224, 0.225)
