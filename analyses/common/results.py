"""Where results of studies lie, and how they are read and written.

A study has a folder of its own: ``result.json`` (rows, summary, settings, provenance), ``page.html``, a ``WHAT.svg`` for each figure, and
``result.FINGERPRINT.jsonl`` while it runs. Full runs go to analyses/results, which is kept in the repository; quick ones to runs/studies.
"""

import json
import os
from pathlib import Path
from typing import Any

from analyses.common.claim import Result
from memlens.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "analyses" / "results"
QUICK = ROOT / "runs" / "studies"
#: A result that is kept rests on at least so many seeds.
LEAST_SEEDS = 3


def place(study: str, quick: bool = False, out: Path | None = None) -> Path:
    """The result file of a study.

    Parameters
    ----------
    study
        Its name.
    quick
        Whether the run is a quick one.
    out
        Folder that holds a folder for each study; None for analyses/results, or runs/studies when quick.

    Raises
    ------
    ConfigError
        When a quick run would go to the folder of kept results, or in the place of a full one.
    """
    folder = (QUICK if quick else RESULTS) if out is None else out.resolve()
    path = folder / study / "result.json"
    if quick and folder == RESULTS:
        raise ConfigError("got --quick with -o analyses/results; that folder keeps full runs: give another one")
    if quick and path.exists() and not load(path)["quick"]:
        raise ConfigError(f"'{path}' is the result of a full run; a quick run does not replace it: give another -o DIR")
    return path


def load(path: Path) -> Result:
    """A result file; ConfigError where there is none."""
    if not path.exists():
        raise ConfigError(f"no result at '{path}'; run the study first")
    return json.loads(path.read_text(encoding="utf-8"))


def kept(study: str) -> Result | None:
    """The kept result of a study, if it has one."""
    path = place(study)
    return load(path) if path.exists() else None


def save(path: Path, result: Result) -> None:
    """Write a result file whole."""
    replace(path, json.dumps(result, indent=1, allow_nan=False) + "\n")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a partial file; its last one is left out where a kill has torn it."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = lines if not lines or lines[-1].endswith("\n") else lines[:-1]
    return [json.loads(line) for line in whole]


def replace(path: Path, text: str) -> None:
    """Write a file whole: beside it first, then in its place."""
    beside = path.with_name(path.name + ".tmp")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def plain(value: Any) -> Any:
    """What JSON gives back: tuples as lists, keys as text, numpy scalars as numbers."""
    return json.loads(json.dumps(value, allow_nan=False, default=lambda x: x.item()))
