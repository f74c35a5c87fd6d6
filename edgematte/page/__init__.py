"""A report that a person reads: one HTML page without anything outside of it."""
