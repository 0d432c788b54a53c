"""Worker processes. They are spawned: a process that uses a GPU, or has a recording open, must not be forked."""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from typing import Any


def pool(workers: int, begin: Callable[..., None], *args: Any) -> ProcessPoolExecutor:
    """Start processes. They leave an interrupt to this one, and end when it is gone.

    Parameters
    ----------
    workers : int
    begin : callable
        Called first in each process.
    *args
        Arguments of ``begin``.

    Returns
    -------
    ProcessPoolExecutor
    """
    return ProcessPoolExecutor(workers, get_context("spawn"), _start, (begin, args))


def kill(started: ProcessPoolExecutor) -> None:
    """End the processes of a pool in the middle of their work."""
    # what Python 3.14 has as kill_workers
    for process in list((started._processes or {}).values()):  # pyright: ignore[reportPrivateUsage]
        process.kill()


def _start(begin: Callable[..., None], args: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    begin(*args)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
