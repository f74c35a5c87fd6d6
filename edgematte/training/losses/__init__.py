"""The losses of the papers as functions of plain tensors, a module for each net."""
