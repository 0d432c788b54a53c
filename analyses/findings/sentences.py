"""Findings in words, from the numbers alone: each with its figure, interval and null, and a condition that decides what it says."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from analyses.findings.losses import ENDS
from analyses.findings.words import (
    LEVEL,
    Finding,
    Rows,
    column,
    counted,
    decided,
    median,
    of,
    refusal,
    settled,
    tally,
    typical,
)

#: Merges, as a share of the slots written, under which the upper levels count as hardly used.
LEAST_MERGED = 0.01


def semantic(rows: Rows) -> list[Finding]:
    """Groups of slots, and what they have to do with modality."""
    run = "builtin"
    told, probes = of(rows, run, "clusters"), of(rows, run, "probe")
    if not told:
        return [Finding(refusal(rows, run, "clusters"), "clusters", run)]
    silhouette, k = column(told, "silhouette"), sorted(set(column(told, "k")))
    groups = decided(
        column(told, "silhouette_p"),
        "Slots fall into groups that one cloud would not show",
        "No groups are found that one cloud would not show",
    )
    text = (
        f"{groups}: the best clustering, k = {' or '.join(map(str, k))}, has a silhouette of {median(silhouette)}; "
        f"clouds of the same covariance "
        f"and tails have {typical(column(told, 'silhouette_null_median'))} in the median and "
        f"{typical(column(told, 'silhouette_null_high'))} at the "
        f"95th percentile. Two clusterings of random 80 % agree by an ARI of {median(column(told, 'stability'))}, of the clouds by "
        f"{typical(column(told, 'stability_null'))}."
    )  # fmt: skip
    matched = decided(
        column(told, "ami_p"),
        "The groups have to do with modality",
        "The groups are not found to have to do with modality",
    )
    ami = column(told, "ami")
    much = "They are far from being the modalities" if max(ami) < 0.5 else "They are close to being the modalities"
    marks = " / ".join(", ".join(_token(token) for token in tokens) or "none" for tokens in told[0]["marks"])
    meaning = (
        f"{matched}: AMI {median(ami)}, shuffled labels at most {typical(column(told, 'ami_null_high'), '{:.3f}')} in "
        f"95 %. {much}. The tokens that "
        f"mark the groups of the first stream: {marks}."
    )  # fmt: skip
    found = [Finding(text, "clusters", run), Finding(meaning, "clusters", run)]
    if probes:
        read = decided(
            column(probes, "p"),
            "A linear probe reads the modality from a slot",
            "No linear probe is found to read the modality from a slot",
        )
        found.append(
            Finding(
                f"{read}: {median(column(probes, 'information'))} bits a slot beyond base rates (shuffled: "
                f"{typical(column(probes, 'information_null_high'))} "
                f"at the 95th percentile), accuracy {median(column(probes, 'score'), '{:.3f}')} where the most frequent class has "
                f"{typical(column(probes, 'majority'), '{:.3f}')}.",
                "probe",
                run,
            )
        )
    return found


def _token(token: str) -> str:
    """A recorded token, safe in a page."""
    shown = "".join(c if c.isprintable() and c not in "`<>|*_[]\\" else "?" for c in token).strip()
    return f"“{shown or '␣'}”"


def levels(rows: Rows) -> list[Finding]:
    """What merging keeps, and whether the model's own policy merges."""
    found = []
    for run in ("builtin", "rewrite"):
        own = of(rows, run, "lineage")
        if own:
            merged, born = [sum(each["born"][1:]) for each in own], [each["born"][0] for each in own]
            hardly = np.median(merged) < LEAST_MERGED * np.median(born)
            used = "the model hardly uses its upper levels" if hardly else "the model uses its upper levels"
            text = f"On {run} {used}: {median(merged, '{:.0f}')} merges of {typical(born, '{:.0f}')} slots written."
            found.append(Finding(text, "lineage", run))
    run = "rewrite"
    told = of(rows, run, "compression")
    if not told:
        return [*found, Finding(refusal(rows, run, "compression"), "compression", run)]
    for level in sorted({row["level"] for each in told for row in each["levels"]} - {0}):
        here = [row for each in told for row in each["levels"] if row["level"] == level]
        kept = decided(
            column(here, "p"), f"Merges of level {level} still say what went into them",
            f"Nothing linear of what went into merges of level {level} is found in them",
        )  # fmt: skip
        text = (
            f"{kept}: the best linear reader explains {median(column(here, 'reconstruction'))} of the slots' variance, "
            f"of merges of another time "
            f"{typical(column(here, 'null_high'))} at the 95th percentile (n = {typical(column(here, 'n'), '{:.0f}')} pairs a stream, "
            f"{typical(column(here, 'rate'))} vectors a slot)."
        )
        probes = [
            _probed(target, [row["probes"][target] for row in here if target in row["probes"]])
            for target in ("modality", "is_fact")
        ]
        found.append(Finding(" ".join([text, *filter(None, probes)]), "compression", run))
    return found


