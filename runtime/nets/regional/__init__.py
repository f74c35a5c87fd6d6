"""Host side of regional."""
