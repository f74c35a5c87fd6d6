"""What lets a user trust a bundle: who signed it, and what is in it."""
