"""Training recipes: pictures, augmentation, losses and the loops that fit the networks."""
