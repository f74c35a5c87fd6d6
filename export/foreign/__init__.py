"""Importing ONNX files of nets from elsewhere as bundles: no torch, the file is the reference.

Nothing in a file is executed but its graph, on ONNX Runtime's own operators.
"""
