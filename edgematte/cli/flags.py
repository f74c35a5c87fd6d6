"""Options as the shell spells them, in the sentences of the library, which knows them by name."""

import argparse
import re

from edgematte.cli.declared import DEST

LEADING = re.compile(r"^\w+(?: and \w+)*")
NAME = re.compile(r"(?<![\w./\\-])[a-z]+(?:_[a-z]+)+(?![\w/\\-]|\.\w)")  # in no path
LISTED = re.compile(r"(; (?:it has|there are): )([\w, ]+)$")


def flags_of(parser: argparse.ArgumentParser) -> dict[str, str]:
    """The flag of every option of a command, by the option's name in Python."""
    flags = {}
    for action in parser._actions:
        if long := [flag for flag in action.option_strings if flag.startswith("--")]:
            flags[action.dest.removeprefix(DEST)] = long[0]
    return flags


def spelt(sentence: str, flags: dict[str, str]) -> str:
    """A sentence of the library with the flags of a command in it.

    The option that a sentence begins with is one, and so is a name that no English word is
    (``memory_mb``); in the midst of it ``steps`` may be steps. Where an option has no meaning the
    sentence ends in a list of those that have.
    """
    begun = LEADING.match(sentence)
    names = begun[0].split(" and ") if begun else []
    if begun and all(name in flags for name in names):
        rest = sentence[begun.end() :]
        if "has no meaning" in rest or "have no meaning" in rest:
            rest = LISTED.sub(lambda found: found[1] + _listed(found[2], flags), rest)
        sentence = " and ".join(flags[name] for name in names) + rest
    return NAME.sub(lambda word: flags.get(word[0], word[0]), sentence)


def _listed(names: str, flags: dict[str, str]) -> str:
    return ", ".join(flags.get(name, name) for name in names.split(", "))
