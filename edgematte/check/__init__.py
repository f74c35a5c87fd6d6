"""The accuracy check: recorded tensors, one table of tolerances, engines, and the comparison."""
