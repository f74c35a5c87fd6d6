"""Host side of diffmatte."""
