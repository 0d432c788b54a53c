"""Steadiness of training at equal size: seeds that converge, the spread between them, and loss spikes.

    python analyses/steadiness.py [--quick] [--seeds 0 1 2 3 4 5 6 7 8 9] [-o DIR]

Each architecture (small.py) is trained on configs/mqar.toml from every seed, the loss noted at every update, and asked on test streams.

Converged
    Final accuracy of at least ``CONVERGED``.
Spread
    Standard deviation of the final accuracy over seeds.
Spike
    With m_t the median of the ``WINDOW`` losses before update t, and s_t = 1.4826 median |loss - m_t| their robust standard deviation,
    update t is in a spike when t is past the warm-up and

        loss_t > m_t + max(5 s_t, FLOOR).

    Only losses of the same stage of the curriculum count, ``LEAST`` of them or none: a new stage is harder, and no spike. ``FLOOR``, in
    nats, keeps one wrong answer in a batch from being a spike once hardly any is wrong. Updates in a row are one spike.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import small
from study import Claim, Drawing, Result, Run, Table, Verdict, run_study
from study_statistics import bootstrap, share, words

from memlens.figures.style import label, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Sheet

    from memlens.config import TrainConfig

CONVERGED = 0.9
WINDOW, LEAST = 50, 20
SPIKE_SDS = 5.0
FLOOR = 0.1
#: What the robust spread of normal numbers is multiplied with to be their standard deviation.
ROBUST = 1.4826
#: Updates that a point of a drawn curve is the mean of.
POINT = 10
N_STREAM, QUICK_STREAM = 64, 4
QUICK_STEPS = 30


def measure(run: Run) -> Mapping[str, Any]:
    """A row a training run."""
    config = small.changed(small.load("mqar"), log_every=1)
    if run.quick:
        config = small.changed(config, steps=QUICK_STEPS, warmup=QUICK_STEPS // 5)
    n_stream = QUICK_STREAM if run.quick else N_STREAM
    small.begin(run, {
        "train": config.model_dump(mode="json"), "parameters": small.sizes(config), "n_stream": n_stream,
        "converged": CONVERGED, "window": WINDOW, "least": LEAST, "spike_sds": SPIKE_SDS, "floor": FLOOR,
    })  # fmt: skip
    rows = []
    for seed in run.seeds:
        for kind in small.KINDS:
            rows.append(run.row(lambda k=kind, s=seed: one(config, k, s, n_stream), kind=kind, seed=seed))
            told = rows[-1]
            run.say(
                f"seed {seed}, {kind}: {told['accuracy']:.4f}, {len(told['spikes'])} spikes, {told['seconds']:.0f} s"
            )
    return summarise(rows)


def one(config: "TrainConfig", kind: small.Kind, seed: int, n_stream: int) -> dict[str, Any]:
    """One training run."""
    model, told, rows = small.trained(small.changed(small.of_kind(config, kind), seed=seed))
    loss, stage = [row["loss"] for row in rows], [int(row["stage"]) for row in rows]
    last = config.stages[-1]
    asked = small.ask(model, n_stream, last.n_token, last.n_fact)
    return {
        **told,
        "accuracy": asked["accuracy"],
        "spikes": spikes(loss, stage, config.warmup),
        "stages_begun": [t for t in range(len(stage)) if t == 0 or stage[t] != stage[t - 1]],
        "curve": [round(float(np.mean(loss[t : t + POINT])), 4) for t in range(0, len(loss), POINT)],
    }


def spikes(loss: Sequence[float], stage: Sequence[int], warmup: int) -> list[int]:
    """Updates at which a spike begins; the module has the formula."""
    values, begun, found = np.asarray(loss, float), 0, []
    inside = False
    for t in range(len(values)):
        if t and stage[t] != stage[t - 1]:
            begun = t
        before = values[max(begun, t - WINDOW) : t]
        above = False
        if t >= warmup and len(before) >= LEAST:
            middle = np.median(before)
            spread = ROBUST * np.median(np.abs(before - middle))
            above = bool(values[t] > middle + max(SPIKE_SDS * spread, FLOOR))
        if above and not inside:
            found.append(t)
        inside = above
    return found


def summarise(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By architecture: runs that converged, accuracy, its spread, spikes."""
    told = {}
    for kind in small.KINDS:
        own = [row for row in rows if row["kind"] == kind]
        final = [[row["accuracy"]] for row in own]
        told[kind] = {
            "runs": len(own),
            "parameters": own[0]["parameters"],
            "converged": share(sum(row["accuracy"] >= CONVERGED for row in own), len(own)),
            "accuracy": bootstrap(final),
            "spread": bootstrap(final, np.std),
            "least": min(row["accuracy"] for row in own),
            "spikes": sum(len(row["spikes"]) for row in own),
            "runs_with_spikes": sum(bool(row["spikes"]) for row in own),
            "last_stage_begun": bootstrap([[row["stages_begun"][-1]] for row in own], np.median),
        }
    return told


