"""The load options that a net declares, read and validated."""

from typing import Any

from edgematte.errors import OptionError
from edgematte.net import Variant, load_part
from edgematte.options import read


def read_load_options(variant: Variant, given: dict[str, Any]) -> Any:
    """The given options as an instance of the net's dataclass; None for a net without options.

    Raises:
        OptionError: an option that the net does not have, or a value outside of its range.
    """
    given = {name: value for name, value in given.items() if value is not None}
    if not variant.net.options:
        if given:
            raise OptionError(
                f"{' and '.join(given)} {'has' if len(given) == 1 else 'have'} no meaning for "
                f"{variant.name}, which takes no options of its own; leave "
                f"{'it' if len(given) == 1 else 'them'} out"
            )
        return None
    return read(load_part(variant.net.options), given, variant.name)
