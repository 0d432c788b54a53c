"""Where results come from: the commit of the code, the files that were read, the memory it took."""

import hashlib
import resource
import subprocess
from pathlib import Path


def git_commit() -> str:
    """Commit of the code, "" outside a checkout of it."""
    folder = Path(__file__).parent
    if not (folder.parent / ".git").exists():
        return ""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, cwd=folder)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file as it is now, hexadecimal; OSError when it cannot be read."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def peak_rss() -> int:
    """Largest resident memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
