"""What host steps are made of: patches, frames, trimaps, resizing, and their declarations."""
