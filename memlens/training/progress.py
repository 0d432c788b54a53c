"""How long work reports how far it is."""

from collections.abc import Callable, Mapping
from typing import Protocol

#: Called with what is done, what is to be done in all, and what is being done ("task: detail").
Progress = Callable[[int, int, str], None]


class TrainingProgress(Protocol):
    """As ``Progress``; also called with metrics of the last step when there are new ones."""

    def __call__(self, done: int, total: int, what: str, metrics: Mapping[str, float] = ..., /) -> None: ...
