"""Go back to a moment of a recording and go on from there: with the same weights, bit for bit the same."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from memlens.errors import RecordingError
from memlens.model.model import MemoryModel
from memlens.model.run import Change, Result, run
from memlens.model.state import MemoryState
from memlens.recording.capture.record import record
from memlens.recording.capture.resume import restored
from memlens.recording.capture.unseen_entries import Start
from memlens.recording.format.schema import decoded
from memlens.recording.reading.recording import Recording
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
    return streams, first, restored(model.initial_state(len(streams)), arrays)


def refuse_other(recording: Recording, model: MemoryModel) -> None:
    """RecordingError, naming what differs, when the recording was made with other weights, sizes or policy."""
    attrs = recording.attrs
    sizes, own = decoded(attrs.get("model_config"), {}), json.loads(model.cfg.model_dump_json())
    differ = [
        f"{name} {sizes.get(name)} (here {own[name]})"
        for name in own
        if own[name] != sizes.get(name) and name != "policy"
    ]
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


def replay(
    recording: Recording,
    model: MemoryModel,
    from_segment: int,
    path: str | Path | None = None,
    *,
    interventions: Sequence[Change] = (),
    **options: Any,
) -> Recording | Iterator[Result[Any]]:
    """Go on from a segment: see ``Recording.replay``."""
    own = decoded(recording.attrs.get("interventions"), [])
    if [one.to_dict() for one in interventions[: len(own)]] != own:
        raise RecordingError(
            f"'{recording.path}' was made with {len(own)} interventions, which a replay goes on with: give "
            "interventions=[*memlens.interventions.interventions_of(recording), ...]"
        )
    streams, first, state = state_before(recording, model, from_segment)
    before = run(model, streams, state=state, first=first, changes=interventions[: len(own)])
    for result in islice(before, from_segment - first):
        state = result.state
    if path is None:
        return run(model, streams, state=state, first=from_segment, changes=interventions)
    points = decoded(recording.attrs.get("points"), [])
    kept = {
        "points": [f"{p['name']}@{when}" if when else p["name"] for p in points for when in p["at"].split(",")],
        "attention_top": max((p["top"] for p in points), default=0),
        **{name: recording.attrs[name] for name in ("dtype", "states_every", "commit_every")},
    }
    return record(
        model, streams, path, start=Start(from_segment, state), interventions=interventions, parent=recording, **{**kept, **options}
    )  # fmt: skip
