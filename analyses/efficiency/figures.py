"""The figures of the efficiency study, from its summary alone."""

from typing import TYPE_CHECKING

from analyses.common.claim import Drawing, Result
from analyses.efficiency.verdict import MEASURES, PASS, SETTING, Gain, gain_words, longest_run, pick, short
from memlens.figures.style import ACTION_COLOUR, INK, NULL_COLOUR, label, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

#: Measures with a panel each.
PANELS = ("flops", "seconds", "interactions", "bytes")
#: Okabe and Ito's palette, in the order of memlens/figures/style.py.
COLOURS = tuple(ACTION_COLOUR.values())
READER_COLOUR = {"attention": COLOURS[3], "memory": COLOURS[0]}


def draw_gains(result: Result) -> "Sheet":
    """The gain over the context's length, a panel a measure, a line a number of questions."""
    gains, counts = result["summary"]["gains"], result["config"]["counts"]
    seeds = len(result["provenance"]["seeds"])
    page, panels = sheet(columns=2, rows=2, width=10, height=7.6, sharex=True, sharey=True)
    for axes, measure in zip(panels, PANELS, strict=True):
        name = MEASURES[measure]
        for colour, count in zip(COLOURS, counts, strict=True):
            found = pick(gains, measure=measure, question=SETTING["question"], count=count)
            _line(axes, found, colour, f"n = {count:,}")
            if measure == "bytes":
                break  # the same whatever is asked
        axes.axhline(PASS, color=NULL_COLOUR, linewidth=1.2, linestyle="--")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        label(axes, f"{name[0].upper()}{name[1:]}", "", "attention's cost / memory's")
    for axes in panels[2:]:
        axes.set_xlabel("context L (tokens, K = 1,024)", fontsize=10, color=INK)
    _ticks(panels[0], [g["length"] for g in pick(gains, measure="bytes", **SETTING)])
    panels[0].text(0.98, PASS * 1.08, f"{PASS}", color=NULL_COLOUR, fontsize=9, ha="right",
                   transform=panels[0].get_yaxis_transform())  # fmt: skip
    _keys(panels[0], [f"n = {count:,} questions" for count in counts])
    title = f"Gain of memory over plain attention, q = {SETTING['question']} tokens, {seeds} seeds"
    page.suptitle(title, fontsize=12.5, x=0.01, ha="left", color=INK)
    return page


def _line(axes: "Axes", found: list[Gain], colour: str, name: str) -> None:
    """What was run or counted as full marks, what was computed as open ones, with intervals."""
    x, y = [g["length"] for g in found], [g["value"] for g in found]
    axes.plot(x, y, color=colour, linewidth=1.5, label=name)
    axes.fill_between(x, [g["low"] for g in found], [g["high"] for g in found], color=colour, alpha=0.2, linewidth=0)
    for computed in (False, True):
        some = [g for g in found if (g["basis"] == "computed") == computed]
        axes.plot(
            [g["length"] for g in some], [g["value"] for g in some], "o", color=colour, markersize=4.5,
            markerfacecolor="white" if computed else colour,
        )  # fmt: skip


def _keys(axes: "Axes", names: list[str]) -> None:
    """The legend: colours, then marks."""
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=colour, linewidth=1.5) for colour in COLOURS[: len(names)]]
    marks = [
        Line2D([], [], color=INK, marker="o", linestyle="", markersize=4.5, markerfacecolor=face)
        for face in (INK, "white")
    ]
    axes.legend([*lines, *marks], [*names, "run or counted", "computed"], fontsize=8.5, frameon=False, loc="upper left")


def _ticks(axes: "Axes", lengths: list[int]) -> None:
    """Every other length by its short name, and the last."""
    shown = [*lengths[:-1:2], lengths[-1]]
    axes.set_xticks(shown, [short(n) for n in shown])
    axes.minorticks_off()


def gains_caption(result: Result) -> str:
    """What the figure claims."""
    gains = result["summary"]["gains"]
    [far] = [g for g in pick(gains, measure="seconds", **SETTING) if g["length"] == longest_run(gains)]
    return (
        f"The gain grows with the context: at {short(far['length'])} tokens and n = {SETTING['count']} memory takes {gain_words(far)} "
        "times less wall time (bands: 95 % intervals over seeds)"
    )


def draw_costs(result: Result) -> "Sheet":
    """What each reader pays: encoding, one question, bytes."""
    curves, lengths = result["summary"]["curves"], result["config"]["lengths"]
    seeds = len(result["provenance"]["seeds"])
    page, panels = sheet(columns=3, width=11, height=3.9)
    shown = (
        ({"encode_cpu": ""}, "Encoding the context", "processor time (s)"),
        ({"ask_cpu": ""}, f"One question of {SETTING['question']} tokens", "processor time (s)"),
        ({"held_bytes": ", read", "peak_bytes": ", peak"}, "Bytes: read by questions, peak", "bytes"),
    )
    for axes, (costs, title, unit) in zip(panels, shown, strict=True):
        for (cost, part), style in zip(costs.items(), ("-", ":"), strict=False):
            for reader, colour in READER_COLOUR.items():
                found = pick(curves, cost=cost, reader=reader)
                axes.plot(lengths, [c["value"] for c in found], f"o{style}", color=colour, markersize=4, linewidth=1.5,
                          label=f"{reader}{part}")  # fmt: skip
                axes.fill_between(lengths, [c["low"] for c in found], [c["high"] for c in found], color=colour, alpha=0.2,
                                  linewidth=0)  # fmt: skip
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        _ticks(axes, lengths)
        label(axes, title, "context L (tokens, K = 1,024)", unit)
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** 0.35)  # room for the legend
        axes.legend(fontsize=8.5, frameon=False, loc="upper left")
    title = f"What each reader pays, as run on one thread, {seeds} seeds"
    page.suptitle(title, fontsize=12.5, x=0.01, ha="left", color=INK)
    return page


def costs_caption(result: Result) -> str:
    """What the figure claims."""
    curves = [c for c in result["summary"]["curves"] if c["cost"] == "ask_cpu"]
    longest = max(c["length"] for c in curves)
    far = {c["reader"]: c for c in curves if c["length"] == longest}
    return (
        f"A question costs memory the same at any length, and attention more with each token: {1e3 * far['memory']['value']:.1f} ms of "
        f"processor time against {1e3 * far['attention']['value']:.0f} ms at {short(longest)} tokens (medians, bands: 95 % intervals)"
    )


DRAWINGS = (Drawing("gains", draw_gains, gains_caption), Drawing("costs", draw_costs, costs_caption))
