"""Clips: stages that overlap, and the stream of mattes."""
