"""The networks as their papers draw them, in PyTorch; one file a model."""
