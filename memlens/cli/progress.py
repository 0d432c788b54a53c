"""Progress of a long command on stderr: a bar, and a table of figures, on a terminal; a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from memlens.cli.say import say
from memlens.plain import plain

_SECONDS_BETWEEN_LINES = 10.0
#: Figures side by side in the table.
_ACROSS = 4


class Progress(Protocol):
    """What the layers call: done, total, what is being done ("task: detail"; a task is one bar), and figures that go with it."""

    def __call__(self, done: int, total: int, what: str, figures: Mapping[str, float] = ..., /) -> None: ...


@contextmanager
def progress() -> Iterator[Progress]:
    """Give a function that shows how far a command is."""
    if sys.stderr.isatty():
        with _panel() as show:
            yield show
    else:
        yield _lines()


@contextmanager
def _panel() -> Iterator[Progress]:
    from rich.console import Console, RenderableType
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    class Panel(Bars):
        """Bars, and the last figures under them."""

        figures: Mapping[str, float] = {}

        def get_renderables(self) -> Iterable[RenderableType]:
            yield self.make_tasks_table(self.tasks)
            if self.figures:
                yield _table(self.figures)

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Panel(*columns, console=Console(stderr=True)) as panel:

        def show(done: int, total: int, what: str, figures: Mapping[str, float] = {}, /) -> None:
            task = what.partition(":")[0]
            if task not in tasks:
                tasks[task] = panel.add_task(escape(plain(what)), total=total)
            panel.figures = figures or panel.figures
            panel.update(tasks[task], completed=done, total=total, description=escape(plain(what)))

        yield show


def _table(figures: Mapping[str, float]) -> Any:
    """Names and values, some across."""
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for _ in range(_ACROSS):
        table.add_column(style="dim")
        table.add_column(justify="right")
    cells = [cell for name, value in figures.items() for cell in (escape(plain(name)), f"{value:.4g}")]
    for start in range(0, len(cells), 2 * _ACROSS):
        table.add_row(*cells[start : start + 2 * _ACROSS])
    return table


def _lines() -> Progress:
    began: dict[str, float] = {}
    last: dict[str, float] = {}

    def show(done: int, total: int, what: str, figures: Mapping[str, float] = {}, /) -> None:
        now = time.monotonic()
        task = what.partition(":")[0]
        began.setdefault(task, now)
        if done < total and now - last.get(task, began[task]) < _SECONDS_BETWEEN_LINES:
            return
        last[task] = now
        say(f"{plain(what)}: {done:,} of {total:,} ({now - began[task]:.0f} s)", stderr=True, flush=True)

    return show
