"""What `benchmarks/abuse.py` does to edgematte, a module for each kind of hardship."""
