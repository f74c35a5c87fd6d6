"""Pictures to train on: folders, scenes, crops, and pictures made without files."""
