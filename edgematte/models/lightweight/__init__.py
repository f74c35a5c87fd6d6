"""Highly Efficient Natural Image Matting: SN, MRN, octave convolutions."""
