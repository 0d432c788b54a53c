"""Tables on stdout: aligned columns of plain text, which a pipe can read too."""

import shutil
import textwrap
from collections.abc import Sequence

from memlens.cli.say import say
from memlens.plain import plain

#: Columns that text is wrapped at, however wide the terminal is.
MAX_WIDTH = 110


def show(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; numbers are right-aligned, control characters are shown, not sent.

    Parameters
    ----------
    head : list of str
        Names of the columns.
    rows : list of tuples
        Values, one for each column.
    """
    head = [plain(name) for name in head]
    cells = [[_cell(value) for value in row] for row in rows]
    right = [bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(head))]
    width = [max(len(line[i]) for line in [head, *cells]) for i in range(len(head))]
    for line in [head, ["-" * w for w in width], *cells]:
        parts = [text.rjust(w) if r else text.ljust(w) for text, w, r in zip(line, width, right, strict=True)]
        say("  ".join(parts).rstrip())


def pairs(rows: dict[str, object], *, indent: int = 0) -> None:
    """Print names and values in two columns.

    Parameters
    ----------
    rows : dict
        Name -> value.
    indent : int
        Characters before each line.
    """
    named = {plain(name): value for name, value in rows.items()}
    width = max(map(len, named), default=0)
    for name, value in named.items():
        say(f"{' ' * indent}{name.ljust(width)}  {_cell(value)}")


def wrapped(rows: dict[str, str]) -> None:
    """Print labels and texts in two columns; a text that is wider than the terminal goes on in its own column."""
    label = max(map(len, rows), default=0)
    across = min(MAX_WIDTH, shutil.get_terminal_size().columns)
    for name, text in rows.items():
        lines = textwrap.wrap(plain(text), max(20, across - label - 2), break_on_hyphens=False) or [""]
        for first, line in zip([name, *[""] * len(lines)], lines, strict=False):
            say(f"{first.ljust(label)}  {line}")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if value != value else f"{value:.3f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return plain(str(value))
