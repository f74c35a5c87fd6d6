"""The thin runtime: engines, host steps and pipelines, in NumPy and Pillow. Never imports torch."""
