"""Gains of memory over plain attention, from the rows of the efficiency study.

A gain is at a measure, a question length q, a number of questions n and a context length L. Its basis is "run" where L was run,
"computed" where it comes from the fits, "counted" for interactions, which are a formula everywhere.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from memlens.stats.bootstrap import nested_bootstrap

#: Measures that are taken on what is run.
RUN = ("flops", "seconds", "cpu")
READERS = ("attention", "memory")
#: How costs grow with the length L: the powers of L in a fit.
GROWTH = {
    ("encode", "attention"): (1, 2),
    ("ask", "attention"): (0, 1),
    ("encode", "memory"): (1,),
    ("ask", "memory"): (0,),
}
#: Contexts from this length on have filled the store; memory's constant costs are fitted to them, where there are any.
FULL = 4096
#: The question that curves are told for.
USUAL = 64

Row = Mapping[str, Any]
Cost = Callable[[int], float]


def summarise(rows: Sequence[Row], config: Mapping[str, Any]) -> dict[str, Any]:
    """Gains, the curves they come from, errors of the fits, and what one segment is worth."""
    return {
        "parameters": rows[0]["parameters"],
        "gains": gains(rows, config),
        "curves": curves(rows, config),
        "fit_errors": fit_errors(rows),
        "segment": segment(rows, config),
    }


def gains(rows: Sequence[Row], config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One a measure, question length, number of questions and length; with an interval over seeds where seeds differ."""
    told = []
    lengths = [*config["lengths"], *config["computed"]]
    for n_token in config["questions"]:
        for count in config["counts"]:
            for length in lengths:
                basis = "run" if length in config["lengths"] else "computed"
                key = {"question": n_token, "count": count, "length": length}
                for measure in RUN:
                    each = [
                        [total("attention", measure, own, config, **key) / total("memory", measure, own, config, **key)]
                        for own in seeds_of(rows)
                    ]
                    told.append({"measure": measure, **key, "basis": basis, **nested_bootstrap(each, np.median)})
                told.append(
                    {"measure": "interactions", **key, "basis": "counted", **exact(interactions(config, **key))}
                )
                held = held_bytes(rows[-1], length)
                told.append({"measure": "bytes", **key, "basis": basis, **exact(held["attention"] / held["memory"])})
    return told


def exact(value: float) -> dict[str, float]:
    """A value that does not differ between seeds."""
    return {"value": value, "low": value, "high": value}


