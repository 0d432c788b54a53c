"""What the rows of the slots study come to, part by part."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analyses.common.recall import accuracy, right, where
from memlens.stats.bootstrap import nested_bootstrap, paired_bootstrap

Row = Mapping[str, Any]
#: What tells the settings of a part apart.
KEYS = {
    "slots": ("n_slots", "n_fact"),
    "stream": ("n_slots",),
    "grouping": ("policy", "grouping"),
    "levels": ("split",),
    "events": ("threshold",),
}


def summarise(rows: Sequence[Row], plan: Mapping[str, Any]) -> dict[str, Any]:
    """A list a part: settings, accuracy with its interval, what was done a segment, and a paired difference.

    ``behind`` is against grouping by attention, ``lost`` against writing everything, ``ahead`` against the split of the same total with
    most places at level 0.
    """
    told: dict[str, Any] = {part: settings(rows, part) for part in KEYS}
    for each in told["grouping"]:
        alike = of(rows, policy=each["policy"], grouping="attention")
        each["behind"] = paired_bootstrap(alike, of(rows, policy=each["policy"], grouping=each["grouping"]))
    whole = where(told["events"], threshold=None)[0]["written"]
    for each in told["events"]:
        each["saved"] = 1 - each["written"] / whole
        each["lost"] = paired_bootstrap(
            of(rows, part="events", threshold=None), of(rows, part="events", threshold=each["threshold"])
        )
    for each in told["levels"]:
        split = each["split"]
        each["total"] = sum(split)
        each["originals"] = sum(places * 2**level for level, places in enumerate(split))
        flat = max((other for other in plan["splits"] if sum(other) == sum(split)), key=lambda other: other[0])
        each["ahead"] = paired_bootstrap(of(rows, split=list(split)), of(rows, split=list(flat)))
    return told


def settings(rows: Sequence[Row], part: str) -> list[dict[str, Any]]:
    """A row for each setting of a part."""
    found = []
    names = KEYS[part]
    mine = where(rows, part=part)
    for key in dict.fromkeys(tuple(_fixed(row[name]) for name in names) for row in mine):
        here = [row for row in mine if tuple(_fixed(row[name]) for name in names) == key]
        n_segment = sum(row["segments"] for row in here)
        each = {
            **dict(zip(names, key, strict=True)),
            **accuracy(by_seed(here)),
            "written": sum(row["written"] for row in here) / n_segment,
            "silent": sum(row["silent"] for row in here) / n_segment,
        }
        if part == "grouping":
            each["merges"] = sum(row["merges"] for row in here) / n_segment
            cosines = [[row["cosine"]] for row in here if row["cosine"] is not None]
            each["cosine"] = nested_bootstrap(cosines) if cosines else None
        found.append(each)
    return found


def _fixed(value: Any) -> Any:
    """A value that can be looked up."""
    return tuple(value) if isinstance(value, list) else value


def by_seed(rows: Sequence[Row]) -> list[np.ndarray]:
    """Answers as 0 and 1, by ascending seeds."""
    return [right(row["answers"]) for row in sorted(rows, key=lambda row: row["seed"])]


def of(rows: Sequence[Row], **wanted: Any) -> list[np.ndarray]:
    """Answers of the rows with these settings, by ascending seeds."""
    return by_seed(where(rows, **wanted))
