"""The host side of nets that came as ONNX files from elsewhere (`edgematte import`)."""
