"""Host side of lightweight."""
