"""How a result of the rate-distortion study is summarised, judged and drawn."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analyses.common.claim import Drawing, Result, Table, Verdict
from analyses.common.words import words
from memlens.figures.style import ACTION_COLOUR, NULL_COLOUR, label, sheet
from memlens.stats.bootstrap import nested_bootstrap, paired_bootstrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Sheet

CODES = {"compressor": "compressor", "mean": "averaging", "pca": "principal components", "bound": "linear bound"}
COLOUR = dict(
    zip(CODES, (ACTION_COLOUR["STORE"], ACTION_COLOUR["DISCARD"], ACTION_COLOUR["RETRIEVE"], NULL_COLOUR), strict=True)
)
GROUPINGS = ("random", "alike")
LEVELS = (1, 2)
#: Of the linear bound's explained variance, and of the recall at level 0, so much has to be kept.
NEAR, KEPT = 0.9, 0.9
STATED = (
    "Compression keeps what was stored: at every level the compressor explains more of the slots than averaging and at least 0.9 of "
    "what the best linear "
    "code of its rate does, and facts are recalled from every level at least 0.9 times as often as from level 0."
)


def summarise(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Fidelity of each code over seeds, the compressor's lead over each other code, and recall by place."""
    fidelities = [row for row in rows if row["part"] == "fidelity"]
    codes, leads = [], []
    for how in GROUPINGS:
        for level in LEVELS:
            each = {
                code: {
                    value: [[pick(row, how, level, code)[value]] for row in fidelities]
                    for value in ("explained", "cosine")
                }
                for code in CODES
            }
            where = {"grouping": how, "level": level}
            codes += [
                {**where, "code": code, **{v: nested_bootstrap(seen) for v, seen in found.items()}}
                for code, found in each.items()
            ]
            leads += [
                {**where, "over": code, **paired_bootstrap(each["compressor"]["explained"], each[code]["explained"])}
                for code in CODES
                if code != "compressor"
            ]
    return {
        "codes": codes,
        "leads": leads,
        "forced": [place_of(rows, str(level), part="forced", level=level) for level in (0, *LEVELS)],
        "own": [place_of(rows, place, part="own") for place in sorted({p for row in rows if row["part"] == "own" for p in row["right"]})],
    }  # fmt: skip


def place_of(rows: Sequence[Mapping[str, Any]], place: str, **wanted: Any) -> dict[str, Any]:
    """Recall of the facts that were held at a place, and the share of all facts that were."""
    own = [row["right"] for row in rows if all(row.get(key) == value for key, value in wanted.items())]
    seen = [[int(digit) for digit in right.get(place, "")] for right in own]
    asked = sum(len(digits) for right in own for digits in right.values())
    share = sum(map(len, seen)) / asked
    return {"place": place, "share": share, "recall": nested_bootstrap(seen) if any(seen) else None}


def pick(summary: Mapping[str, Any], how: str, level: int, code: str) -> Mapping[str, Any]:
    """A code's fidelity."""
    [found] = [x for x in summary["codes"] if (x["grouping"], x["level"], x["code"]) == (how, level, code)]
    return found


def verdict(result: Result) -> Verdict:
    """Holds: at every level and in both groupings better than averaging and near the bound, and facts are recalled from every level.

    Under conditions: all of that at level 1.
    """
    summary = result["summary"]
    base = summary["forced"][0]["recall"]
    passed = {level: kept(summary, level) for level in LEVELS}
    status = "holds" if all(passed.values()) else "holds under conditions" if passed[LEVELS[0]] else "does not hold"
    policy = ", ".join(f"{x['place']} {_recall(x)} ({x['share']:.0%} of facts)" for x in summary["own"])
    lines = []
    for level in LEVELS:
        ours, bound, plain = (
            pick(summary, "alike", level, code)["explained"] for code in ("compressor", "bound", "mean")
        )
        recall = summary["forced"][level]
        lines.append(
            f"Level {level}, {2**level} slots in one, grouped as the store does: the compressor explains {words(ours, '{:.3f}')} of the "
            f"variance, averaging {plain['value']:.3f}, and no linear code of this rate more than {bound['value']:.3f}. Of the facts "
            f"forced to it ({recall['share']:.0%} came to be held there) {_recall(recall)} are recalled."
        )
    return Verdict(
        status,
        (
            *lines,
            f"At level 0 {_recall(summary['forced'][0])} are recalled. Asked of a level: more variance explained than by averaging (the "
            f"interval of the difference above 0), at least {NEAR} of the linear bound, both in either grouping, and recall of at least "
            f"{KEPT} of level 0's, {KEPT * base['value']:.3f}.",
            f"Under the model's own policy, by where facts are held: {policy}.",
        ),
        (_table(summary),),
    )  # fmt: skip


