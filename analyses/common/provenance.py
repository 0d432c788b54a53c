"""Where a study's result comes from: command, commit, code, versions, machine. No host names, and no paths outside the checkout."""

import hashlib
import json
import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from analyses.common.results import ROOT
from memlens.provenance import file_sha256, git_commit

PACKAGES = ("torch", "numpy", "scipy", "matplotlib", "memlens")


def command_of(study: str, argv: Sequence[str] | None = None) -> str:
    """The command that runs a study, with paths inside the checkout relative to it and others cut to their name.

    Parameters
    ----------
    study
        Its name.
    argv
        The words behind it; None for those of this process.
    """
    words = sys.argv[1:] if argv is None else argv
    return " ".join([f"python -m analyses.{study}", *map(_short, words)])


def _short(word: str) -> str:
    option, equals, path = word.partition("=") if word.startswith("-") else ("", "", word)
    if not Path(path).is_absolute():
        return word
    inside = Path(path).is_relative_to(ROOT)
    return f"{option}{equals}{Path(path).relative_to(ROOT).as_posix() if inside else Path(path).name}"


def digest(paths: Sequence[Path]) -> str:
    """sha256 over names and contents of files, whatever order they come in."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(path.name.encode() + b"\0" + bytes.fromhex(file_sha256(path)))
    return total.hexdigest()


def fingerprint(value: Any) -> str:
    """sha256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def sources(study: str) -> list[Path]:
    """The code of a study: its own folder."""
    return list((ROOT / "analyses" / study).glob("*.py"))


def session(study: str) -> dict[str, Any]:
    """One start of a study: when, at which commit, on which code, how busy the machine was.

    A study may be cut off and taken up on other code, so each start says its own. ``source_sha256`` is of the package, of the study and
    of what studies share, also where these were not committed.
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": git_commit(),
        "source_sha256": digest([*(ROOT / "memlens").rglob("*.py"), *sources("common"), *sources(study)]),
        "load_average": [round(x, 2) for x in os.getloadavg()],
    }


def versions() -> dict[str, str]:
    """Of Python and of the packages that measure and draw."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def machine() -> dict[str, Any]:
    """What it ran on, and how busy that was at the end."""
    return {
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cpu_count": os.cpu_count(),
        "threads": 1,
        "load_average": [round(x, 2) for x in os.getloadavg()],
    }


def _processor() -> str:
    """The processor's name, or its architecture where the system does not tell."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
