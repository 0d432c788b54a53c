"""How a result of the slots study is judged and drawn, from its summary alone."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from analyses.common.claim import Drawing, Result, Status, Table, Verdict
from analyses.common.recall import only, where
from analyses.common.words import words
from memlens.figures.style import ACTION_COLOUR, INK, NULL_COLOUR, label, percent, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

#: Least accuracy with so many slots and facts in a segment.
GOAL, GOAL_AT = 0.995, {"n_slots": 32, "n_fact": 24}
#: The controller under which groupings are judged: it merges whatever overflows.
MERGING = "importance"
#: A threshold costs nothing where the interval of what is lost stays below this; it is worth having from so many writes saved on.
COST, SAVED = 0.02, 0.5
STATED = (
    "32 slots keep 24 facts of 512 positions at 99.5 %. Merging entries by how alike their attention is recalls more than merging at "
    "random, levels recall more than as many places at level 0 alone, and an importance threshold saves half of the writes at no loss."
)
COLOURS = tuple(ACTION_COLOUR.values())


def tests(summary: Mapping[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    """What the claim says, one by one: what, expected, found, met."""
    slots = only(summary["slots"], **GOAL_AT)
    yield f"{GOAL_AT['n_fact']} facts in {GOAL_AT['n_slots']} slots", f">= {GOAL}", words(slots), slots["value"] >= GOAL
    random = only(summary["grouping"], policy=MERGING, grouping="random")["behind"]
    yield f"grouping by attention ahead of random, controller {MERGING}", "> 0", words(random), random["low"] > 0
    best = best_split(summary)
    yield (
        f"levels {_split(best)} ahead of as many places at level 0", "> 0", words(best["ahead"]), best["ahead"]["low"] > 0
    )  # fmt: skip
    free = best_threshold(summary)
    yield f"writes saved at no loss (at most {COST})", f">= {SAVED}", _saved(free), free["saved"] >= SAVED


def best_split(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    """The split that is ahead most of as many places at level 0, in the tightest store."""
    least = min(each["total"] for each in summary["levels"])
    return max(where(summary["levels"], total=least), key=lambda each: each["ahead"]["value"])


def best_threshold(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    """The threshold that saves most writes of those that cost nothing; None is always among them."""
    free = [each for each in summary["events"] if each["lost"]["high"] <= COST]
    return max(free, key=lambda each: each["saved"])


def verdict(result: Result) -> Verdict:
    """Holds: all tests are met. Under conditions: the slots' goal is."""
    summary = result["summary"]
    every = list(tests(summary))
    met = [test[-1] for test in every]
    status: Status = "holds" if all(met) else "holds under conditions" if met[0] else "does not hold"
    missed = "; ".join(f"{what}: {found}, expected {expected}" for what, expected, found, right in every if not right)
    free, own = best_threshold(summary), result["config"]["model"]["capacities"]
    sentences = [
        f"{sum(met)} of {len(every)} tests are met." + (f" Not met: {missed}." if missed else ""),
        f"Slots, by k, {GOAL_AT['n_fact']} facts in a segment: {_by_slots(where(summary['slots'], n_fact=GOAL_AT['n_fact']))}. "
        f"Over a longer stream: {_by_slots(summary['stream'])}. The model was trained with {result['config']['model']['n_slots']}.",
        f"Grouping, a store of {_places(result['config']['tight'])}: {'; '.join(map(_grouping, summary['grouping']))}. "
        "The cosine is of what comes back from a merge to what went in.",
        f"Levels: the model's own split is {_places(own)}. {'; '.join(map(_level, summary['levels']))}.",
        f"Events: {_saved(free)}.",
        "Sizes are changed in one trained model: a model trained with another size may do better at it.",
    ]
    return Verdict(status, tuple(sentences), (_slots(summary), _events(summary)))


def _places(split: Any) -> str:
    return " + ".join(str(places) for places in split)


def _split(each: Mapping[str, Any]) -> str:
    return _places(each["split"])


def _by_slots(found: list[Mapping[str, Any]]) -> str:
    return ", ".join(f"{each['n_slots']}: {words(each)}" for each in found)


def _grouping(each: Mapping[str, Any]) -> str:
    cosine = "nothing was merged" if each["cosine"] is None else f"cosine {words(each['cosine'])}"
    return f"controller {each['policy']}, {each['grouping']}: {words(each)}, {each['merges']:.2g} merges a segment, {cosine}"


def _level(each: Mapping[str, Any]) -> str:
    return f"{_split(each)}: {words(each)}"


