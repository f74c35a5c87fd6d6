"""The parts of training recipes."""
