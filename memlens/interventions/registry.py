"""All kinds of interventions by name, and the way back from JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memlens.errors import InterventionError, closest
from memlens.interventions.base import Intervention
from memlens.interventions.control import Forbid, Force, Freeze
from memlens.interventions.edits import Ablate, Clamp, Noise, Patch, Scale, Swap
from memlens.interventions.entries import Drop, Insert
from memlens.recording import Recording
from memlens.recording.format.schema import decoded

REGISTRY: dict[str, type[Intervention]] = {
    kind.kind(): kind for kind in (Ablate, Patch, Clamp, Noise, Swap, Scale, Force, Forbid, Drop, Insert, Freeze)
}


def from_dict(values: Mapping[str, Any]) -> Intervention:
    """An intervention from what ``to_dict`` made.

    Raises
    ------
    InterventionError
        When its kind is missing or unknown; the closest ones are listed.
    ConfigError
        When a value is wrong.
    """
    if not isinstance(values, Mapping) or "kind" not in values:
        raise InterventionError(f"got {values!r}, expected an object with a kind: {', '.join(REGISTRY)}")
    kind = values["kind"]
    if kind not in REGISTRY:
        raise InterventionError(f"no intervention is of kind '{kind}'; {closest(str(kind), REGISTRY)}")
    return REGISTRY[kind](**{str(name): value for name, value in values.items() if name != "kind"})


def load_interventions(path: str | Path) -> list[Intervention]:
    """FactualSegment a JSON file: a list of interventions. InterventionError when it is none."""
    return [from_dict(one) for one in read_json_list(path)]


def read_json_list(path: str | Path) -> list[Any]:
    """FactualSegment a JSON file that holds a list. InterventionError when it does not."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InterventionError(f"no file at '{path}'; give a JSON file that holds a list") from None
    except ValueError as error:
        raise InterventionError(f"'{path}' is no JSON: {error}") from None
    if not isinstance(values, list):
        raise InterventionError(f"'{path}' holds a {type(values).__name__}, expected a list of interventions")
    return values


def interventions_of(recording: Recording) -> list[Intervention]:
    """The interventions that a recording was made with."""
    return [from_dict(one) for one in decoded(recording.attrs.get("interventions"), [])]
