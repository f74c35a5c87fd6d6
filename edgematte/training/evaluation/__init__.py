"""Scoring checkpoints."""
