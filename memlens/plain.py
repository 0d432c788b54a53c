"""Recorded text on its way out: to a terminal, where nothing of it may be obeyed, and to spreadsheets, where nothing may be computed."""

from typing import Any

#: Characters that make a spreadsheet take a cell for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def plain(text: object) -> str:
    """The text with every control, escape, bidirectional and other unprintable character written as an escape such as ``\\x1b``."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))


def plain_lines(text: object) -> str:
    """As `plain`, but with its line ends kept: for text that memlens itself wrote over several lines."""
    return "\n".join(map(plain, str(text).split("\n")))


def csv_cell(value: Any) -> Any:
    """A value as a CSV holds it: a text that a spreadsheet would take for a formula gets a quote before it; numbers stay numbers."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
