"""Scaling of recall in slots and in parameters, with a fitted law and what it misses.

    python -m analyses.scaling [--quick] [--seeds 0 1 2] [-o DIR]

Memory models learn rows of ``N_TOKEN`` positions with 3 to twice ``N_PAIR`` pairs of symbols, all on one schedule, and are asked on test
streams of each number of pairs of ``PAIRS``. In one sweep the slots of a segment change, at the width of configs/mqar.toml; in the other
the width, with ``N_PAIR`` slots. A pair needs a slot: recall is bounded by slots / pairs, as far as a slot's window holds one pair only.

The law, fitted by least squares to the mean loss over seeds (nats per answer token, ``N_PAIR`` pairs) at each size x:

    loss(x) = a (x / x_0)^-b + c,    a, b, c >= 0,  x_0 the smallest size.

Its residuals are told relative to the loss. ``exponent`` has an interval from refitting to resampled seeds. Slots are also held against
the law that a pair without a slot is lost and every other kept: error(k) = 1 - min(1, r k / pairs), r pairs in a slot.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.common import small_models as small
from analyses.common.claim import Claim, Drawing, Result, Status, Table, Verdict
from analyses.common.runner import Run
from analyses.common.words import words
from memlens.figures.style import INK, label, sheet
from memlens.stats.bootstrap import percentiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Sheet

    from memlens.config import TrainConfig

#: Rows of twice the most pairs, so that these fill them.
N_TOKEN, N_PAIR = 128, 32
PAIRS = (4, 8, 16, 32, 64)
SLOTS = (4, 8, 16, 32, 64)
#: Widths: multiples of the heads' number.
WIDTHS = (16, 24, 32, 48, 64)
QUICK = {"slots": (4, 16, 64), "parameters": (16, 32, 64)}
#: Updates at 4 pairs, at 8, and at 3 to 64.
STEPS, QUICK_STEPS = (100, 100, 500), (3, 3, 3)
N_STREAM, QUICK_STREAM = 32, 4
N_DRAW = 200
#: A law holds that explains so much of the variance of the loss between sizes, misses no mean by more than that share of it, and surely
#: falls.
LEAST_R2, MOST_MISSED = 0.95, 0.15
SWEEPS = {"slots": "slots of a segment", "parameters": "parameters"}


def measure(run: Run) -> Mapping[str, Any]:
    """A row a trained model, of each sweep."""
    config = rows_of_pairs(small.load("mqar"), QUICK_STEPS if run.quick else STEPS)
    swept = QUICK if run.quick else {"slots": SLOTS, "parameters": WIDTHS}
    n_stream = QUICK_STREAM if run.quick else N_STREAM
    small.begin(run, {
        "train": config.model_dump(mode="json"), "swept": swept, "n_stream": n_stream, "least_r2": LEAST_R2, "most_missed": MOST_MISSED,
    })  # fmt: skip
    # the two sweeps cross: one model is a point of both
    sizes = {(slots, config.model.d_model): None for slots in swept["slots"]}
    sizes |= {(config.model.n_slots, width): None for width in swept["parameters"]}
    rows = []
    for seed in run.seeds:
        for slots, width in sizes:
            sized = small.changed(config, {"n_slots": slots, "d_model": width})
            row = run.row(lambda c=sized, s=seed: one(c, s, n_stream), slots=slots, width=width, seed=seed)
            rows.append(row)
            run.say(f"seed {seed}, {slots} slots, width {width}: loss {row['loss']:.3f}, {row['seconds']:.0f} s")
    return summarise(rows, config.model.n_slots, config.model.d_model)


def summarise(rows: Sequence[Mapping[str, Any]], n_slots: int, width: int) -> dict[str, Any]:
    """The laws of both sweeps, which cross at ``n_slots`` and ``width``, and recall over slots and pairs."""
    return {
        "slots": law("slots", [row for row in rows if row["width"] == width]),
        "parameters": law("parameters", [row for row in rows if row["slots"] == n_slots]),
        "grid": grid([row for row in rows if row["width"] == width]),
    }


def rows_of_pairs(config: "TrainConfig", steps: tuple[int, int, int]) -> "TrainConfig":
    """Stages by the clock, the same for all sizes, since too few slots never go well: 4 pairs, 8, then 3 to 64."""
    stage = {"n_row": 16, "n_token": N_TOKEN, "n_question": 8, "until": -1.0}
    stages = [
        {**stage, "n_fact": 4, "n_question": 4, "at_least": steps[0]},
        {**stage, "n_fact": 8, "at_least": steps[1]},
        {**stage, "n_fact": max(PAIRS), "sparse": True},
    ]
    model = {"segment_length": N_TOKEN, "n_slots": N_PAIR}
    return small.changed(config, model, stages=stages, steps=sum(steps), two_segments=0.0)


def one(config: "TrainConfig", seed: int, n_stream: int) -> dict[str, Any]:
    """One trained model, asked at every number of pairs."""
    model, told, _ = small.trained(small.changed(config, seed=seed))
    asked = {n: small.ask(model, n_stream, N_TOKEN, n) for n in PAIRS}
    return {**told, "loss": asked[N_PAIR]["loss"], "accuracy": {n: found["accuracy"] for n, found in asked.items()}}


def grid(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Accuracy of every number of slots at every number of pairs, over seeds."""
    return [
        {"slots": slots, "pairs": pairs, **small.over_seeds(own, lambda row, p=pairs: row["accuracy"][str(p)])}
        for slots in sorted({row["slots"] for row in rows})
        for own in [[row for row in rows if row["slots"] == slots]]
        for pairs in PAIRS
    ]


