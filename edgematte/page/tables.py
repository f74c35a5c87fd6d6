"""Tables of a report, as HTML; words and figures are escaped."""

from collections.abc import Sequence
from html import escape


def head(words: Sequence[str], figures: Sequence[str], rest: Sequence[str] = ()) -> str:
    """The cells of a head: words, figures to the right, and words again."""
    cells = [f"<th>{escape(word)}</th>" for word in words]
    cells += [f'<th class="number">{escape(figure)}</th>' for figure in figures]
    return "".join([*cells, *(f"<th>{escape(word)}</th>" for word in rest)])


def row(words: Sequence[str], figures: Sequence[str], rest: str = "") -> str:
    """A row; ``rest`` is HTML."""
    cells = [f"<td>{escape(word)}</td>" for word in words]
    cells += [f'<td class="number">{escape(figure)}</td>' for figure in figures]
    return f"<tr>{''.join(cells)}{rest}</tr>"


def table(cells: str, rows: Sequence[str]) -> str:
    """A table of a head's cells and rows."""
    head, body = f"<thead><tr>{cells}</tr></thead>", f"<tbody>{''.join(rows)}</tbody>"
    return f'<div class="wide"><table>{head}{body}</table></div>'
