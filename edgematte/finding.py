"""Findings of the lint of an export: what a device may compute otherwise than this machine did."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing about a bundle's files, for people who put them on other devices.

    `rule` names its kind, `where` the graph and the places in it, `what` what was found there,
    `why` what it may lead to, `change` what to do about it, `source` where the fault is known from.
    """

    rule: str
    where: str
    what: str
    why: str
    change: str
    source: str = ""

    def __str__(self) -> str:
        """One line for a person."""
        known = f" ({self.source})" if self.source else ""
        return f"{self.where}: {self.what}; {self.why}{known}; {self.change}"


NOTHING = "nothing that is known to go wrong on other devices"
UNKNOWN = "not looked for: exported before there was a lint"


def lines(findings: Iterable[Finding] | None) -> list[str]:
    """A line a finding; that there is none, or that none was looked for, is said too."""
    if findings is None:
        return [UNKNOWN]
    return [str(finding) for finding in findings] or [NOTHING]
