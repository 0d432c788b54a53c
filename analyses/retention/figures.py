"""Figures of the retention study, from its summary alone."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analyses.common.claim import Drawing, Result
from analyses.common.recall import where
from analyses.common.words import words
from analyses.retention.hooks import ALL_ALONG, AT_QUESTIONS, FULL, POLICIES, named_policy
from analyses.retention.verdict import GOALS
from memlens.figures.style import ACTION_COLOUR, INK, NULL_COLOUR, label, sheet, spans, tokens

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

#: Okabe and Ito's palette: the memory as it is in ink, what is taken away in colour.
COLOURS = (*ACTION_COLOUR.values(), "#CC79A7", "#56B4E9", "#7F6000", "#8A8A8A")
MARKS = "osD^vPX*"
PARTS = (FULL, *AT_QUESTIONS, *ALL_ALONG)
HEURISTICS = tuple(named_policy(policy) for policy in POLICIES)
#: The first edge of a distance bin after 0 (memlens.training.scores).
FIRST_EDGE = 512
Found = Sequence[Mapping[str, Any]]


def draw_length(result: Result) -> "Sheet":
    """Accuracy over the length of the stream: parts taken away, then heuristics and baselines."""
    recall = where(result["summary"]["recall"], variant="needle", of="all")
    page, panels = sheet(columns=2, width=11, height=4.8, sharey=True)
    others = (FULL, *HEURISTICS, *result["config"]["baselines"])
    for axes, names, title in (
        (panels[0], PARTS, "A part taken away"),
        (panels[1], others, "Another controller, or a baseline"),
    ):
        for i, name in enumerate(names):
            found = sorted(where(recall, without=name), key=lambda each: each["length"])
            _line(axes, [each["length"] for each in found], found, i, _said(name, result))
        axes.set_xscale("log")
        _lengths(axes, sorted({each["length"] for each in recall}))
        label(axes, title, "length of the stream (tokens)", "accuracy")
        axes.legend(fontsize=8.5, frameon=False, loc="upper left", bbox_to_anchor=(0, -0.16), ncols=3)
    _accuracy(panels[0])
    _title(page, result, f"{result['config']['n_fact']} facts, asked for at the end")
    return page


def length_caption(result: Result) -> str:
    """What the figure claims."""
    full = where(result["summary"]["recall"], variant="needle", of="all", without=FULL)
    far = max(full, key=lambda each: each["length"])
    return f"Over {tokens(far['length'])} tokens {words(far)} of the facts come back (bands: 95 % intervals)"


def draw_distance(result: Result) -> "Sheet":
    """Accuracy by distance: the memory as it is at each length, and each condition at the longest that all ran."""
    accuracies = result["summary"]["distance"]
    page, panels = sheet(columns=2, width=11, height=4.8, sharey=True)
    full = where(accuracies, without=FULL)
    for i, length in enumerate(sorted({each["length"] for each in full})):
        _bins(panels[0], where(full, length=length), i + 1, tokens(length))
    _edges(panels[0], full)
    label(panels[0], "The memory as it is, by length", "distance of the fact (tokens)", "accuracy")
    longest = _longest_ablated(result)
    names = [*PARTS, named_policy("fifo"), *result["config"]["baselines"]]
    for i, name in enumerate(names):
        _bins(panels[1], where(accuracies, without=name, length=longest), i, _said(name, result))
    _edges(panels[1], where(accuracies, length=longest))
    label(panels[1], f"Over {tokens(longest)} tokens", "distance of the fact (tokens)", "accuracy")
    _accuracy(panels[0])
    for axes in panels:
        axes.legend(fontsize=8.5, frameon=False, loc="upper left", bbox_to_anchor=(0, -0.3), ncols=3)
    _title(page, result, "Recall by distance, bins of a factor of four")
    return page


def distance_caption(result: Result) -> str:
    """What the figure claims."""
    longest = _longest_ablated(result)
    full = where(result["summary"]["distance"], without=FULL, length=longest)
    last = max(full, key=lambda each: each["from"])
    return (
        f"Facts {tokens(last['from'])} to {tokens(longest)} tokens back are recalled at {words(last)} by the memory as it is (bars: 95 % "
        "intervals)"
    )


def draw_depth(result: Result) -> "Sheet":
    """Accuracy by tenth of the stream."""
    accuracies = result["summary"]["depth"]
    page, [axes] = sheet(columns=1, width=7.5, height=4.2)
    lengths = sorted({each["length"] for each in accuracies})
    for i, length in enumerate(lengths):
        found = where(accuracies, length=length)
        x = [each["tenth"] + 0.5 + 0.08 * (i - len(lengths) / 2) for each in found]
        _line(axes, x, found, i + 1, tokens(length), bars=True)
    axes.set_xticks(range(11), [f"{tenth / 10:.1f}" for tenth in range(11)])
    label(axes, "The memory as it is, by length of the stream", "depth of the fact (share of the stream)", "accuracy")
    axes.legend(fontsize=8.5, frameon=False, loc="lower right", ncols=3)
    _accuracy(axes)
    _title(page, result, "Recall by depth")
    return page


def depth_caption(result: Result) -> str:
    """What the figure claims."""
    slope = result["summary"]["slope"][-1]
    at = "100K tokens and more" if slope["length"] == "long" else f"{tokens(slope['length'])} tokens"
    return f"Over streams of {at}, accuracy in the first fifth minus that in the last is {words(slope)} (bars: 95 % intervals)"


def _longest_ablated(result: Result) -> int:
    """The longest streams in which a part was taken away all along."""
    return max(each["length"] for each in where(result["summary"]["distance"], without=ALL_ALONG[0]))


def _said(name: str, result: Result) -> str:
    if name in result["config"]["baselines"]:
        return f"baseline {name}"
    return "the memory as it is" if name == FULL else f"without {name}"


def _line(axes: "Axes", x: Sequence[float], found: Found, i: int, name: str, bars: bool = False) -> None:
    """One condition with its intervals; the first is the memory as it is."""
    if not found:
        return
    colour = INK if i == 0 else COLOURS[(i - 1) % len(COLOURS)]
    y = [each["value"] for each in found]
    axes.plot(x, y, color=colour, marker=MARKS[i % len(MARKS)], markersize=4.5, linewidth=1.5, label=name)
    low, high = [each["low"] for each in found], [each["high"] for each in found]
    if bars:
        axes.vlines(x, low, high, color=colour, linewidth=1)
    else:
        axes.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)


def _bins(axes: "Axes", found: Found, i: int, name: str) -> None:
    """Accuracies of distance bins, a little apart from those of other conditions."""
    _line(axes, [_number(each["from"]) + 0.05 * (i - 3) for each in found], found, i, name, bars=True)


def _number(start: int) -> int:
    """Which bin starts at a distance: 0, then 512, 2048, 8192, ..."""
    return 0 if start == 0 else 1 + (start // FIRST_EDGE).bit_length() // 2


def _edges(axes: "Axes", found: Found) -> None:
    """Ticks at the bins, with their spans."""
    edges = [0, *(FIRST_EDGE * 4**i for i in range(_number(max(each["from"] for each in found)) + 1))]
    axes.set_xticks(range(len(edges) - 1), spans(edges[:-1], edges[1:]), fontsize=8, rotation=30)


def _lengths(axes: "Axes", lengths: Sequence[int]) -> None:
    """Ticks at the lengths."""
    axes.set_xticks(lengths, [tokens(length) for length in lengths])
    axes.minorticks_off()


def _accuracy(axes: "Axes") -> None:
    """From 0 to 1, the goal dashed."""
    axes.set_ylim(-0.03, 1.05)
    axes.axhline(min(GOALS.values()), color=NULL_COLOUR, linewidth=1, linestyle="--")


def _title(page: "Sheet", result: Result, what: str) -> None:
    seeds = len(result["provenance"]["seeds"])
    page.suptitle(f"{what}, {seeds} seeds", fontsize=12.5, x=0.01, ha="left", color=INK)


DRAWINGS = (
    Drawing("length", draw_length, length_caption),
    Drawing("distance", draw_distance, distance_caption),
    Drawing("depth", draw_depth, depth_caption),
)