def kept(summary: Mapping[str, Any], level: int) -> bool:
    """Whether a level keeps what the claim says."""
    base, here = summary["forced"][0]["recall"], summary["forced"][level]["recall"]
    better = all(x["low"] > 0 for x in summary["leads"] if x["over"] == "mean" and x["level"] == level)
    near = all(
        pick(summary, how, level, "compressor")["explained"]["value"]
        >= NEAR * pick(summary, how, level, "bound")["explained"]["value"]
        for how in GROUPINGS
    )
    return better and near and here is not None and here["value"] >= KEPT * base["value"]


def _recall(place: Mapping[str, Any]) -> str:
    return "none" if place["recall"] is None else words(place["recall"], "{:.3f}")


def _table(summary: Mapping[str, Any]) -> Table:
    rows = [
        (
            x["grouping"],
            f"{x['level']}",
            CODES[x["code"]],
            words(x["explained"], "{:.3f}"),
            words(x["cosine"], "{:.3f}"),
        )
        for x in summary["codes"]
    ]
    return Table(("groups", "level", "code", "variance explained", "cosine"), tuple(rows))


# figures


def draw_fidelity(result: Result) -> "Sheet":
    """Variance explained over the rate, a panel a grouping."""
    summary = result["summary"]
    page, panels = sheet(columns=2, width=9.4, height=3.9, sharey=True)
    for axes, how in zip(panels, GROUPINGS, strict=True):
        for code, name in CODES.items():
            value = [1.0, *(pick(summary, how, level, code)["explained"]["value"] for level in LEVELS)]
            axes.plot(
                [0, *LEVELS], value, "--o" if code == "bound" else "-o", color=COLOUR[code], markersize=5, label=name
            )
        axes.set_xticks([0, *LEVELS], [f"level {level}\n1/{2**level} of a vector" for level in (0, *LEVELS)])
        axes.set_ylim(-0.02, 1.04)
        label(
            axes,
            f"Groups: {'drawn at random' if how == 'random' else 'as the store pairs'}",
            "rate a slot",
            "variance explained",
        )
    panels[0].legend(frameon=False, fontsize=9, loc="lower left")
    return page


def fidelity_caption(result: Result) -> str:
    """What the figure claims."""
    summary = result["summary"]
    ours, plain = (pick(summary, "alike", LEVELS[-1], code)["explained"]["value"] for code in ("compressor", "mean"))
    return f"At level {LEVELS[-1]} the compressor explains {ours:.2f} of the variance of slots, averaging {plain:.2f}"


def draw_recall(result: Result) -> "Sheet":
    """Recall of facts by the level that they were forced to."""
    summary = result["summary"]["forced"]
    page, [axes] = sheet(columns=1, width=5.6, height=3.6)
    for place, found in enumerate(summary):
        if found["recall"] is not None:
            r = found["recall"]
            axes.errorbar(
                [place], [r["value"]], yerr=[[r["value"] - r["low"]], [r["high"] - r["value"]]],
                fmt="o", color=COLOUR["compressor"], capsize=4, markersize=7,
            )  # fmt: skip
    axes.axhline(KEPT * summary[0]["recall"]["value"], color=NULL_COLOUR, linestyle="--", linewidth=1.2)
    axes.set_xticks(range(len(summary)), [f"level {x['place']}" for x in summary])
    axes.set_ylim(-0.02, 1.04)
    label(axes, f"Facts by the level they are held at (dashed: {KEPT} of level 0)", "", "share recalled exactly")
    return page


def recall_caption(result: Result) -> str:
    """What the figure claims."""
    summary = result["summary"]["forced"]
    return "Recall of text facts: " + ", ".join(f"{_recall(x)} at level {x['place']}" for x in summary)


DRAWINGS = (Drawing("fidelity", draw_fidelity, fidelity_caption), Drawing("recall", draw_recall, recall_caption))
