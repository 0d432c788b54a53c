"""How the measured costs of analyses are judged and drawn."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.common.claim import Drawing, Result, Status, Table, Verdict
from analyses.common.words import words
from memlens.figures.style import ACTION_COLOUR, INK, NULL_COLOUR, label, sheet
from memlens.stats.bootstrap import nested_bootstrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Sheet

STATED = (
    "PCA, mini-batch clusters and a linear probe over a million vectors of width 128 take at most 1.2 times the bare scikit-learn call on "
    "an array in memory and less than 4 GiB; by Dask blocks the same functions give the same numbers within 0.01. All analyses of "
    "a recording of 100K tokens take at most 60 s on two cores, without UMAP."
)
MOST_RATIO, MOST_GIB, MOST_OFF, MOST_SECONDS = 1.2, 4.0, 0.01, 60.0
NAMES = {"pca": "PCA", "clusters": "mini-batch clusters", "probe": "linear probe"}
SCORES = {"pca": "variance kept", "clusters": "ARI with the groups", "probe": "held-out accuracy"}


def summarise(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Ratios, peaks and differences of each part, and what all analyses take, over seeds."""

    def of(part: str, value: Any) -> dict[str, float]:
        return nested_bootstrap([[value(row)] for row in rows if row["part"] == part], np.median)

    def over(part: str, arm: str, clock: str) -> dict[str, float]:
        return of(part, lambda row: row["arms"][arm][clock] / row["arms"]["bare"][clock])

    parts = {
        part: {
            "bare_cpu": of(part, lambda row: row["arms"]["bare"]["cpu"]),
            "ratio": {clock: over(part, "memlens", clock) for clock in ("cpu", "seconds")},
            "blocks_ratio": {clock: over(part, "blocks", clock) for clock in ("cpu", "seconds")},
            "gib": {
                arm: max(row["arms"][arm]["gib"] for row in rows if row["part"] == part) for arm in ("bare", "memlens", "blocks")
            },
            "score": {
                arm: of(part, lambda row, a=arm: row["arms"][a]["score"]) for arm in ("bare", "memlens", "blocks")
            },
            "off": max(
                abs(row["arms"]["blocks"]["score"] - row["arms"]["memlens"]["score"]) for row in rows if row["part"] == part
            ),
        }
        for part in NAMES
    }  # fmt: skip
    return {"parts": parts, "whole": next(row for row in rows if row["part"] == "whole")}


def goals(summary: Mapping[str, Any]) -> dict[str, tuple[str, bool]]:
    """Every goal with what was measured, and whether it is reached."""
    found: dict[str, tuple[str, bool]] = {}
    for part, name in NAMES.items():
        own = summary["parts"][part]
        ratio, peak = own["ratio"]["cpu"], own["gib"]["memlens"]
        found[f"{name} at most x{MOST_RATIO} of scikit-learn"] = (words(ratio, "x{:.2f}"), ratio["value"] <= MOST_RATIO)
        found[f"{name} in less than {MOST_GIB:.0f} GiB"] = (f"{peak:.2f} GiB", peak < MOST_GIB)
        found[f"{name} by blocks the same within {MOST_OFF}"] = (f"{own['off']:.4f}", own["off"] <= MOST_OFF)
    seconds = summary["whole"]["seconds"]
    found[f"all analyses within {MOST_SECONDS:.0f} s"] = (f"{seconds:.0f} s", seconds <= MOST_SECONDS)
    return found


