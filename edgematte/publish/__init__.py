"""Bundles on the Hugging Face hub: the layout of a repository, its card, and the upload."""
