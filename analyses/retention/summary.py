"""What the rows of the retention study come to: accuracies by length, distance and depth, and what each part's absence costs.

A condition is named by what is taken away (hooks.py, "nothing" for the memory as it is) or is a baseline's name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from analyses.common.recall import accuracy, contrast, right
from analyses.retention.hooks import FULL
from memlens.stats.bootstrap import paired_bootstrap

#: Streams from this length on are long: those in which recall is to be flat in depth.
LONG = 100_000
#: Parts of a stream that are compared, as shares of its length.
FIRST, LAST = (0.0, 0.2), (0.8, 1.0)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """The answers of one condition over the streams of one kind and length: a group a seed, with what is known of each question."""

    right: list[np.ndarray]
    distance: list[np.ndarray]
    depth: list[np.ndarray]
    group: list[np.ndarray]
    seeds: tuple[int, ...]

    def at(self, mask: list[np.ndarray]) -> list[np.ndarray]:
        """Answers where a mask holds, a group a seed; seeds without any are left out."""
        picked = [values[where] for values, where in zip(self.right, mask, strict=True)]
        return [values for values in picked if values.size]

    def deep(self, span: tuple[float, float]) -> list[np.ndarray]:
        """Answers about facts in a part of the stream, a group a seed."""
        low, high = span
        return [
            values[(depth >= low) & ((depth < high) | (high == 1))]
            for values, depth in zip(self.right, self.depth, strict=True)
        ]


def summarise(rows: Sequence[Row], config: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that verdict and figures are made from."""
    found = {key: asked_of(rows, *key) for key in keys(rows)}
    needle = {key[1:]: asked for key, asked in found.items() if key[0] == "needle"}
    return {
        "recall": [
            {"variant": variant, "length": length, "without": condition, "of": group, **accuracy(values)}
            for (variant, length, condition), asked in found.items()
            for group, values in groups(asked)
        ],
        "lost": [
            {"length": length, "without": condition, **paired_bootstrap(needle[length, FULL].right, asked.right)}
            for (length, condition), asked in needle.items()
            if condition != FULL
        ],
        "distance": [
            {"length": length, "without": condition, **part}
            for (length, condition), asked in needle.items()
            for part in by_distance(asked, length)
        ],
        "depth": [
            {"length": length, **part}
            for (length, condition), asked in needle.items()
            if condition == FULL
            for part in by_depth(asked)
        ],
        "slope": slopes({length: asked for (length, condition), asked in needle.items() if condition == FULL}),
        "untrained": [name for name, sizes in config["baselines"].items() if sizes is None],
    }


def keys(rows: Sequence[Row]) -> list[tuple[str, int, str]]:
    """(variant, length, condition) of all answers, in the order of the rows, each once."""
    every = [(row["variant"], row["length"], name) for row in rows for name in row.get("answers", ())]
    return list(dict.fromkeys(every))


def asked_of(rows: Sequence[Row], variant: str, length: int, condition: str) -> Asked:
    """The answers of a condition, by ascending seeds."""
    here = [row for row in rows if (row["variant"], row["length"]) == (variant, length)]
    answers = {row["seed"]: row["answers"][condition] for row in here if condition in row.get("answers", ())}
    known = {row["seed"]: row for row in here if "distance" in row}
    seeds = tuple(sorted(answers))
    return Asked(
        right=[right(answers[seed]) for seed in seeds],
        distance=[np.array(known[seed]["distance"]) for seed in seeds],
        depth=[np.array(known[seed]["depth"]) for seed in seeds],
        group=[np.array(known[seed]["group"]) for seed in seeds],
        seeds=seeds,
    )


def groups(asked: Asked) -> Iterator[tuple[str, list[np.ndarray]]]:
    """All answers as "all", then those of each group of questions that the task sets apart."""
    yield "all", asked.right
    for name in sorted({str(name) for each in asked.group for name in each} - {""}):
        yield name, asked.at([each == name for each in asked.group])


def by_distance(asked: Asked, length: int) -> Iterator[dict[str, Any]]:
    """An accuracy a bin of distance (memlens.training.scores) that holds questions; the last bin ends with the stream."""
    from memlens.training.scores import distance_edges

    edges = [*distance_edges(length), length + 1]
    for low, high in pairwise(edges):
        values = asked.at([(each >= low) & (each < high) for each in asked.distance])
        if values:
            yield {"from": low, "to": high, **accuracy(values)}


def by_depth(asked: Asked) -> Iterator[dict[str, Any]]:
    """An accuracy a tenth of the stream that holds facts."""
    for tenth in range(10):
        values = asked.at([np.minimum((each * 10).astype(int), 9) == tenth for each in asked.depth])
        if values:
            yield {"tenth": tenth, **accuracy(values)}


def slopes(full: Mapping[int, Asked]) -> list[dict[str, Any]]:
    """Accuracy in the first fifth minus that in the last: at each length, and at "long" over all long lengths that every seed has."""
    most = max(len(asked.seeds) for asked in full.values())
    long = [asked for length, asked in full.items() if length >= LONG and len(asked.seeds) == most]
    found = [
        {"length": length, **contrast(asked.deep(FIRST), asked.deep(LAST))}
        for length, asked in full.items()
        if any(a.size and b.size for a, b in zip(asked.deep(FIRST), asked.deep(LAST), strict=True))
    ]
    if long:
        sides = [
            [np.concatenate(each) for each in zip(*(asked.deep(span) for asked in long), strict=True)]
            for span in (FIRST, LAST)
        ]
        found.append({"length": "long", **contrast(sides[0], sides[1])})
    return found
