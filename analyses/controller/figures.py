"""Figures of the controller's study, from its result alone."""

from typing import TYPE_CHECKING

from analyses.common.claim import Drawing, Result
from analyses.common.words import words
from analyses.controller.verdict import HEURISTICS, NAMES, SPAN
from memlens.figures.style import ACCENT, ACTION_COLOUR, INK, NULL_COLOUR, label, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

POLICIES = (*HEURISTICS, "shuffled", "learned", "oracle")
RULED = ("importance", "before", "learned", "oracle")
RULED_SAID = {
    "importance": "importance",
    "before": "Q of the old rule",
    "learned": "Q learned again",
    "oracle": "oracle",
}


def draw_span(result: Result) -> "Sheet":
    """Recall of every policy, a panel a setting."""
    page, panels = sheet(columns=2, width=10.5, height=4.4, sharey=True)
    for axes, (name, found) in zip(panels, result["summary"].items(), strict=True):
        for i, policy in enumerate(POLICIES):
            colour = ACCENT if policy == "learned" else INK if policy == "oracle" else NULL_COLOUR
            _bar(axes, i, found["recall"][policy], colour)
        low, high = (found["recall"][end]["value"] for end in ("random", "oracle"))
        axes.axhline(low + SPAN * (high - low), color=INK, linewidth=1, linestyle="--")
        axes.text(-0.4, low + SPAN * (high - low) + 0.01, f"{SPAN} of the span", fontsize=8.5, color=INK)
        axes.set_xticks(range(len(POLICIES)), POLICIES, rotation=40, ha="right")
        label(axes, f"{NAMES[name][0].upper()}{NAMES[name][1:]}", "", "share of what is relevant that is recalled")
        axes.set_ylim(0, 1.08)
    return page


def _bar(axes: "Axes", x: float, interval: dict[str, float], colour: str, width: float = 0.7) -> None:
    value = interval["value"]
    error = [[max(0.0, value - interval["low"])], [max(0.0, interval["high"] - value)]]
    axes.bar(x, value, color=colour, width=width, alpha=0.85)
    axes.errorbar(x, value, yerr=error, color=INK, capsize=3, linewidth=1)


def span_caption(result: Result) -> str:
    """What the figure claims."""
    told = ", ".join(f"{words(found['span']['learned'])} in {NAMES[name]}" for name, found in result["summary"].items())
    return f"Of the span from random to oracle the learned controller covers {told} (bars: means over test sequences, 95 % intervals)"


def draw_learning(result: Result) -> "Sheet":
    """Validation recall over rounds, a line a seed; then recall under the new rule."""
    page, panels = sheet(columns=2, width=10.5, height=4.4)
    for name, colour in zip(NAMES, list(ACTION_COLOUR.values())[:2], strict=True):
        for row in (row for row in result["rows"] if row["setting"] == name):
            rounds = [told["q_round"] + 1 for told in row["learning"]]
            found = [told["exact_validation"] for told in row["learning"]]
            named = NAMES[name] if row["seed"] == result["rows"][0]["seed"] else None
            panels[0].plot(rounds, found, "o-", color=colour, markersize=4, linewidth=1.3, label=named)
    label(panels[0], "Learning", "round", "recall on validation sequences")
    for i, (name, colour) in enumerate(zip(NAMES, list(ACTION_COLOUR.values())[:2], strict=True)):
        for j, policy in enumerate(RULED):
            _bar(panels[1], j + 0.4 * i, result["summary"][name]["changed"]["recall"][policy], colour, 0.36)
    panels[1].set_xticks([j + 0.2 for j in range(len(RULED))], [RULED_SAID[policy] for policy in RULED], rotation=20)
    label(panels[1], "Another rule, twice the length", "", "share of what is relevant that is recalled")
    for axes in panels:
        axes.set_ylim(0, 1.08)
    panels[0].legend(frameon=False, fontsize=9, loc="lower right")
    return page


def learning_caption(result: Result) -> str:
    """What the figure claims."""
    told = ", ".join(
        f"{found['changed']['episodes']['learned']} episodes in {NAMES[name]}"
        for name, found in result["summary"].items()
    )
    return f"Left: rounds of logging and regression, a line a seed; right: Q alone learns a changed rule from {told} (95 % intervals)"


DRAWINGS = (Drawing("span", draw_span, span_caption), Drawing("learning", draw_learning, learning_caption))
