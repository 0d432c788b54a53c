"""Go back to a moment of a recording and go on from there: with the same weights, bit for bit the same."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from memlens.errors import RecordingError
from memlens.model.model import MemoryModel
from memlens.model.outputs import MemoryState
from memlens.model.run import Change, Result, run
from memlens.recording.reader import Recording
from memlens.recording.schema import decoded
from memlens.streams.encoded import EncodedStream


def state_before(
    recording: Recording, model: MemoryModel, segment: int
) -> tuple[list[EncodedStream], int, MemoryState]:
    """The streams, and the kept state nearest before a segment: the segment that it is the state before, and the state.

    Raises
    ------
    RecordingError
        When the model is not the one that the recording was made with, or the segment or a state is not in the recording.
    """
    refuse_other(recording, model)
    streams = recording.streams()
    known = recording.segments["segment"].values
    if not known[0] <= segment <= known[-1]:
        raise RecordingError(
            f"'{recording.path}' has no segment {segment}; it has segments {known[0]} to {known[-1]}: give one of these"
        )
    first, arrays = recording.state(segment)
    named = {name: torch.tensor(value).to(model.device) for name, value in arrays.items()}
    return streams, first, model.initial_state(len(streams)).filled(named)


def refuse_other(recording: Recording, model: MemoryModel) -> None:
    """RecordingError, naming what differs, when the recording was made with other weights, sizes or policy."""
    attrs = recording.attrs
    sizes, own = decoded(attrs.get("model_config"), {}), json.loads(model.cfg.model_dump_json())
    differ = [f"{name} {sizes.get(name)} (here {own[name]})" for name in own if own[name] != sizes.get(name) and name != "policy"]
    if attrs.get("weights_sha256") != model.sha256:
        differ.append(f"weights {_short(attrs.get('weights_sha256'))} (here {_short(model.sha256)})")
    if attrs.get("policy") != model.policy_name:
        differ.append(f"policy {attrs.get('policy')} (here {model.policy_name})")
    if differ:
        raise RecordingError(
            f"'{recording.path}' was made by model '{attrs.get('model')}' with {', '.join(differ)}: give that model"
        )


def _short(sha256: Any) -> str:
    return f"sha256 {str(sha256)[:12]}" if sha256 else "of no file"
