"""All nets: the built-in ones, those of installed packages, and plug-ins.

An installed package adds nets by the entry-point group ``edgematte.nets``: the name of an entry is
that of the net, its value the place of the descriptor (``package.net:NET``). A module that is not
installed is added by :func:`plug_in` (``--plugin MODULE`` on every command).
"""

import importlib
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from edgematte.builtin import BUILTIN, IMPORTED, READ
from edgematte.errors import OptionError, PluginError
from edgematte.net import Net, Variant

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "edgematte.nets"

_plugged: dict[str, Net] = {}  # added by `plug_in` in this process


def nets() -> dict[str, Net]:
    """All nets by name: built in, installed, plugged in.

    Raises:
        PluginError: a package cannot be imported, or two nets share a name.
    """
    by_name = {net.name: net for net in BUILTIN}
    for entry in _entries():
        _add(by_name, _load(entry), f"the package {_owner(entry)}")
    for net in _plugged.values():
        if by_name.get(net.name) != net:
            _add(by_name, net, "a plug-in")
    return by_name


def variants() -> dict[str, Variant]:
    """All variants of all nets by name.

    Raises:
        PluginError: as :func:`nets`.
    """
    return _variants(nets().values())


def usable() -> dict[str, Net]:
    """All nets that can be used, by name: the same but for packages that are broken.

    Such a package must not keep other nets from being used; `find` says what is wrong with it as
    soon as a model is asked for that may be its own.
    """
    found = {net.name: net for net in (*BUILTIN, *_plugged.values())}
    for entry in _entries():
        with suppress(PluginError):
            net = _load(entry)
            if found.get(net.name) != net:
                _add(found, net, f"the package {_owner(entry)}")
    return found


def usable_variants() -> dict[str, Variant]:
    """The variants of all nets that can be used, by name."""
    return _variants(usable().values())


def plugged(net: Net) -> bool:
    """Whether it was added by :func:`plug_in`, and not found."""
    return _plugged.get(net.name) == net


def _variants(nets: Iterable[Net]) -> dict[str, Variant]:
    return {name: net.variant(name) for net in nets for name in net.variants}


def find(name: str) -> Variant:
    """The variant of that name; for a built-in one installed packages are not looked at.

    Raises:
        OptionError: no such model; the message lists those there are.
        PluginError: a package that adds nets cannot be imported, or two nets share a name.
    """
    for net in (*READ, *_plugged.values()):
        if name in net.variants:
            return net.variant(name)
    listed = usable_variants()
    if name not in listed:
        listed = variants()  # or what is wrong with a package that may have it
        raise OptionError(f"unknown model {name!r}; there are: {', '.join(listed)}")
    return listed[name]


def plug_in(modules: Iterable[str]) -> None:
    """Add the ``NET`` or ``NETS`` of modules that are not installed as packages.

    Raises:
        PluginError: a module cannot be imported, has neither, or has a name that is taken.
    """
    for name in modules:
        for net in _nets_of(name):
            if _plugged.get(net.name) == net:
                continue
            taken = {n.name: n for n in (*BUILTIN, *_plugged.values())}
            _add(taken, net, f"the plug-in {name}")
            _plugged[net.name] = net


def _nets_of(module: str) -> tuple[Net, ...]:
    try:
        imported = importlib.import_module(module)
    except Exception as error:  # a foreign module may raise anything
        missing = isinstance(error, ModuleNotFoundError) and error.name
        why = "mend it, or install what it lacks"
        if missing and (module == missing or module.startswith(f"{missing}.")):
            why = "put the folder it lies in on PYTHONPATH, or install its package"
        raise PluginError(
            f"the plug-in {module} cannot be imported ({type(error).__name__}: {error}): {why}"
        ) from None
    given = getattr(imported, "NETS", (getattr(imported, "NET", None),))
    if not isinstance(given, list | tuple) or not all(isinstance(net, Net) for net in given):
        raise PluginError(
            f"the plug-in {module} should hold NET, an edgematte.net.Net, or NETS, several of them"
        )
    return tuple(given)


@cache
def _entries() -> "tuple[EntryPoint, ...]":
    from importlib import metadata  # it takes longer to import than all of this

    return tuple(metadata.entry_points(group=GROUP))


def _load(entry: "EntryPoint") -> Net:
    try:
        net = entry.load()
    except Exception as error:  # a foreign package may raise anything
        raise PluginError(
            f"the package {_owner(entry)} adds the net {entry.name}, but cannot be imported "
            f"({type(error).__name__}: {error}): mend or uninstall it"
        ) from None
    if not isinstance(net, Net):
        raise PluginError(
            f"the package {_owner(entry)}: {entry.value} should be an edgematte.net.Net, not "
            f"{type(net).__name__}"
        )
    return net


def _owner(entry: "EntryPoint") -> str:
    return entry.dist.name if entry.dist is not None else entry.value


def _add(found: dict[str, Net], net: Net, origin: str) -> None:
    taken = {n.name: n for n in IMPORTED} | found
    names = {name for other in taken.values() for name in other.variants}
    if net.name in taken or any(name in names for name in net.variants):
        name = net.name if net.name in taken else next(n for n in net.variants if n in names)
        raise PluginError(
            f"{origin} brings a net {name!r}, and there is one of that name already: rename it, or "
            "leave one of them out"
        )
    found[net.name] = net
