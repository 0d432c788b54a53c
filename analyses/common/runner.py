"""What all studies share. A study measures one claim: ``python -m analyses.NAME [--quick] [--seeds ...] [-o DIR] [--redraw]``.

A study's file holds ``CLAIM = Claim(...)`` and ``measure(run)``, and ends with ``run_study(__file__, CLAIM, measure)``. What it writes:

- ``NAME.json``, the result: rows as measured, a summary, provenance. It appears whole, by rename, when the study is done. A full run
  goes to analyses/results, which is kept in the repository; a quick one to runs/studies as ``NAME-quick.json``, never over a kept result.
- ``NAME.FINGERPRINT.jsonl``, while it runs: its rows so far, each keyed by its settings. A study that was cut off and is started again
  measures only the rows that are missing; the fingerprint is of its config and of what is measured.
- ``NAME-WHAT.svg``, each a figure, and ``NAME.html``, one page with verdict, figures, tables and provenance.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from analyses.common.provenance import command_of, fingerprint, machine, session, versions
from memlens.errors import ConfigError, MemlensError

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Sheet

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "analyses" / "results"
QUICK = ROOT / "runs" / "studies"
#: A result that is kept rests on at least so many seeds.
LEAST_SEEDS = 3

Result = dict[str, Any]
Status = Literal["holds", "holds under conditions", "does not hold", "not measured yet"]


@dataclass(frozen=True)
class Table:
    """Cells as text, the columns' names above."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Verdict:
    """What a result says about a claim: a status, sentences with their figures, and tables."""

    status: Status
    sentences: tuple[str, ...]
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Drawing:
    """A figure of a result: NAME-``what``.svg, drawn by matplotlib, with a caption that claims one thing."""

    what: str
    draw: "Callable[[Result], Sheet]"
    caption: Callable[[Result], str]


@dataclass(frozen=True)
class Claim:
    """A claim as it was stated, its place on the claims page, and how a result is judged and drawn.

    ``verdict`` computes from the result alone; its thresholds stand in the study's file.
    """

    number: int
    title: str
    stated: str
    verdict: Callable[[Result], Verdict]
    drawings: tuple[Drawing, ...] = ()


class Run:
    """One run of a study, as its ``measure`` sees it: ``args``, ``quick``, ``seeds``, ``begin``, ``row``, ``rows``."""

    def __init__(self, script: Path, args: argparse.Namespace, seeds: Sequence[int]):
        self.args, self.quick, self.seeds = args, bool(args.quick), tuple(seeds)
        self.script = script
        self.path = place(script.stem, self.quick, args.out)
        self.partial = self.path
        #: Rows of this run, and those that a run that was cut off has left.
        self.rows: list[dict[str, Any]] = []
        self.left: list[dict[str, Any]] = []
        self.header: dict[str, Any] = {}
        self.sessions: list[dict[str, Any]] = []
        if self.path.parent == RESULTS and len(set(self.seeds)) < LEAST_SEEDS:
            raise ConfigError(
                f"got {len(set(self.seeds))} seeds; a result that is kept needs {LEAST_SEEDS} or more: give them, or -o DIR"
            )

    def begin(self, config: Mapping[str, Any], measured: Mapping[str, str]) -> None:
        """Say what is measured, before the first row; take up the rows of a run that was cut off, if it measured the same.

        Parameters
        ----------
        config
            All settings that the rows depend on, as JSON values.
        measured
            Fingerprints of what is measured: name -> sha256 (of a model's weights, say).
        """
        self.header = plain({"config": config, "measured": measured, "quick": self.quick})
        # rows of other settings, or of another model, have a file of their own: nothing is mixed, nothing thrown away
        self.partial = self.path.with_suffix(f".{fingerprint(self.header)[:8]}.jsonl")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = read_lines(self.partial)[1:]
        self.sessions = [line["session"] for line in lines if "session" in line] + [session(self.script)]
        self.left = [line for line in lines if "session" not in line]
        if self.left:
            self.say(f"{len(self.left)} rows are there from a run that was cut off")
        # written anew: a line that was torn by a kill is gone
        kept = [self.header, *({"session": each} for each in self.sessions), *self.left]
        replace(self.partial, "".join(f"{json.dumps(line, allow_nan=False)}\n" for line in kept))

    def row(self, measure: Callable[[], Mapping[str, Any]], **settings: Any) -> dict[str, Any]:
        """The row of these settings: as it was left, or ``measure()`` now. The key is the settings; values are added to them."""
        if not self.header:
            raise RuntimeError("call begin() before the first row()")
        wanted = plain(settings)
        line = next((line for line in self.left if line["settings"] == wanted), None)
        if line is None:
            line = {"settings": wanted, "values": plain(dict(measure()))}
            with self.partial.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, allow_nan=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
        row = line["settings"] | line["values"]
        self.rows.append(row)
        return row

    def say(self, text: str) -> None:
        """A progress line."""
        print(f"[{self.script.stem} {datetime.now(UTC):%H:%M:%S}] {text}", flush=True)

    def result(self, summary: Mapping[str, Any]) -> Result:
        """The whole result, as the result file holds it."""
        provenance = {
            "command": command_of(self.script),
            "seeds": list(self.seeds),
            "measured": self.header["measured"],
            "versions": versions(),
            "machine": machine(),
            "started": self.sessions[0]["started"],
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "sessions": self.sessions,
        }
        return {
            "study": self.script.stem,
            "quick": self.quick,
            "provenance": provenance,
            "config": self.header["config"],
            "summary": plain(summary),
            "rows": self.rows,
        }


