"""A server of mattes: FastAPI in front, replicas of loaded bundles on Ray Serve behind.

The front (:mod:`edgematte.serve.app`) reads requests within stated limits and opens no picture;
replicas decode, matte and encode. Nothing here follows an address or a path that a client gives.
"""
