"""Make sure that what was written outlasts a loss of power."""

import ctypes
import os
from pathlib import Path

#: One call for all the files of a commit; on systems without it, everything that waits is written.
_syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)


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