def _saved(each: Mapping[str, Any]) -> str:
    if each["threshold"] is None:
        return "no threshold is free of loss"
    return (
        f"{percent(each['saved'])} of the writes saved at a threshold of {each['threshold']:g} nats, {percent(each['silent'])} of the "
        f"segments write nothing, accuracy lost {words(each['lost'])}"
    )


def _slots(summary: Mapping[str, Any]) -> Table:
    """Accuracy by slots and facts."""
    facts = sorted({each["n_fact"] for each in summary["slots"]})
    slots = sorted({each["n_slots"] for each in summary["slots"]})
    rows = (
        (f"{k}", *(words(only(summary["slots"], n_slots=k, n_fact=n)) for n in facts), words(only(summary["stream"], n_slots=k)))
        for k in slots
    )  # fmt: skip
    return Table(("slots", *(f"{n} facts in a segment" for n in facts), "longer stream"), tuple(rows))


def _events(summary: Mapping[str, Any]) -> Table:
    """What each threshold saves and costs."""
    rows = (
        ("none" if each["threshold"] is None else f"{each['threshold']:g}", percent(each["saved"]), percent(each["silent"]),
         words(each), words(each["lost"]))
        for each in summary["events"]
    )  # fmt: skip
    return Table(("threshold (nats)", "writes saved", "segments that write nothing", "accuracy", "lost"), tuple(rows))


# figures


def draw_sizes(result: Result) -> "Sheet":
    """A panel a part."""
    summary = result["summary"]
    page, panels = sheet(columns=2, rows=2, width=11, height=8)
    facts = sorted({each["n_fact"] for each in summary["slots"]})
    for i, n in enumerate(facts):
        found = where(summary["slots"], n_fact=n)
        _points(panels[0], [each["n_slots"] for each in found], found, COLOURS[i], f"{n} facts in a segment")
    _points(panels[0], [each["n_slots"] for each in summary["stream"]], summary["stream"], NULL_COLOUR, "longer stream")
    panels[0].set_xscale("log", base=2)
    panels[0].set_xticks(sorted({each["n_slots"] for each in summary["slots"]}))
    panels[0].xaxis.set_major_formatter("{x:.0f}")
    label(panels[0], "Slots", "context slots a segment", "accuracy")
    names = list(dict.fromkeys(each["grouping"] for each in summary["grouping"]))
    for i, policy in enumerate(dict.fromkeys(each["policy"] for each in summary["grouping"])):
        found = where(summary["grouping"], policy=policy)
        x = [names.index(each["grouping"]) + 0.1 * (i - 0.5) for each in found]
        _points(panels[1], x, found, COLOURS[i], f"controller {policy}", line=False)
    panels[1].set_xticks(range(len(names)), names)
    label(panels[1], f"Grouping, store of {_places(result['config']['tight'])}", "merged with", "accuracy")
    for i, total in enumerate(sorted({each["total"] for each in summary["levels"]}, reverse=True)):
        found = where(summary["levels"], total=total)
        x = [each["split"][0] / each["total"] for each in found]
        _points(panels[2], x, found, COLOURS[i], f"about {total} places" if i < 4 else "")
    label(panels[2], "Levels", "share of the places at level 0", "accuracy")
    found = sorted(summary["events"], key=lambda each: each["saved"])
    _points(panels[3], [each["saved"] for each in found], found, COLOURS[0], "thresholds")
    label(panels[3], "Events", "share of the writes saved", "accuracy")
    for axes in panels:
        axes.set_ylim(-0.03, 1.05)
        axes.legend(fontsize=8.5, frameon=False, loc="lower right")
    seeds = len(result["provenance"]["seeds"])
    page.suptitle(f"One trained model at other sizes, {seeds} seeds", fontsize=12.5, x=0.01, ha="left", color=INK)
    return page


def _points(
    axes: "Axes", x: list[float], found: list[Mapping[str, Any]], colour: str, name: str, line: bool = True
) -> None:
    """Accuracies with their intervals."""
    arms = [[each["value"] - each["low"] for each in found], [each["high"] - each["value"] for each in found]]
    style = "o-" if line else "o"
    axes.errorbar(
        x, [each["value"] for each in found], arms, fmt=style, color=colour, capsize=3, linewidth=1.3, label=name
    )


def sizes_caption(result: Result) -> str:
    """What the figure claims."""
    slots = only(result["summary"]["slots"], **GOAL_AT)
    return (
        f"{GOAL_AT['n_slots']} slots give {words(slots)} of {GOAL_AT['n_fact']} facts in 512 positions back; other panels change grouping, "
        "levels and threshold (bars: 95 % intervals)"
    )


DRAWINGS = (Drawing("sizes", draw_sizes, sizes_caption),)
