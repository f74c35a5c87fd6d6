"""The training recipe of a model, as its net declares it."""

from dataclasses import replace
from typing import Any

from edgematte.errors import OptionError
from edgematte.net import load_part
from edgematte.nets import find, usable_variants
from edgematte.training.recipe.schedule import Recipe


def recipe(model: str, part: str = "") -> Recipe[Any]:
    """The recipe of a model, or of a part of it that is trained separately.

    Raises:
        OptionError: there is no such recipe.
    """
    where = find(model).recipes
    if not where:
        able = ", ".join(name for name, variant in usable_variants().items() if variant.recipes)
        raise OptionError(f"there is no recipe to train {model!r} yet; what can be trained: {able}")
    recipes: dict[str, Recipe[Any]] = load_part(where)
    if part not in recipes:
        names = ", ".join(name for name in recipes if name)
        raise OptionError(
            f"part {part}: {model} has no such part to train alone{f': {names}' if names else ''}"
        )
    return replace(recipes[part], model=model)
