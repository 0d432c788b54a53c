"""How a result of the retention study is judged, from its summary alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analyses.common.claim import Result, Status, Table, Verdict
from analyses.common.recall import where
from analyses.common.words import words
from analyses.retention.hooks import ALL_ALONG, FULL, NO_QUESTION, NO_STORE, POLICIES, named_policy
from memlens.figures.style import tokens

#: Least accuracy of the task as it is, by length, and of near-duplicates and rewrites at ``GROUPS_AT``.
GOALS = {100_000: 0.99, 1_000_000: 0.99, 10_000_000: 0.98}
GROUP_GOAL = 0.95
GROUPS = {"near": "near-duplicate", "rewritten": "rewritten"}
GROUPS_AT = (100_000, 1_000_000)
#: Flat in depth: the interval of (first fifth - last fifth) holds 0, or lies within this of it.
FLAT = 0.05
#: Where parts and baselines are judged: taking one away loses something, with the whole interval.
PARTS_AT = 100_000
PARTS = (NO_STORE, *ALL_ALONG, NO_QUESTION)
STATED = (
    "Over 100K and 1M tokens of real prose, 99 % of 64 planted facts come back exactly (98 % over 10M), equally well wherever they lie; "
    "near-duplicates and rewrites at 95 %. Store, controller, compression, importance and question memory each carry a part of that, and "
    "neither state-space layers alone nor attention with its window do it."
)


@dataclass(frozen=True)
class Test:
    """One thing that the claim says: what was expected and found, whether it is met (None: not measured), whether it may stay open."""

    what: str
    expected: str
    found: str
    met: bool | None
    optional: bool = False


def tests(result: Result) -> Iterator[Test]:
    """Everything that the claim says, in its order."""
    summary = result["summary"]
    for length, goal in GOALS.items():
        found = where(summary["recall"], variant="needle", length=length, without=FULL, of="all")
        yield _least(f"needle, {tokens(length)}", goal, found, optional=length == max(GOALS))
    for variant, group in GROUPS.items():
        for length in GROUPS_AT:
            found = where(summary["recall"], variant=variant, length=length, without=FULL, of=group)
            yield _least(f"{group}, {tokens(length)}", GROUP_GOAL, found)
    slope = where(summary["slope"], length="long")
    yield Test(
        "flat in depth: first fifth - last fifth",
        f"0 inside, or within {FLAT}",
        words(slope[0]) if slope else "not measured",
        is_flat(slope[0]) if slope else None,
    )
    for part in PARTS:
        yield _lost(f"without {part}", where(summary["lost"], length=PARTS_AT, without=part))
    best = best_heuristic(summary["lost"], PARTS_AT)
    yield _lost("without the controller: the best heuristic", [] if best is None else [best])
    for name in result["config"]["baselines"]:
        yield _lost(
            f"baseline {name}", where(summary["lost"], length=PARTS_AT, without=name), name in summary["untrained"]
        )


def _least(what: str, goal: float, found: list[Mapping[str, Any]], optional: bool = False) -> Test:
    if not found:
        return Test(what, f">= {goal}", "not measured", None, optional)
    return Test(what, f">= {goal}", words(found[0]), found[0]["value"] >= goal)


def _lost(what: str, found: list[Mapping[str, Any]], untrained: bool = False) -> Test:
    what = f"{what}, {tokens(PARTS_AT)}: accuracy lost"
    if not found:
        return Test(what, "> 0", "not trained yet" if untrained else "not measured", None)
    return Test(what, "> 0", words(found[0]), found[0]["low"] > 0)


def is_flat(slope: Mapping[str, float]) -> bool:
    """Whether an interval holds 0 or lies within ``FLAT`` of it."""
    return slope["low"] <= 0 <= slope["high"] or (slope["low"] >= -FLAT and slope["high"] <= FLAT)


def best_heuristic(lost: list[Mapping[str, Any]], length: int) -> Mapping[str, Any] | None:
    """The heuristic that loses least against the controller at a length; None where none was run."""
    names = {named_policy(policy) for policy in POLICIES}
    found = [each for each in where(lost, length=length) if each["without"] in names]
    return min(found, key=lambda each: each["value"], default=None)


def verdict(result: Result) -> Verdict:
    """Holds: all tests are met; the longest length may stay open. Under conditions: the first is met, recall over 100K tokens."""
    every = list(tests(result))
    core = every[0]
    measured = [test for test in every if test.met is not None]
    status: Status = "does not hold"
    if core.met is None:
        status = "not measured yet"
    elif all(test.met or (test.met is None and test.optional) for test in every):
        status = "holds"
    elif core.met:
        status = "holds under conditions"
    missed = [f"{test.what}: {test.found}, expected {test.expected}" for test in measured if not test.met]
    absent = [f"{test.what.partition(':')[0]} ({test.found})" for test in every if test.met is None]
    summary = result["summary"]
    sentences = [f"{len(measured) - len(missed)} of {len(measured)} tests that were measured are met."]
    if missed:
        sentences.append(f"Not met: {'; '.join(missed)}.")
    if absent:
        sentences.append(f"Left open: {'; '.join(absent)}.")
    sentences += [
        _best(summary["lost"]),
        "Parts are taken away from a model that was trained with them, and nothing is trained again: a loss says what this model rests on, "
        "not what a memory without that part could learn. Without compression the store has fewer places, those of level 0 alone. Zeros "
        "for M_q are vectors that the decoder never met.",
        "Questions of a seed share one stream. Intervals are the wider of a bootstrap over seeds and questions, and Wilson's; losses are "
        "paired by question.",
    ]
    return Verdict(
        status,
        tuple(sentence for sentence in sentences if sentence),
        (_kinds(summary), _conditions(result), _tests(every)),
    )


def _best(lost: list[Mapping[str, Any]]) -> str:
    """How the best heuristic compares at every length."""
    lengths = sorted({each["length"] for each in lost})
    best = {length: found for length in lengths if (found := best_heuristic(lost, length)) is not None}
    if not best:
        return ""
    each = ", ".join(f"{tokens(length)}: {found['without']} {words(found)}" for length, found in best.items())
    return f"Accuracy that the best heuristic loses against the learned controller, by length: {each}."


def _kinds(summary: Mapping[str, Any]) -> Table:
    """Accuracy of the memory as it is."""
    full = where(summary["recall"], without=FULL)
    lengths = sorted({each["length"] for each in full})
    rows = []
    for variant, of in dict.fromkeys((each["variant"], each["of"]) for each in full):
        cells = (where(full, variant=variant, of=of, length=length) for length in lengths)
        rows.append((variant, of, *(words(cell[0]) if cell else "" for cell in cells)))
    return Table(("streams", "questions", *(tokens(length) for length in lengths)), tuple(rows))


def _conditions(result: Result) -> Table:
    """Accuracy on needle with each part taken away, and of the baselines."""
    summary, untrained = result["summary"], result["summary"]["untrained"]
    every = where(summary["recall"], variant="needle", of="all")
    lengths = sorted({each["length"] for each in every if each["without"] != FULL})
    rows = []
    for name in dict.fromkeys(each["without"] for each in every):
        cells = (where(every, without=name, length=length) for length in lengths)
        label = f"baseline {name}" if name in result["config"]["baselines"] else f"without {name}"
        label = "the memory as it is" if name == FULL else label
        rows.append((label, *(words(cell[0]) if cell else "" for cell in cells)))
    rows += [(f"baseline {name}", *("not trained yet" for _ in lengths)) for name in untrained]
    return Table(("needle, all questions", *(tokens(length) for length in lengths)), tuple(rows))


def _tests(every: list[Test]) -> Table:
    """What the claim says, one by one."""
    said = {True: "yes", False: "no", None: "open"}
    return Table(("test", "expected", "found", "met"), tuple((t.what, t.expected, t.found, said[t.met]) for t in every))
