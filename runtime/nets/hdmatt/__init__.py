"""Host side of hdmatt."""