def verdict(result: Result) -> Verdict:
    """Holds: all goals are reached. Under conditions: numbers by blocks are the same, and some goals are missed."""
    summary, config = result["summary"], result["config"]
    found = goals(summary)
    missed = [name for name, (_, reached) in found.items() if not reached]
    same = all(summary["parts"][part]["off"] <= MOST_OFF for part in NAMES)
    status: Status = "holds" if not missed else "holds under conditions" if same else "does not hold"
    whole = summary["whole"]
    return Verdict(
        status,
        (
            f"{len(found) - len(missed)} of {len(found)} goals are reached. Missed: {'; '.join(missed) or 'none'}.",
            f"{config['n_row']:,} vectors, on one thread; ratios are of processor time, arm after arm in processes of their own.",
            f"All {whole['analyses']} analyses of {config['n_token']:,} tokens, with figures and pages, by {config['workers']} processes, "
            f"once: {whole['seconds']:.0f} s of wall time and {whole['cpu']:.0f} s of processor time, under a load of {whole['load']:g} "
            f"on {result['provenance']['machine']['cpu_count']} cores, other work included. The slowest: {_slowest(whole)}. "
            f"Refused, for what the recording cannot support: {', '.join(whole['refused']) or 'none'}.",
        ),
        (
            Table(("goal", "measured", "reached"), tuple((name, value, "yes" if ok else "no") for name, (value, ok) in found.items())),
            Table(
                ("part", "scikit-learn, s", "memlens", "by blocks", "peak GiB: scikit-learn, memlens, blocks", "what came out, of each"),
                tuple(_row(part, summary["parts"][part]) for part in NAMES),
            ),
        ),
    )  # fmt: skip


def _slowest(whole: Mapping[str, Any], n: int = 5) -> str:
    ranked = sorted(whole["each"].items(), key=lambda item: -item[1])[:n]
    return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in ranked)


def _row(part: str, own: Mapping[str, Any]) -> tuple[str, ...]:
    scores = ", ".join(f"{own['score'][arm]['value']:.4f}" for arm in ("bare", "memlens", "blocks"))
    return (
        NAMES[part],
        words(own["bare_cpu"], "{:.1f}"),
        words(own["ratio"]["cpu"], "x{:.2f}"),
        words(own["blocks_ratio"]["cpu"], "x{:.2f}"),
        ", ".join(f"{own['gib'][arm]:.2f}" for arm in ("bare", "memlens", "blocks")),
        f"{SCORES[part]} {scores}",
    )


def draw_cost(result: Result) -> "Sheet":
    """Ratios to scikit-learn, and peak memory, of each part."""
    parts = result["summary"]["parts"]
    page, (left, right) = sheet(columns=2, width=10, height=3.4)
    for shift, key, name, colour, marker in (
        (-0.12, "ratio", "in memory", ACTION_COLOUR["STORE"], "o"), (0.12, "blocks_ratio", "by blocks", INK, "s"),
    ):  # fmt: skip
        values = [parts[part][key]["cpu"] for part in NAMES]
        x = [v["value"] for v in values]
        reach = [[v["value"] - v["low"] for v in values], [v["high"] - v["value"] for v in values]]
        left.errorbar(
            x, [i + shift for i in range(len(x))], xerr=reach, fmt=marker, color=colour, capsize=2, label=name
        )
    left.axvline(MOST_RATIO, color=NULL_COLOUR, linestyle="--")
    left.set_yticks(range(len(NAMES)), list(NAMES.values()))
    label(left, "time (dashed: goal, in memory)", "times scikit-learn", "")
    left.legend(frameon=False, fontsize=8)
    for at, arm in enumerate(("bare", "memlens", "blocks")):
        peaks = [parts[part]["gib"][arm] for part in NAMES]
        colour = (NULL_COLOUR, ACTION_COLOUR["STORE"], INK)[at]
        name = ("scikit-learn", "in memory", "by blocks")[at]
        right.barh([i + 0.25 * (at - 1) for i in range(len(peaks))], peaks, 0.22, color=colour, label=name)
    right.axvline(MOST_GIB, color=NULL_COLOUR, linestyle="--")
    right.set_yticks(range(len(NAMES)), list(NAMES.values()))
    label(right, "peak memory (dashed: goal)", "GiB", "")
    right.legend(frameon=False, fontsize=8)
    return page


def cost_caption(result: Result) -> str:
    """What the figure claims."""
    parts = result["summary"]["parts"]
    ratios = ", ".join(f"{NAMES[part]} {words(parts[part]['ratio']['cpu'], 'x{:.2f}')}" for part in NAMES)
    return f"Over {result['config']['n_row']:,} vectors memlens takes, of scikit-learn's time: {ratios} (bars: 95 % intervals over seeds)"


DRAWINGS = (Drawing("arms", draw_cost, cost_caption),)
