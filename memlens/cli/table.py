"""Tables on stdout: aligned columns of plain text, which a pipe can read too."""

from collections.abc import Sequence


def show(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under a head; numbers are right-aligned, control characters are shown, not sent."""
    cells = [[_cell(value) for value in row] for row in rows]
    right = [bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(head))]
    width = [max(len(line[i]) for line in [list(head), *cells]) for i in range(len(head))]
    for line in [list(head), ["-" * w for w in width], *cells]:
        parts = [text.rjust(w) if r else text.ljust(w) for text, w, r in zip(line, width, right, strict=True)]
        print("  ".join(parts).rstrip())


def pairs(rows: dict[str, object]) -> None:
    """Print names and values in two columns."""
    width = max(map(len, rows), default=0)
    for name, value in rows.items():
        print(f"{name.ljust(width)}  {_cell(value)}")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if value != value else f"{value:.3f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))
