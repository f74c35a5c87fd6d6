"""Host side of vitmatte."""
