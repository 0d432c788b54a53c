"""How a result of the efficiency study is judged, from its summary alone."""

from collections.abc import Iterable, Mapping
from typing import Any

from analyses.common.claim import Result, Table, Verdict
from analyses.common.words import words

#: The gain that is claimed, and the setting in which it is judged first.
PASS = 5.5
SETTING = {"question": 64, "count": 100}
STATED = (
    "At equal parameters, encoding a context and answering questions about it costs at least 5.5 times less than with plain attention. "
    "What 512 positions leave behind, 32 slots, bounds the gain in interactions at 16."
)
#: What was expected of the claim's own count of interactions, at 512 positions into 32 slots, q = 64, encoding paid.
EXPECTED = {1: 0.9, 100: 5.7}

MEASURES = {
    "flops": "FLOPs",
    "seconds": "wall time",
    "cpu": "processor time",
    "interactions": "interactions",
    "bytes": "bytes that questions read",
}
SHOWN = (512, 2048, 8192, 16_384, 131_072, 1_048_576)

LIMITS = (
    "This is the cost of the two models as written, in eager PyTorch on one CPU thread, at random weights: it says nothing about how well "
    "either answers, and other code for attention would shift its wall time."
)

Gain = Mapping[str, Any]


def pick(gains: Iterable[Gain], **wanted: Any) -> list[Gain]:
    """Gains with these values, by length."""
    chosen = [g for g in gains if all(g[key] == value for key, value in wanted.items())]
    return sorted(chosen, key=lambda g: g["length"])


def passes_from(gains: Iterable[Gain]) -> int | None:
    """The least length from which on the whole interval is at ``PASS`` or above; None where the longest fails."""
    start = None
    for gain in sorted(gains, key=lambda g: g["length"], reverse=True):
        if gain["low"] < PASS:
            break
        start = gain["length"]
    return start


def verdict(result: Result) -> Verdict:
    """Holds: at every measure, question, count and length. Under conditions: in ``SETTING`` at every measure from some length on."""
    gains = result["summary"]["gains"]
    starts = {measure: passes_from(pick(gains, measure=measure, **SETTING)) for measure in MEASURES}
    if all(gain["low"] >= PASS for gain in gains):
        status = "holds"
    else:
        status = "holds under conditions" if all(starts.values()) else "does not hold"
    sentences = (
        *_where(gains, starts),
        *_claimed_count(result["summary"]["segment"]),
        _basis(result),
        LIMITS,
    )
    return Verdict(status, sentences, (_lengths(gains), _starts(result)))


def _where(gains: list[Gain], starts: Mapping[str, int | None]) -> tuple[str, ...]:
    """Where the gain is passed, and what it is in one segment."""
    q, n = SETTING["question"], SETTING["count"]
    once = {m: passes_from(pick(gains, measure=m, question=q, count=1)) for m in MEASURES}
    first = pick(gains, **SETTING)[0]["length"]
    here = {m: pick(gains, measure=m, length=first, **SETTING)[0] for m in MEASURES}

    def listed(found: Mapping[str, int | None]) -> str:
        return ", ".join(f"{MEASURES[m]} {_from(start)}" for m, start in found.items())

    return (
        f"With q = {q} tokens a question and n = {n} questions to a context, a gain of {PASS} is passed in {listed(starts)}. "
        f"With one question to a context: {listed(once)}.",
        f"At {first} positions, one segment, where the claim was stated, the gains are: "
        f"{', '.join(f'{MEASURES[m]} {gain_words(gain)}' for m, gain in here.items())}.",
    )


