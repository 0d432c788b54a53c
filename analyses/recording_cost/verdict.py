"""How the measured costs of recording are judged and drawn."""

import statistics
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
    "Points that nobody listens to cost at most 1 % of a segment's step. Recording all segment-level points, durably, costs at most 5 % "
    "at 20 ms a segment and 1 % at 80 ms, and no more than copies kept in memory by plain hooks, by run_with_hooks or by nnsight. Memory "
    "grows by less than 2 % from 10K to 1M tokens, the writer takes at least 0.3 of what plain fsynced files take, a recording opens "
    "within 50 ms, a slot's trajectory over 200 segments is read within 20 ms and a segment within 10, and a sweep of 64 forced actions "
    "at 100K tokens costs at most 10 passes."
)
BY_HAND, IDLE, RECORD = "by hand", "idle points", "memlens.record"
#: Most that an arm may cost over the loop by hand, as a share of it.
MOST_IDLE = 0.01
MOST_RECORD = {"20 ms": 0.05, "80 ms": 0.01}
MOST_GROWTH, LEAST_DURABLE, MOST_PASSES = 1.02, 0.3, 10.0
MOST_MS = {"open_ms": 50.0, "trajectory_ms": 20.0, "segment_ms": 10.0}


def summarise(rows: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> dict[str, Any]:
    """Overhead of every arm at every size, the peers beside it, and the other figures over seeds."""
    costs = [row for row in rows if row["part"] == "cost"]

    def of(part: str, key: str) -> dict[str, float]:
        return nested_bootstrap([[row[key]] for row in rows if row["part"] == part], np.median)

    return {
        "same": all(all(row["same"].values()) for row in costs),
        "cost": {
            name: {
                "by_hand_ms": statistics.median(row["milliseconds"][BY_HAND] for row in costs if row["model"] == name),
                "parameters": next(row["parameters"] for row in costs if row["model"] == name),
                "points": next(row["points"] for row in costs if row["model"] == name),
                "over": {
                    arm: {clock: overhead([r for r in costs if r["model"] == name], arm, clock) for clock in ("seconds", "cpu")}
                    for arm in costs[0]["spent"]
                },
            }
            for name in config["models"]
        },
        "growth": of("memory", "ratio"),
        "durable": of("durable", "ratio"),
        **{key: of("open", key) for key in MOST_MS},
        "passes": of("sweep", "passes"),
    }  # fmt: skip


def overhead(rows: Sequence[Mapping[str, Any]], arm: str, clock: str) -> dict[str, float]:
    """Median over turns of an arm's time over that of the loop by hand, less 1."""
    return nested_bootstrap(
        [[turn["arm"][clock] / turn["hand"][clock] - 1 for turn in row["spent"][arm]] for row in rows], np.median
    )


def goals(summary: Mapping[str, Any]) -> dict[str, tuple[str, bool]]:
    """Every goal with what was measured, and whether it is reached."""
    found: dict[str, tuple[str, bool]] = {
        "states as in the loop by hand, bit by bit": (_yes(summary["same"]), summary["same"])
    }
    for name, cost in summary["cost"].items():
        over = {arm: by["seconds"] for arm, by in cost["over"].items()}
        found[f"idle points at most {MOST_IDLE:.0%}, {name}"] = _most(over[IDLE], MOST_IDLE)
        found[f"recording at most {MOST_RECORD[name]:.0%}, {name}"] = _most(over[RECORD], MOST_RECORD[name])
        peers = {arm: value for arm, value in over.items() if arm not in (IDLE, RECORD)}
        cheapest = min(peers, key=lambda arm: peers[arm]["value"])
        found[f"recording no more than the cheapest peer, {cheapest}, {name}"] = _most(
            over[RECORD], peers[cheapest]["value"]
        )
    found[f"memory grows at most x{MOST_GROWTH}"] = (
        words(summary["growth"], "x{:.3f}"),
        summary["growth"]["value"] <= MOST_GROWTH,
    )
    durable = summary["durable"]
    found[f"writer at least {LEAST_DURABLE} of plain fsynced files"] = (
        words(durable, "{:.2f}"),
        durable["value"] >= LEAST_DURABLE,
    )
    names = {"open_ms": "open", "trajectory_ms": "a slot over 200 segments", "segment_ms": "a segment"}
    for key, most in MOST_MS.items():
        found[f"{names[key]} within {most:.0f} ms"] = (words(summary[key], "{:.1f}"), summary[key]["value"] <= most)
    found[f"64 forced actions at most {MOST_PASSES:.0f} passes"] = (
        words(summary["passes"], "{:.1f}"), summary["passes"]["value"] <= MOST_PASSES,
    )  # fmt: skip
    return found


def _most(value: Mapping[str, float], most: float) -> tuple[str, bool]:
    return words(value, "{:+.2%}"), value["value"] <= most


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def verdict(result: Result) -> Verdict:
    """Holds: all goals are reached. Under conditions: states are the same, and some goals are missed."""
    summary, config = result["summary"], result["config"]
    found = goals(summary)
    missed = [name for name, (_, reached) in found.items() if not reached]
    status: Status = "holds" if not missed else "holds under conditions" if summary["same"] else "does not hold"
    sizes = ", ".join(f"{c['by_hand_ms']:.1f} ms ({c['parameters']:,} parameters)" for c in summary["cost"].values())
    n_seed = len(result["provenance"]["seeds"])
    runs = " and ".join(map(str, config["n_segment"].values()))
    peers = "" if config["nnsight"] else " nnsight was not there and is not among the peers."
    return Verdict(
        status,
        (
            f"{len(found) - len(missed)} of {len(found)} goals are reached. Missed: {'; '.join(missed) or 'none'}.",
            f"Models of random weights take {sizes} a segment by hand, on one thread of torch. Arms in memory took turns at "
            f"{config['n_turn'] * n_seed} segments; the recorder ran {config['rounds'] * n_seed} times over {runs} segments, each time "
            f"after or before the loop by hand. Its writer has a thread of its own, whose work is in the processor time.{peers}",
            "Peers keep copies in memory: they write nothing, and keep no tables of decisions, entries and questions.",
        ),
        (
            Table(("goal", "measured", "reached"), tuple((name, value, _yes(ok)) for name, (value, ok) in found.items())),
            Table(
                ("arm, over the loop by hand", *(f"{name}, {c}" for name in summary["cost"] for c in ("wall time", "processor time"))),
                tuple(
                    (arm, *(words(summary["cost"][name]["over"][arm][clock], "{:+.2%}")
                            for name in summary["cost"] for clock in ("seconds", "cpu")))
                    for arm in next(iter(summary["cost"].values()))["over"]
                ),
            ),
        ),
    )  # fmt: skip


def draw_cost(result: Result) -> "Sheet":
    """Overhead of each arm, wall and processor time, a panel a size."""
    costs = result["summary"]["cost"]
    page, panels = sheet(columns=len(costs), width=10, height=3.8)
    for axes, (name, cost) in zip(panels, costs.items(), strict=True):
        arms = list(cost["over"])
        for shift, clock, marker, colour in ((-0.12, "seconds", "o", ACTION_COLOUR["STORE"]), (0.12, "cpu", "s", INK)):
            values = [cost["over"][arm][clock] for arm in arms]
            x = [100 * v["value"] for v in values]
            reach = [[100 * (v["value"] - v["low"]) for v in values], [100 * (v["high"] - v["value"]) for v in values]]
            y = [i + shift for i in range(len(arms))]
            axes.errorbar(
                x,
                y,
                xerr=reach,
                fmt=marker,
                color=colour,
                capsize=2,
                label={"cpu": "processor", "seconds": "wall"}[clock],
            )
        axes.axvline(100 * MOST_RECORD[name], color=NULL_COLOUR, linestyle="--")
        axes.set_yticks(range(len(arms)), arms)
        label(axes, f"{name}: {cost['by_hand_ms']:.0f} ms a segment (dashed: goal)", "% over the loop by hand", "")
    panels[0].legend(frameon=False, fontsize=8)
    return page


def cost_caption(result: Result) -> str:
    """What the figure claims."""
    costs = result["summary"]["cost"]
    parts = (f"{words(c['over'][RECORD]['seconds'], '{:+.1%}')} at {c['by_hand_ms']:.0f} ms" for c in costs.values())
    return f"Recording every segment-level point costs {' and '.join(parts)} a segment"


DRAWINGS = (Drawing("arms", draw_cost, cost_caption),)
