"""The losses of the papers, one file a model, as functions of plain tensors."""