def _claimed_count(part: Mapping[str, Any]) -> tuple[str, ...]:
    """The claim's own count of interactions, and the cache."""
    by_attention = {row["count"]: row["value"] for row in part["one_layer"] if row["attention_encodes"]}
    by_states = {row["count"]: row["value"] for row in part["one_layer"] if not row["attention_encodes"]}
    ours = "; ".join(f"{by_attention[n]:.2f} at n = {n} (expected: {want})" for n, want in EXPECTED.items())
    also = " and ".join(f"{by_states[n]:.2f}" for n in EXPECTED)
    q, bound = SETTING["question"], part["vectors_ratio"]
    return (
        f"By the claim's own count of interactions, one layer over {part['length']} keys against one over {part['slots']} slots, "
        f"q = {q}, both contexts encoded by attention: {ours}. Encoded by state-space layers, which have no such pairs: {also}. "
        f"A question's own tokens meet each other on both sides, so no number of questions takes it past "
        f"{part['one_layer_limit']:.2f}; {bound:.0f} is approached only as questions shrink to a token.",
        f"The cache: {part['slots']} slots in the place of {part['length']} positions are {bound:.0f} times fewer vectors and "
        f"{part['bytes_attention'] / part['bytes_memory']:.0f} times fewer bytes, since one slot stands for keys and values of all "
        "layers. Questions read working memory and the store as well: the tables count these in.",
    )


def _basis(result: Result) -> str:
    """What was compared, how far it was run, and how quiet the machine was."""
    summary, machine = result["summary"], result["provenance"]["machine"]
    sizes = summary["parameters"]
    errors = {(e["measure"], e["reader"]): e for e in summary["fit_errors"]}
    exact, grown, spread = errors["flops", "attention"], errors["cpu", "attention"], errors["flops", "memory"]
    return (
        f"Plain attention has {sizes['attention']:,} parameters, memory {sizes['memory']:,}. Contexts of up to "
        f"{short(longest_run(summary['gains']))} tokens were run, longer ones computed. A fit to the shorter contexts predicts attention's "
        f"cost at the longest that was run within {exact['worst']:.1%} in FLOPs and, in processor time, within "
        f"{grown['median']:.0%} in the median and {grown['worst']:.0%} at worst. Memory's FLOPs differ by up to {spread['worst']:.0%} "
        f"with the levels of what it reads. Load of the machine at the end: {machine['load_average'][0]} on {machine['cpu_count']} cores; "
        "where that is more than one a core, processor time is the steadier of the two."
    )


def short(length: int) -> str:
    """512, 16K, 1M: lengths are powers of two, K is 1,024."""
    for size, unit in ((1024**2, "M"), (1024, "K")):
        if length >= size:
            return f"{length / size:g}{unit}"
    return f"{length}"


def longest_run(gains: Iterable[Gain]) -> int:
    """The longest context that was run."""
    return max(g["length"] for g in gains if g["basis"] == "run")


def _from(start: int | None) -> str:
    return "nowhere" if start is None else f"from {short(start)}"


def gain_words(gain: Gain) -> str:
    """A gain, with its interval where it has one."""
    form = "{:,.1f}" if gain["value"] < 100 else "{:,.0f}"
    return form.format(gain["value"]) if gain["low"] == gain["high"] else words(gain, form)


def _lengths(gains: list[Gain]) -> Table:
    """Gains in the claim's setting at some lengths."""
    there = [n for n in SHOWN if pick(gains, length=n)]
    rows = []
    for measure, name in MEASURES.items():
        found = {g["length"]: g for g in pick(gains, measure=measure, **SETTING)}
        cells = (gain_words(found[n]) + (" *" if found[n]["basis"] == "computed" else "") for n in there)
        rows.append((name, *cells))
    at = f"gain at q = {SETTING['question']}, n = {SETTING['count']} (* computed)"
    return Table((at, *(f"L = {short(n)}" for n in there)), tuple(rows))


def _starts(result: Result) -> Table:
    """From which length on the gain is passed."""
    gains, config = result["summary"]["gains"], result["config"]
    rows = []
    for measure, name in MEASURES.items():
        if measure == "bytes":  # the same whatever is asked
            rows.append(
                (name, "any", *[_from(passes_from(pick(gains, measure=measure, **SETTING)))] * len(config["counts"]))
            )
            continue
        for n_token in config["questions"]:
            found = [
                passes_from(pick(gains, measure=measure, question=n_token, count=count)) for count in config["counts"]
            ]
            rows.append((name, f"{n_token}", *map(_from, found)))
    return Table((f"a gain of {PASS} is passed in", "q", *(f"n = {n:,}" for n in config["counts"])), tuple(rows))
