"""Clips, with PyAV: reading, geometry, colour, times, sound and writing."""
