"""Running a study: rows that survive a kill, a result with its provenance, a page, a verdict.

A study measures one claim: ``python -m analyses.NAME [--quick] [--seeds ...] [-o DIR] [--redraw]``. Its ``__main__.py`` calls
``run_study(CLAIM, measure)``. What it writes lies in a folder of its own (`analyses.common.results`):

- ``result.json``, the result: rows as measured, a summary, provenance. It appears whole, by rename, when the study is done.
- ``result.FINGERPRINT.jsonl``, while it runs: its rows so far, each keyed by its settings. A study that was cut off and is started again
  measures only the rows that are missing; the fingerprint is of its config and of what is measured.
- ``WHAT.svg``, each a figure, and ``page.html``, one page with verdict, figures, tables and provenance.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analyses.common.claim import Claim, Result
from analyses.common.page import write_page
from analyses.common.provenance import command_of, fingerprint, machine, session, versions
from analyses.common.results import LEAST_SEEDS, RESULTS, load, place, plain, read_lines, replace, save
from memlens.errors import ConfigError, MemlensError


class Run:
    """One run of a study, as its ``measure`` sees it: ``args``, ``quick``, ``seeds``, ``begin``, ``row``, ``rows``."""

    def __init__(self, study: str, args: argparse.Namespace, seeds: Sequence[int]):
        self.study, self.args, self.quick, self.seeds = study, args, bool(args.quick), tuple(seeds)
        self.path = place(study, self.quick, args.out)
        self.partial = self.path
        #: Rows of this run, and those that a run that was cut off has left.
        self.rows: list[dict[str, Any]] = []
        self.left: list[dict[str, Any]] = []
        self.header: dict[str, Any] = {}
        self.sessions: list[dict[str, Any]] = []
        if self.path.is_relative_to(RESULTS) and len(set(self.seeds)) < LEAST_SEEDS:
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
        self.sessions = [line["session"] for line in lines if "session" in line] + [session(self.study)]
        self.left = [line for line in lines if "session" not in line]
        if self.left:
            self.say(f"{len(self.left)} rows are there from a run that was cut off")
        # written anew: a line that was torn by a kill is gone
        kept = [self.header, *({"session": each} for each in self.sessions), *self.left]
        replace(self.partial, "".join(f"{json.dumps(line, allow_nan=False)}\n" for line in kept))

    def row(self, measure: Callable[[], Mapping[str, Any]], **settings: Any) -> dict[str, Any]:
        """The row of these settings: as it was left, or ``measure()`` now.

        Parameters
        ----------
        measure
            Gives the values of the row, as JSON values.
        settings
            The key of the row; values are added to them.

        Raises
        ------
        RuntimeError
            Before ``begin``.
        """
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
        print(f"[{self.study} {datetime.now(UTC):%H:%M:%S}] {text}", flush=True)

    def result(self, summary: Mapping[str, Any]) -> Result:
        """The whole result, as the result file holds it."""
        provenance = {
            "command": command_of(self.study),
            "seeds": list(self.seeds),
            "measured": self.header["measured"],
            "versions": versions(),
            "machine": machine(),
            "started": self.sessions[0]["started"],
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "sessions": self.sessions,
        }
        return {
            "study": self.study,
            "quick": self.quick,
            "provenance": provenance,
            "config": self.header["config"],
            "summary": plain(summary),
            "rows": self.rows,
        }


def run_study(
    claim: Claim,
    measure: Callable[[Run], Mapping[str, Any]],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    quick_seeds: Sequence[int] = (0, 1, 2),
    options: Callable[[argparse.ArgumentParser], None] | None = None,
    argv: Sequence[str] | None = None,
) -> None:
    """What the command of a study does: parse, measure on one thread, write the result, draw it, say the verdict.

    Parameters
    ----------
    claim
        What is measured, by the name of its study.
    measure
        Calls ``run.begin(...)``, then ``run.row(...)`` for each row, and returns the summary (JSON values).
    seeds, quick_seeds
        Taken unless ``--seeds`` is given.
    options
        Adds the study's own options to the parser; they are in ``run.args``.
    argv
        Words of the command; None for those of this process.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m analyses.{claim.study}", description=f"{claim.title}. The claim: {claim.stated}"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, minutes; written to runs/studies")
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument(
        "-o", "--out", type=Path, help="where the study's folder of results goes (default: analyses/results)"
    )
    parser.add_argument("--redraw", action="store_true", help="measure nothing: figures and page from the result there")
    if options is not None:
        options(parser)
    args = parser.parse_args(argv)
    try:
        run = Run(claim.study, args, args.seeds or (quick_seeds if args.quick else seeds))
        if args.redraw:
            result = load(run.path)
        else:
            import torch

            torch.set_num_threads(1)
            result = run.result(measure(run))
            save(run.path, result)
            run.partial.unlink()
        write_page(result, claim, run.path)
    except MemlensError as error:
        sys.exit(f"{claim.study}: {error}")
    verdict = claim.verdict(result)
    run.say(f"verdict: {verdict.status}{' (a quick run, no evidence)' if run.quick else ''}")
    for sentence in verdict.sentences:
        run.say(sentence)
    run.say(f"written to {run.path.parent}")
