"""The networks as their papers describe them, in PyTorch; a folder for each net."""
