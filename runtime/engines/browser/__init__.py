"""ONNX Runtime Web in a headless Chromium: graphs run as they do on a page."""