# laws


def power_law(x: Sequence[float], y: Sequence[float]) -> dict[str, Any]:
    """Least squares of y = a (x / x_0)^-b + c with a, b, c >= 0: the numbers, fitted values, R^2, relative residuals."""
    from scipy.optimize import curve_fit

    size, value = np.asarray(x, float), np.asarray(y, float)
    size = size / size.min()

    def form(s: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
        return a * s**-b + c

    drop = max(float(value.max() - value.min()), 1e-9)
    # the best of several starts: with few points the offset and the exponent trade off
    fits = [
        curve_fit(
            form, size, value, p0=(drop, b, 0.5 * max(float(value.min()), 0.0)), bounds=(0.0, np.inf), maxfev=20_000
        )[0]
        for b in (0.1, 0.5, 1.0, 2.0)
    ]
    a, b, c = min(fits, key=lambda p: float(np.square(form(size, *p) - value).sum()))
    fitted = form(size, a, b, c)
    return {"a": float(a), "b": float(b), "c": float(c), "x_0": float(min(x)), **misfit(value, fitted)}


def coverage_law(slots: Sequence[float], error: Sequence[float], n_pair: int) -> dict[str, Any]:
    """Least squares of error = 1 - min(1, r slots / n_pair): r, fitted values, R^2, residuals in error."""
    from scipy.optimize import minimize_scalar

    k, value = np.asarray(slots, float), np.asarray(error, float)

    def form(r: float) -> np.ndarray:
        return 1 - np.minimum(1, r * k / n_pair)

    found = minimize_scalar(lambda r: float(np.square(form(r) - value).sum()), bounds=(0.0, 4.0), method="bounded")
    r = float(found["x"])  # pyright: ignore[reportIndexIssue]
    return {"r": r, **misfit(value, form(r))}


def misfit(value: np.ndarray, fitted: np.ndarray) -> dict[str, Any]:
    """How far a fit is from what was measured."""
    around = float(np.square(value - value.mean()).sum())
    return {
        "fitted": fitted.tolist(),
        "residuals": (value - fitted).tolist(),
        "missed": float(np.abs((value - fitted) / np.maximum(value, 1e-9)).max()),
        "r2": 1 - float(np.square(value - fitted).sum()) / max(around, 1e-12),
    }


def law(sweep: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The points of a sweep with their intervals, and what fits them."""
    points = sorted({row[sweep] for row in rows})
    own = {point: [row for row in rows if row[sweep] == point] for point in points}
    x = [float(point) for point in points]
    loss = [small.over_seeds(own[p], itemgetter("loss")) for p in points]
    accuracy = [small.over_seeds(own[p], lambda row: row["accuracy"][str(N_PAIR)]) for p in points]
    seeds = sorted({row["seed"] for row in rows})
    table = np.array([[next(r["loss"] for r in own[p] if r["seed"] == s) for p in points] for s in seeds])
    rng = np.random.default_rng(0)

    @cache  # of few seeds the same are drawn again and again
    def exponent(*drawn: int) -> float:
        return power_law(x, table[list(drawn)].mean(0).tolist())["b"]

    drawn = [exponent(*rng.integers(len(seeds), size=len(seeds)).tolist()) for _ in range(N_DRAW)]
    fit = power_law(x, [point["value"] for point in loss])
    low, high = percentiles(drawn)
    told = {
        "x": x, "loss": loss, "accuracy": accuracy, "fit": fit,
        "exponent": {"value": fit["b"], "low": float(low), "high": float(high), "n": table.size, "groups": len(seeds)},
        "falls": bool(np.all(np.diff([point["value"] for point in loss]) < 0)),
    }  # fmt: skip
    if sweep == "slots":
        told["coverage"] = coverage_law(x, [1 - point["value"] for point in accuracy], N_PAIR)
    return told


def fits(swept: Mapping[str, Any]) -> bool:
    """Whether a power law describes a sweep."""
    return swept["fit"]["r2"] >= LEAST_R2 and swept["fit"]["missed"] <= MOST_MISSED and swept["exponent"]["low"] > 0


def verdict(result: Result) -> Verdict:
    """Holds: a power law describes both sweeps. Under conditions: it describes one of them, and the loss falls along both."""
    summary = result["summary"]
    good = [sweep for sweep in SWEEPS if fits(summary[sweep])]
    status: Status = "does not hold"
    if len(good) == len(SWEEPS):
        status = "holds"
    elif good and all(summary[sweep]["falls"] for sweep in SWEEPS):
        status = "holds under conditions"
    lines = [_sentence(SWEEPS[sweep], summary[sweep]) for sweep in SWEEPS]
    cover = summary["slots"]["coverage"]
    return Verdict(
        status,
        (
            f"A power law describes the loss over {' and '.join(SWEEPS[s] for s in good) or 'neither'} (asked: R^2 of {LEAST_R2} or more, "
            f"no mean missed by more than {MOST_MISSED:.0%}, an exponent surely above 0).",
            *lines,
            f"That a pair without a slot is lost and all others are kept, error = 1 - min(1, {cover['r']:.2f} k / {N_PAIR}), has R^2 = "
            f"{cover['r2']:.3f} over slots and is at most {max(map(abs, cover['residuals'])):.3f} off.",
            _of_grid(summary["grid"]),
            "Five sizes over one decade on one synthetic task at one length of training: these laws are not to be drawn out beyond "
            "what was measured.",
        ),
        (*(_table(SWEEPS[sweep], summary[sweep]) for sweep in SWEEPS), _grid_table(summary["grid"])),
    )


def _of_grid(cells: Sequence[Mapping[str, Any]]) -> str:
    enough = [cell for cell in cells if cell["slots"] >= cell["pairs"]]
    worst = min(enough, key=lambda cell: cell["value"])
    short = [cell for cell in cells if cell["slots"] < cell["pairs"]]
    above = sum(cell["value"] > cell["slots"] / cell["pairs"] for cell in short)
    return (
        f"Over slots and pairs, rows of {N_TOKEN}: with at least as many slots as pairs recall is {worst['value']:.3f} or more (least "
        f"with {worst['slots']} slots and {worst['pairs']} pairs). With fewer it is above slots / pairs in {above} of {len(short)} cells."
    )


def _sentence(name: str, swept: Mapping[str, Any]) -> str:
    fit = swept["fit"]
    return (
        f"Over {name}: loss = {fit['a']:.3g} (x / {fit['x_0']:,.0f})^-b + {fit['c']:.3g} nats with b = "
        f"{words(swept['exponent'], '{:.2f}')}, R^2 = {fit['r2']:.3f}, missing a mean by {fit['missed']:.0%} at most; the loss "
        f"{'falls at every step' if swept['falls'] else 'does not fall at every step'}."
    )


def _table(name: str, swept: Mapping[str, Any]) -> Table:
    rows = [
        (f"{x:,.0f}", words(loss, "{:.3f}"), f"{fitted:.3f}", f"{residual:+.3f}", words(accuracy, "{:.3f}"))
        for x, loss, fitted, residual, accuracy in zip(
            swept["x"],
            swept["loss"],
            swept["fit"]["fitted"],
            swept["fit"]["residuals"],
            swept["accuracy"],
            strict=True,
        )
    ]
    return Table((name, "loss (nats)", "law", "residual", "recall"), tuple(rows))


def _grid_table(cells: Sequence[Mapping[str, Any]]) -> Table:
    rows = []
    for slots in sorted({cell["slots"] for cell in cells}):
        rows.append((f"{slots}", *(words(cell, "{:.3f}") for cell in cells if cell["slots"] == slots)))
    return Table(("slots", *(f"{n} pairs" for n in PAIRS)), tuple(rows))


# figures


def draw_laws(result: Result) -> "Sheet":
    """Loss over each size with its law, and the residuals below."""
    page, axes = sheet(columns=2, rows=2, width=10, height=5.6, sharex="col", height_ratios=(3, 1))
    for column, (sweep, name) in enumerate(SWEEPS.items()):
        told, above, below = result["summary"][sweep], axes[column], axes[2 + column]
        x, loss, fit = told["x"], told["loss"], told["fit"]
        value = [point["value"] for point in loss]
        reach = [[point["value"] - point["low"] for point in loss], [point["high"] - point["value"] for point in loss]]
        above.errorbar(x, value, yerr=reach, fmt="o", color=small.COLOUR["memory"], capsize=3)
        fine = np.geomspace(x[0], x[-1], 100)
        above.plot(fine, fit["a"] * (fine / fit["x_0"]) ** -fit["b"] + fit["c"], color=INK, linewidth=1.2)
        above.set_xscale("log")
        label(above, f"Loss over {name}", "", "nats per answer token")
        below.axhline(0, color=INK, linewidth=0.8)
        below.plot(x, fit["residuals"], "o", color=small.COLOUR["memory"])
        label(below, "", name, "residual")
    return page


def laws_caption(result: Result) -> str:
    """What the figure claims."""
    summary = result["summary"]
    parts = (
        f"{words(summary[s]['exponent'], '{:.2f}')} over {name} (R^2 {summary[s]['fit']['r2']:.2f})"
        for s, name in SWEEPS.items()
    )
    return f"Exponents of the fitted laws: {', '.join(parts)}; residuals below"


def draw_grid(result: Result) -> "Sheet":
    """Accuracy over slots and pairs."""
    cells = result["summary"]["grid"]
    slots = sorted({cell["slots"] for cell in cells})
    table = [[cell["value"] for cell in cells if cell["slots"] == n] for n in slots]
    page, [axes] = sheet(columns=1, width=6.0, height=4.2)
    axes.grid(False)
    axes.imshow(table, cmap="cividis", vmin=0, vmax=1, aspect="auto", origin="lower")
    for y, row in enumerate(table):
        for x, value in enumerate(row):
            ink = "white" if value < 0.6 else INK
            axes.text(x, y, f"{value:.2f}", ha="center", va="center", fontsize=10, color=ink)
    axes.set_xticks(range(len(PAIRS)), [f"{n}" for n in PAIRS])
    axes.set_yticks(range(len(slots)), [f"{n}" for n in slots])
    label(axes, f"Recall over slots and pairs, {N_TOKEN} positions", "pairs in a row", "slots of a segment")
    return page


def grid_caption(result: Result) -> str:
    """What the figure claims."""
    enough = [cell["value"] for cell in result["summary"]["grid"] if cell["slots"] >= cell["pairs"]]
    return f"Where slots are no fewer than pairs, memory recalls {min(enough):.2f} or more (means over seeds)"


CLAIM = Claim(
    study="scaling",
    number=24,
    title="Scaling in slots and parameters",
    stated="The loss of recall falls with the number of slots and with the number of parameters, and a power law with an offset describes "
    "both.",
    verdict=verdict,
    drawings=(Drawing("laws", draw_laws, laws_caption), Drawing("grid", draw_grid, grid_caption)),
)
