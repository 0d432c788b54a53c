"""All kinds of interventions by name, and the way back from JSON."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from memlens.errors import ConfigError, InterventionError, closest
from memlens.interventions.base import Intervention
from memlens.interventions.control import Forbid, Force, Freeze
from memlens.interventions.edits import Ablate, Clamp, Noise, Patch, Scale, Swap
from memlens.interventions.entries import Drop, Insert
from memlens.recording import Recording
from memlens.user_input import parse_json

Read = TypeVar("Read")

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
        When a field is unknown, missing or wrong.
    """
    if not isinstance(values, Mapping) or "kind" not in values:
        raise InterventionError(f"got {values!r}, expected an object with a kind: {', '.join(REGISTRY)}")
    kind = str(values["kind"])
    if kind not in REGISTRY:
        raise InterventionError(f"no intervention is of kind '{kind}'; {closest(kind, REGISTRY)}")
    return REGISTRY[kind](**{str(name): value for name, value in values.items() if name != "kind"})


def load_interventions(path: str | Path) -> list[Intervention]:
    """Read a JSON file that holds a list of interventions, as ``to_dict`` gives them.

    Raises
    ------
    InterventionError, ConfigError
        When the file holds something else; the message says at which index.
    """
    return read_json_list(path, from_dict)


def read_json_list(path: str | Path, read: Callable[[Any], Read]) -> list[Read]:
    """Read a JSON file that holds a list.

    Parameters
    ----------
    path : str or Path
        The file.
    read : callable
        Makes something of each item; its InterventionError or ConfigError gets the item's index.

    Returns
    -------
    list
        What ``read`` made of each.

    Raises
    ------
    InterventionError
        When there is no such file, or it holds no list.
    """
    try:
        values = parse_json(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InterventionError(f"no file at '{path}'; give a JSON file that holds a list") from None
    except (OSError, ValueError) as error:
        raise InterventionError(f"'{path}' is not JSON: {error}") from None
    if not isinstance(values, list):
        raise InterventionError(f"'{path}' holds a {type(values).__name__}, expected a list")
    found = []
    for i, value in enumerate(values):
        try:
            found.append(read(value))
        except (InterventionError, ConfigError) as error:
            raise type(error)(f"'{path}', index {i}: {error}") from None
    return found


def interventions_of(recording: Recording) -> list[Intervention]:
    """The interventions that a recording was made with."""
    return [from_dict(one) for one in recording.info.interventions]
