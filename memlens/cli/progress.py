"""Progress of a long command on stderr: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: What the layers call: done, total, what is being done.
Progress = Callable[[int, int, str], None]

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress() -> Iterator[Progress]:
    """Give a function that shows how far a command is."""
    if sys.stderr.isatty():
        with _bar() as show:
            yield show
    else:
        yield _lines()


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Bars(*columns, console=Console(stderr=True)) as bars:

        def show(done: int, total: int, what: str) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(escape(what), total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield show


def _lines() -> Progress:
    began: dict[str, float] = {}
    last: dict[str, float] = {}

    def show(done: int, total: int, what: str) -> None:
        now = time.monotonic()
        began.setdefault(what, now)
        if done < total and now - last.get(what, began[what]) < _SECONDS_BETWEEN_LINES:
            return
        last[what] = now
        print(f"{what}: {done:,} of {total:,} ({now - began[what]:.0f} s)", file=sys.stderr, flush=True)

    return show