def _probed(target: str, probes: Sequence[Mapping[str, Any]]) -> str:
    known = [each for each in probes if each["before"] is not None and each["after"] is not None]
    if not known:
        return ""
    lost = [each["lost"] for each in known]
    sure = sum(each["lost_low"] is not None and each["lost_low"] > 0 for each in known)
    name = "modality" if target == "modality" else "whether a fact ends in the slot"
    verdict = f"surely less (95 %) in {sure} of {len(known)} streams"
    return (
        f"Of {name}, {median(column(known, 'before'))} bits are read before and {median(column(known, 'after'))} after, {verdict} "
        f"(lost: {median(lost)})."
    )


def controller(rows: Rows) -> list[Finding]:
    """What decides what is kept."""
    run, found = "builtin", []
    told = of(rows, run, "q_network")
    if not told:
        found.append(Finding(refusal(rows, run, "q_network"), "q_network", run))
    else:
        names = list(told[0]["features"])
        weight = {name: np.median([v or 0 for v in column(told, "features", name, "importance")]) for name in names}
        first = sorted(names, key=lambda name: -weight[name])[:3]
        sure = [
            name for name in names
            if tally(column(told, "features", name, "p_adjusted")) == (len(told), len(told))
        ]  # fmt: skip
        shown = "; ".join(
            f"{name.replace('_', ' ')} {median(column(told, 'features', name, 'importance'))}"
            + ("" if name in sure else " (not in every stream)")
            for name in first
        )
        text = (
            f"What Q prefers to keep is explained to {median(column(told, 'explained'))} of its variance (R2 on "
            f"entries held out) by what the controller sees. "
            f"The most goes with {shown}: the loss of R2 when the feature is shuffled, whose null is 0. {len(sure)} of "
            f"{len(names)} features "
            f"matter in every stream (p ≤ {LEVEL}, adjusted). A tree of a few leaves agrees with "
            f"{median(column(told, 'fidelity'), '{:.1%}')} of the "
            f"actions, the most frequent action with {typical(column(told, 'majority'), '{:.1%}')}."
        )
        found.append(Finding(text, "q_network", run))
    factors = of(rows, run, "decision_factors")
    for kind in ("candidate", "resident"):
        tested = {
            name: [each[kind][name] for each in factors if kind in each and each[kind][name]["information"] is not None]
            for name in (factors[0].get(kind, {}) if factors else {})
        }
        parts = [
            f"{name.replace('_', ' ')} {settled(column(own, 'p_adjusted'))}, "
            f"{median(column(own, 'information'))} bits (null {typical(column(own, 'information_null'))})"
            for name, own in tested.items() if own
        ]  # fmt: skip
        if parts:
            found.append(
                Finding(
                    f"Whether decisions on {kind}s depend on a factor (p ≤ {LEVEL}, adjusted, in every stream): {'; '.join(parts)}.",
                    "decision_factors",
                    run,
                )
            )
    found += _calibrated(of(rows, run, "calibration"), run)
    margins = of(rows, run, "margins")
    for kind in ("candidate", "resident"):
        near = [each[kind] for each in margins if kind in each and each[kind]["share"] is not None]
        if near:
            more = all(each["share"] > each["null_high"] for each in near)
            less = all(each["share"] < each["null_low"] for each in near)
            verdict = (
                "more often than"
                if more
                else "less often than"
                if less
                else "about as often as, or not alike in all streams,"
            )
            text = (
                f"Decisions on {kind}s are closer than {margins[0]['limit']:g} nat in "
                f"{median(column(near, 'share'), '{:.1%}')}: {verdict} "
                f"if the actions' values had nothing to do with each other ({typical(column(near, 'null_low'), '{:.1%}')} to "
                f"{typical(column(near, 'null_high'), '{:.1%}')})."
            )
            found.append(Finding(text, "margins", run))
    return found


