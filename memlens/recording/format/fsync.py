"""What is asked of the operating system: to keep what was written, and to take back memory."""

import ctypes
import os
from pathlib import Path

#: One call for all the files of a commit; on systems without it, everything that waits is written.
_system = ctypes.CDLL(None, use_errno=True)
_syncfs = getattr(_system, "syncfs", None)
_malloc_trim = getattr(_system, "malloc_trim", None)


def flush(folder: Path) -> None:
    """Wait until the file system that holds a folder has written all it was given; OSError when it cannot."""
    if _syncfs is None:
        os.sync()
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        if _syncfs(opened):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(opened)


def give_back() -> None:
    """Give freed memory back: many threads that allocate and free leave holes that add up over a long run."""
    if _malloc_trim is not None:
        _malloc_trim(0)