def steadier(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether one architecture is behind another in none of: share converged, spread, spikes."""
    return (
        one["converged"]["value"] >= other["converged"]["value"]
        and one["spread"]["value"] <= other["spread"]["value"]
        and one["spikes"] <= other["spikes"]
    )


def verdict(result: Result) -> Verdict:
    """Holds: every run of memory converges without a spike, and it is steadier than both others. Under conditions: one of the two."""
    told = result["summary"]
    own = told["memory"]
    goals = own["converged"]["value"] == 1.0 and own["spikes"] == 0
    ahead: list[small.Kind] = [kind for kind in small.KINDS[1:] if steadier(own, told[kind])]
    both = len(ahead) == len(small.KINDS) - 1
    status = "holds" if goals and both else "holds under conditions" if goals or both else "does not hold"
    told_of = "both others" if both else " and ".join(small.NAMES[kind] for kind in ahead) or "neither of the others"
    train = result["config"]["train"]
    return Verdict(
        status,
        (
            f"Of {own['runs']} runs of memory {round(own['converged']['value'] * own['runs'])} converge (final accuracy of {CONVERGED} or "
            f"more; the least is {own['least']:.4f}), with {own['spikes']} loss spikes. The goals are all runs and none.",
            f"Behind in nothing, of share converged, spread between seeds and spikes: memory against {told_of}.",
            f"{train['steps']} updates of {train['stages'][-1]['n_row']} rows on configs/mqar.toml, the same learning rates for all: "
            f"{train['matrix_rate']} of matrices, {train['learning_rate']} of all else. A rival may be steadier at rates of its own.",
        ),
        (_table(told),),
    )  # fmt: skip


def _table(told: Mapping[str, Any]) -> Table:
    rows = []
    for kind in small.KINDS:
        own = told[kind]
        rows.append((
            small.NAMES[kind], f"{own['parameters']:,}", f"{round(own['converged']['value'] * own['runs'])} of {own['runs']}",
            words(own["accuracy"], "{:.4f}"), words(own["spread"], "{:.4f}"), f"{own['spikes']} in {own['runs_with_spikes']} runs",
            words(own["last_stage_begun"], "{:.0f}"),
        ))  # fmt: skip
    header = (
        "architecture",
        "parameters",
        "converged",
        "final accuracy",
        "spread (sd)",
        "spikes",
        "last stage from update",
    )
    return Table(header, tuple(rows))


# figures


def draw_losses(result: Result) -> "Sheet":
    """Every run's loss, its spikes marked."""
    page, panels = sheet(columns=3, width=11, height=3.8, sharey=True)
    for axes, kind in zip(panels, small.KINDS, strict=True):
        for row in result["rows"]:
            if row["kind"] == kind:
                curve = row["curve"]
                axes.plot(
                    [POINT * (i + 0.5) for i in range(len(curve))],
                    curve,
                    color=small.COLOUR[kind],
                    linewidth=0.9,
                    alpha=0.7,
                )
                axes.plot(row["spikes"], [curve[t // POINT] for t in row["spikes"]], "v", color="black", markersize=6)
        axes.set_yscale("log")
        label(axes, small.NAMES[kind], "update", "loss (nats)" if kind == small.KINDS[0] else "")
    return page


def losses_caption(result: Result) -> str:
    """What the figure claims."""
    told = result["summary"]
    counts = ", ".join(f"{small.NAMES[kind]} {told[kind]['spikes']}" for kind in small.KINDS)
    return f"Loss of every run, a line a seed, with spikes (triangles): {counts}; steps up are new stages"


def draw_final(result: Result) -> "Sheet":
    """Every run's final accuracy."""
    page, [axes] = sheet(columns=1, width=6.4, height=3.4)
    for place, kind in enumerate(small.KINDS):
        seen = sorted(row["accuracy"] for row in result["rows"] if row["kind"] == kind)
        across = [place + 0.4 * (i / max(1, len(seen) - 1) - 0.5) for i in range(len(seen))]
        axes.plot(across, seen, "o", color=small.COLOUR[kind], markersize=5)
    axes.axhline(CONVERGED, color="black", linewidth=1, linestyle="--")
    axes.set_xticks(range(len(small.KINDS)), [small.NAMES[kind] for kind in small.KINDS])
    axes.set_ylim(-0.02, 1.03)
    label(axes, f"Final accuracy of each run (dashed: converged, {CONVERGED})", "", "share of answers exact")
    return page


def final_caption(result: Result) -> str:
    """What the figure claims."""
    told = result["summary"]
    spread = ", ".join(f"{small.NAMES[kind]} {told[kind]['spread']['value']:.4f}" for kind in small.KINDS)
    return f"Standard deviation of the final accuracy between seeds: {spread}"


CLAIM = Claim(
    number=23,
    title="Steadier training at equal size",
    stated="At equal size, training of the memory model is steadier than that of attention and of state-space layers: 10 of 10 seeds "
    "converge, without loss spikes.",
    verdict=verdict,
    drawings=(Drawing("losses", draw_losses, losses_caption), Drawing("final", draw_final, final_caption)),
)

if __name__ == "__main__":
    run_study(__file__, CLAIM, measure, seeds=tuple(range(10)), quick_seeds=(0, 1))