def seeds_of(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of each seed, by length."""
    grouped: dict[int, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["length"]):
        grouped.setdefault(row["seed"], []).append(row)
    return list(grouped.values())


def total(
    reader: str, measure: str, rows: Sequence[Row], config: Mapping[str, Any], *, question: int, count: int, length: int
) -> float:
    """Cost of encoding once and asking ``count`` times, in the reader's cheaper way; rows are of one seed."""
    one = cost("ask", reader, measure, rows, question, 1)(length)
    if count >= config["batch"]:
        one = min(one, cost("ask", reader, measure, rows, question, config["batch"])(length))
    return cost("encode", reader, measure, rows)(length) + count * one


def cost(part: str, reader: str, measure: str, rows: Sequence[Row], question: int = 0, batch: int = 1) -> Cost:
    """A cost as a function of length: as run where it was run, else by its fit."""
    known = {row["length"]: value(row, part, reader, measure, question, batch) for row in rows}
    powers = GROWTH[part, reader]

    def at(length: int) -> float:
        return known[length] if length in known else fitted(known, powers)(length)

    return at


def value(row: Row, part: str, reader: str, measure: str, question: int, batch: int) -> float:
    """What a row holds of one cost."""
    if part == "encode":
        return row[f"encode_{measure}"][reader]
    [asked] = [a for a in row["asked"] if (a["question"], a["batch"]) == (question, batch)]
    return asked[measure][reader]


def fitted(known: Mapping[int, float], powers: Sequence[int]) -> Cost:
    """Least squares of the relative error over powers of the length."""
    longest = max(known)
    chosen = {n: c for n, c in known.items() if len(powers) > 1 or n >= min(FULL, longest)}
    length = np.array(list(chosen), float)
    spent = np.array(list(chosen.values()))
    columns = np.stack([(length / longest) ** power for power in powers], 1) / spent[:, None]
    weight, *_ = np.linalg.lstsq(columns, np.ones(len(spent)), rcond=None)
    return lambda n: float(sum(w * (n / longest) ** power for w, power in zip(weight, powers, strict=True)))


def fit_errors(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Relative errors of the fits at the longest context that was run, predicted from the shorter ones alone: a row a measure and reader.

    Attention's are errors of its growth. Memory's are how far its cost, which does not grow, differs between contexts: with the levels of
    what happens to be read, and in time with the machine.
    """
    told = []
    for measure in RUN:
        for reader in READERS:
            misses = []
            for *shorter, longest in seeds_of(rows):
                asked = [("ask", a["question"], a["batch"]) for a in longest["asked"]]
                for part, question, batch in [("encode", 0, 1), *asked]:
                    known = {row["length"]: value(row, part, reader, measure, question, batch) for row in shorter}
                    got = value(longest, part, reader, measure, question, batch)
                    misses.append(abs(fitted(known, GROWTH[part, reader])(longest["length"]) / got - 1))
            told.append(
                {"measure": measure, "reader": reader, "median": float(np.median(misses)), "worst": max(misses)}
            )
    return told


def interactions(config: Mapping[str, Any], question: int, count: int, length: int) -> float:
    """The gain in interactions, by the rules of `memlens.analysis.support.costs`."""
    from memlens.analysis.support import attention_costs, costs
    from memlens.config import BaselineConfig, ModelConfig

    attention, memory = BaselineConfig.parse(config["attention"]), ModelConfig.parse(config["memory"])
    n_answer = config["n_answer"]
    plain = attention_costs.attention_interactions(attention, length)
    plain += count * attention_costs.attention_question_interactions(attention, length, question, n_answer)
    slots = costs.memory_interactions(memory, length)
    slots += count * costs.memory_question_interactions(memory, question, n_answer)
    return plain / slots


def held_bytes(row: Row, length: int) -> dict[str, float]:
    """Bytes that questions read at a length: attention's grow with it, memory's do not."""
    held = row["held_bytes"]
    return {"attention": held["attention"]["whole"] / row["length"] * length, "memory": held["memory"]["whole"]}


def curves(rows: Sequence[Row], config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Costs of each reader at each length that was run, over seeds: encoding, one question of the usual length, bytes."""
    told = []
    for length in config["lengths"]:
        here = [row for row in rows if row["length"] == length]
        for reader in READERS:
            for part in ("encode", "ask"):
                for measure in RUN:
                    each = [[value(row, part, reader, measure, USUAL, 1)] for row in here]
                    told.append(
                        {
                            "cost": f"{part}_{measure}",
                            "reader": reader,
                            "length": length,
                            **nested_bootstrap(each, np.median),
                        }
                    )
            told.append(
                {
                    "cost": "held_bytes",
                    "reader": reader,
                    "length": length,
                    **exact(held_bytes(here[-1], length)[reader]),
                }
            )
            peak = max(row["encode_peak_bytes"][reader] for row in here)
            told.append({"cost": "peak_bytes", "reader": reader, "length": length, **exact(peak)})
    return told


def segment(rows: Sequence[Row], config: Mapping[str, Any]) -> dict[str, Any]:
    """One segment into its slots: the setting in which the claim was stated."""
    length, n_slot = config["memory"]["segment_length"], config["memory"]["n_slots"]
    held = rows[-1]["held_bytes"]
    return {
        "length": length,
        "slots": n_slot,
        "vectors_ratio": length / n_slot,
        "bytes_attention": held["attention"]["segment"],
        "bytes_memory": held["memory"]["segment"],
        "one_layer": [
            {"attention_encodes": paid, "count": count, "value": one_layer_ratio(length, n_slot, USUAL, count, attention_encodes=paid)}
            for paid in (True, False)
            for count in config["counts"]
        ],
        "one_layer_limit": (length + USUAL / 2) / (n_slot + USUAL / 2),
    }  # fmt: skip


def one_layer_ratio(length: int, n_slot: int, n_token: int, n_question: int, *, attention_encodes: bool) -> float:
    """The gain in interactions as the claim counts it: one layer of attention over ``length`` keys against one over ``n_slot``.

    [L^2 / 2 + n q (L + q / 2)] / [E + K L + n q (K + q / 2)]: slots are written from all positions, K L; the context is encoded by
    attention on both sides, E = L^2 / 2, or by state-space layers, E = 0.
    """
    encoding = length**2 / 2
    plain = encoding + n_question * n_token * (length + n_token / 2)
    slots = n_slot * length + n_question * n_token * (n_slot + n_token / 2)
    return plain / (slots + (encoding if attention_encodes else 0))
