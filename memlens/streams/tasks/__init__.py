"""Tasks: what a memory can be asked to do. Each is a seeded generator of scenes; splits share no keys."""

from memlens.errors import StreamError, closest
from memlens.streams.tasks.budget import BUDGET
from memlens.streams.tasks.cross import CROSS
from memlens.streams.tasks.digits import DIGITS
from memlens.streams.tasks.entity import ENTITY
from memlens.streams.tasks.language import LANGUAGE
from memlens.streams.tasks.mad import COMPRESS, NOISY_RECALL, SELECTIVE_COPY
from memlens.streams.tasks.motif import MOTIF
from memlens.streams.tasks.mqar import MQAR
from memlens.streams.tasks.needle import NEEDLE, SLOT_QA
from memlens.streams.tasks.rewrite import REWRITE
from memlens.streams.tasks.spoken import SPOKEN
from memlens.streams.tasks.task import Task

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        *(NEEDLE, SLOT_QA, REWRITE, BUDGET, ENTITY),
        *(CROSS, DIGITS, SPOKEN, MOTIF),
        *(MQAR, SELECTIVE_COPY, COMPRESS, NOISY_RECALL, LANGUAGE),
    )
}

__all__ = ["TASKS", "Task", "find_task"]


def find_task(name: str) -> Task:
    """Find a task by its name.

    Raises
    ------
    StreamError
        For an unknown name; the closest right ones are listed.
    """
    if not isinstance(name, str) or name not in TASKS:
        raise StreamError(f"no task '{name}'; {closest(str(name), TASKS)}")
    return TASKS[name]