def _calibrated(told: Sequence[Mapping[str, Any]], run: str) -> list[Finding]:
    if not told:
        return []
    rho = column(told, "rho")
    way = "higher" if np.median(rho) > 0 else "lower"
    known = decided(
        column(told, "p"), f"Entries of {way} Q are read more", "Q is not found to say which entries will be read"
    )
    n = typical(column(told, "families"), "{:.0f}")
    text = f"{known}: rank correlation inside segments {median(rho)}, null 0 (n = {n} families of entries a stream)."
    return [Finding(text, "calibration", run)]


def facts(rows: Rows) -> list[Finding]:
    """How much comes back, and where it was lost."""
    found = []
    for run in [name for name in ("builtin", "needle", "rewrite") if of(rows, name, "retention")]:
        kept, lost = of(rows, run, "retention"), of(rows, run, "losses")
        right, n = sum(column(kept, "right")), sum(column(kept, "n"))
        wrong = {end: sum(column(lost, "wrong", end)) for end in ENDS}
        total = sum(wrong.values())
        chance = typical(column(kept, "chance"), "{:.1%}")
        text = f"On {run}, {counted(right, n)} questions are answered exactly; shuffled answers would reach {chance}."
        if total:
            ranked = sorted((end for end in ENDS if wrong[end]), key=lambda end: -wrong[end])
            right_of = {end: sum(column(lost, "right", end)) for end in ENDS}
            right_total = sum(right_of.values())
            text += " Where the fact of a wrong answer was: " + "; ".join(
                f"{_end(end)} {counted(wrong[end], total)} (of right answers {right_of[end] / max(right_total, 1):.1%})"
                for end in ranked
            ) + "."  # fmt: skip
        else:
            text += " No answer whose fact is known was wrong, so nothing is lost that could be followed."
        way = "rises" if np.median([v or 0 for v in column(kept, "trend")]) > 0 else "falls"
        fall = decided(
            column(kept, "trend_p"),
            f"Being right {way} with distance",
            "Being right is not found to depend on distance",
        )
        text += f" {fall}: rank correlation {median(column(kept, 'trend'))}, null 0."
        found.append(Finding(text, "retention lineage", run))
    told = of(rows, "builtin", "lineage")
    if told:
        way = "more" if np.median(column(told, "held_gap")) > 0 else "less"
        gap = decided(
            column(told, "held_gap_p"), f"Slots that a fact ends in are kept {way} than others",
            "Slots that a fact ends in are not found to be kept more or less than others",
        )  # fmt: skip
        ends = {
            kind: {end: sum(column(told, "ends", kind, end)) for end in told[0]["ends"][kind]}
            for kind in told[0]["ends"]
        }
        stored = {kind: sum(own.values()) - own["never stored"] for kind, own in ends.items()}
        text = (
            f"{gap}: the difference in the share held at the end is {median(column(told, 'held_gap'))}, with shuffled labels "
            f"{typical(column(told, 'held_gap_null_high'))} at the 95th percentile. Stored at all are "
            f"{counted(stored['fact'], sum(ends['fact'].values()))} slots "
            f"with a fact and {counted(stored['no fact'], sum(ends['no fact'].values()))} without; "
            f"{counted(ends['fact']['dropped'], max(stored['fact'], 1))} slots with a fact that were stored were dropped later, and "
            f"{counted(ends['fact']['replaced'], max(stored['fact'], 1))} replaced by one that states it again."
        )
        found.append(Finding(text, "lineage", "builtin"))
    lives = of(rows, "builtin", "survival")
    if lives:
        apart = decided(
            column(lives, "p_fact"),
            "How long an entry lives depends on holding a fact",
            "Entries with a fact are not found to live longer or shorter",
        )
        parts = [
            f"half-life {name} {median(column([each for each in lives if name in each], name, 'half_life'), '{:.0f}')} segments"
            for name in ("fact", "no fact")
        ]
        found.append(
            Finding(
                f"{apart}, log-rank, adjusted: {', '.join(parts)} (n/a: fewer than half died).", "survival", "builtin"
            )
        )
    return found


def _end(end: str) -> str:
    return "read but wrongly decoded" if end == "read" else end


SECTIONS: dict[str, Callable[[Rows], list[Finding]]] = {
    "Are slots grouped by what they mean?": semantic,
    "What do the levels keep?": levels,
    "What does the controller look at?": controller,
    "Where do facts go?": facts,
}
