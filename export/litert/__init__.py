"""LiteRT files (``.tflite``) as trees of objects: reading, naming, rounding and linting them."""