def run_study(
    script: str,
    claim: Claim,
    measure: Callable[[Run], Mapping[str, Any]],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    quick_seeds: Sequence[int] = (0, 1, 2),
    options: Callable[[argparse.ArgumentParser], None] | None = None,
    argv: Sequence[str] | None = None,
) -> None:
    """What a study's script does: parse, measure on one thread, write the result, draw it, say the verdict.

    Parameters
    ----------
    script
        The study's ``__file__``.
    measure
        Calls ``run.begin(...)``, then ``run.row(...)`` for each row, and returns the summary (JSON values).
    seeds, quick_seeds
        Taken unless ``--seeds`` is given.
    options
        Adds the study's own options to the parser; they are in ``run.args``.
    """
    parser = argparse.ArgumentParser(description=f"{claim.title}. The claim: {claim.stated}")
    parser.add_argument("--quick", action="store_true", help="small sizes, minutes; written to runs/studies")
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("-o", "--out", type=Path, help="folder of the result (default: analyses/results)")
    parser.add_argument("--redraw", action="store_true", help="measure nothing: figures and page from the result there")
    if options is not None:
        options(parser)
    args = parser.parse_args(argv)
    path = Path(script).resolve()
    try:
        run = Run(path, args, args.seeds or (quick_seeds if args.quick else seeds))
        if args.redraw:
            result = load(run.path)
        else:
            import torch

            torch.set_num_threads(1)
            result = run.result(measure(run))
            replace(run.path, json.dumps(result, indent=1, allow_nan=False) + "\n")
            run.partial.unlink()
        from analyses.common.page import write_page

        write_page(result, claim, run.path)
    except MemlensError as error:
        sys.exit(f"{path.stem}: {error}")
    verdict = claim.verdict(result)
    run.say(f"verdict: {verdict.status}{' (a quick run, no evidence)' if run.quick else ''}")
    for sentence in verdict.sentences:
        run.say(sentence)
    run.say(f"written to {run.path.parent}")


def place(name: str, quick: bool, out: Path | None) -> Path:
    """Where a result goes. A quick run has another name, and is refused the folder of kept results."""
    folder = (QUICK if quick else RESULTS) if out is None else out.resolve()
    if quick and folder == RESULTS:
        raise ConfigError("got --quick with -o analyses/results; that folder keeps full runs: give another one")
    return folder / f"{name}{'-quick' if quick else ''}.json"


def load(path: Path) -> Result:
    """A result file."""
    if not path.exists():
        raise ConfigError(f"no result at '{path}'; run the study first")
    return json.loads(path.read_text(encoding="utf-8"))


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
