"""Stages for nets that learn on crops around unknown pixels; *chosen* for one small machine."""

from edgematte.training.recipe.schedule import Stage

CROP_STAGES = (
    Stage(0.50, 256, 256, 8),
    Stage(0.85, 512, 512, 4),
    Stage(1.00, 512, 512, 4, keep_norms=True),
)
TUNE_CROP_STAGES = (Stage(1.0, 512, 512, 4, keep_norms=True),)
