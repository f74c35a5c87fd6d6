"""Plain vision transformers."""
