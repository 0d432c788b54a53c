"""How many threads numerical libraries compute on while an analysis runs: those that were asked for, one unless told otherwise."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

_limited: ContextVar[bool] = ContextVar("limited", default=False)


def asked_for() -> int:
    """Threads that ``OMP_NUM_THREADS``, which ``--threads`` sets, asks for; 1 without it."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return max(int(first), 1) if first.isdecimal() else 1


@contextmanager
def limited_threads() -> Iterator[None]:
    """Compute on as many threads as were asked for, and afterwards on as many as before; a call inside another changes nothing.

    Threads that wait for each other all but stand still when other work takes a core.
    """
    if _limited.get():
        yield
        return
    # loads OpenMP and the BLAS of scipy: what is loaded later is not limited
    import scipy.linalg  # noqa: F401
    import sklearn.utils  # noqa: F401
    from threadpoolctl import threadpool_limits

    n = asked_for()
    token = _limited.set(True)
    try:
        with ExitStack() as stack:
            for name in ("torch", "numba"):
                # both count for themselves, and are not loaded where they are not used
                if (library := sys.modules.get(name)) is not None and hasattr(library, "set_num_threads"):
                    before = library.get_num_threads()
                    stack.callback(library.set_num_threads, before)
                    library.set_num_threads(min(n, before) if name == "numba" else n)
            stack.enter_context(threadpool_limits(n))
            yield
    finally:
        _limited.reset(token)
