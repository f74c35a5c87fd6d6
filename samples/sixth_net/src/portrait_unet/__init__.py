"""A portrait matting net of your own: see README.md. Importing it imports no torch."""
