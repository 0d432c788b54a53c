"""How a result of the cross-modal study is judged and drawn, from its summary alone."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from analyses.common.claim import Drawing, Result, Status, Table, Verdict
from analyses.common.recall import only, where
from analyses.common.words import words
from memlens.figures.style import ACTION_COLOUR, INK, MODALITY_COLOUR, NULL_COLOUR, label, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Sheet

#: Least accuracy over all pairs, and over each kind of pair.
GOAL = 0.95
#: One memory is not behind separate ones of as many places where the whole interval of (together - separate) is above this.
BEHIND = -0.02
STATED = (
    "Facts whose key is in one modality and whose value is in another are recalled at 95 % or better, for every pair of modalities, and "
    "one memory for all modalities recalls no less than a memory for each with as many places in all."
)
COLOUR = dict(zip(("together", "alone", "separate", "split"), ACTION_COLOUR.values(), strict=True))


def verdict(result: Result) -> Verdict:
    """Holds: all kinds of pairs meet the goal, and one memory is behind in no case. Under conditions: pairs meet the goal as a whole."""
    summary = result["summary"]
    pairs = where(summary["recall"], case="pairs", arrangement="together")
    whole, kinds = only(pairs, of="all"), [each for each in pairs if each["of"] != "all"]
    missed = [each for each in kinds if each["value"] < GOAL]
    separate = where(summary["ahead"], arrangement="separate")
    behind = [each for each in separate if each["low"] < BEHIND]
    status: Status = "does not hold"
    if whole["value"] >= GOAL:
        status = "holds under conditions" if missed or behind else "holds"
    ahead = [each for each in separate if each["low"] > 0]
    split = only(summary["recall"], case="pairs", arrangement="split", of="all")
    sentences = (
        f"All pairs: {words(whole)}, expected {GOAL}. "
        + (f"Below it: {_each(missed, 'of')}." if missed else "No kind of pair is below it."),
        f"One memory minus separate memories of as many places in all, by question: {_each(separate, 'case', 'store')}. It is ahead, with "
        f"the whole interval, in {len(ahead)} of {len(separate)} cases; in {len(behind)} an interval reaches below {BEHIND}.",
        f"One memory minus memories that each have the whole store to themselves, what sharing costs at most: "
        f"{_each(where(summary['ahead'], arrangement='alone'), 'case', 'store')}.",
        f"When key and value go to different memories, pairs come back at {words(split)}: what links them has to be in one memory.",
        "Separate memories have working memory and slots of their own, and are told which of them a question is for; only places in the "
        "store are equal. The model was trained with one memory.",
    )
    return Verdict(status, sentences, (_cases(summary), _kinds(summary)))


def _each(found: list[Mapping[str, Any]], *names: str) -> str:
    return "; ".join(f"{', '.join(str(each[name]) for name in names)}: {words(each)}" for each in found)


def _cases(summary: Mapping[str, Any]) -> Table:
    """Accuracy over all questions, an arrangement a column."""
    whole = where(summary["recall"], of="all")
    rows = []
    for case, store in dict.fromkeys((each["case"], each["store"]) for each in whole):
        cells = (where(whole, case=case, store=store, arrangement=name) for name in COLOUR)
        rows.append((case, store, *(words(cell[0]) if cell else "" for cell in cells)))
    return Table(("case", "store", *COLOUR), tuple(rows))


def _kinds(summary: Mapping[str, Any]) -> Table:
    """Accuracy of one memory by kind of pair or modality of the value."""
    found = [each for each in where(summary["recall"], arrangement="together") if each["of"] != "all"]
    rows = (
        (each["case"], each["store"], each["of"], words(each), f"{each['n']}")
        for each in found
    )  # fmt: skip
    return Table(("case", "store", "questions", "together", "n"), tuple(rows))


def draw_pairs(result: Result) -> "Sheet":
    """Accuracy by kind of pair in one memory, and of arrangements by case."""
    summary = result["summary"]
    page, panels = sheet(columns=2, width=11, height=4.6, sharey=True)
    pairs = where(summary["recall"], case="pairs", arrangement="together")
    for x, each in enumerate(pairs):
        colour = MODALITY_COLOUR.get(each["of"].partition(" ")[0], INK)
        panels[0].errorbar(x, each["value"], _arms(each), fmt="o", color=colour, capsize=3)
    panels[0].set_xticks(range(len(pairs)), [f"{each['of']}\nn = {each['n']}" for each in pairs], fontsize=8)
    label(panels[0], "Pairs in one memory", "key to value", "accuracy")
    cases = list(dict.fromkeys((each["case"], each["store"]) for each in summary["recall"]))
    for i, (name, colour) in enumerate(COLOUR.items()):
        found = where(summary["recall"], arrangement=name, of="all")
        x = [cases.index((each["case"], each["store"])) + 0.14 * (i - 1.5) for each in found]
        arms = [[low for low, _ in map(_arm, found)], [high for _, high in map(_arm, found)]]
        panels[1].errorbar(x, [each["value"] for each in found], arms, fmt="o", color=colour, capsize=3, label=name)
    panels[1].set_xticks(range(len(cases)), [f"{case}\n{store} store" for case, store in cases], fontsize=8)
    label(panels[1], "One memory, or one a modality", "case", "accuracy")
    panels[1].legend(fontsize=8.5, frameon=False, loc="lower left", ncols=2)
    for axes in panels:
        axes.axhline(GOAL, color=NULL_COLOUR, linewidth=1, linestyle="--")
        axes.set_ylim(-0.03, 1.05)
    seeds = len(result["provenance"]["seeds"])
    page.suptitle(f"Cross-modal recall, {seeds} seeds", fontsize=12.5, x=0.01, ha="left", color=INK)
    return page


def _arm(each: Mapping[str, Any]) -> tuple[float, float]:
    return each["value"] - each["low"], each["high"] - each["value"]


def _arms(each: Mapping[str, Any]) -> list[list[float]]:
    low, high = _arm(each)
    return [[low], [high]]


def pairs_caption(result: Result) -> str:
    """What the figure claims."""
    whole = only(result["summary"]["recall"], case="pairs", arrangement="together", of="all")
    return f"In one memory {words(whole)} of the cross-modal pairs come back (bars: 95 % intervals; dashed: the goal)"


DRAWINGS = (Drawing("pairs", draw_pairs, pairs_caption),)
