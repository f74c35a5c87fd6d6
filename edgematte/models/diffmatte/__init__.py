"""DiffMatte, with its five encoders."""
