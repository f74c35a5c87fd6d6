"""Lightweight Portrait Matting via Regional Attention and Refinement."""
