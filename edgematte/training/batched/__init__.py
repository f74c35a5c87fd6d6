"""Scenes composed in batches on the device that trains, from pictures that stay on it."""
