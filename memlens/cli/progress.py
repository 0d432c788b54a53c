"""Progress of a long command on stderr: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: What the layers call: done, total, what is being done ("task: detail"; a task is one bar).
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
            task = what.partition(":")[0]
            if task not in tasks:
                tasks[task] = bars.add_task(escape(what), total=total)
            bars.update(tasks[task], completed=done, total=total, description=escape(what))

        yield show


def _lines() -> Progress:
    began: dict[str, float] = {}
    last: dict[str, float] = {}

    def show(done: int, total: int, what: str) -> None:
        now = time.monotonic()
        task = what.partition(":")[0]
        began.setdefault(task, now)
        if done < total and now - last.get(task, began[task]) < _SECONDS_BETWEEN_LINES:
            return
        last[task] = now
        print(f"{what}: {done:,} of {total:,} ({now - began[task]:.0f} s)", file=sys.stderr, flush=True)

    return show
