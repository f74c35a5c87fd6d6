"""What networks are shown: folders, scenes, crops, made pictures."""
