"""ViTMatte."""
