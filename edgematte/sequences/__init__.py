"""Image sequences: numbered pictures that are the frames of a shot, and what lies beside them."""
