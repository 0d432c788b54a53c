"""``replay``: go back to a segment of a recording and continue from there; with the same weights, bit for bit the same."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from memlens.calls import checked
from memlens.errors import RecordingError
from memlens.model.model import MemoryModel
from memlens.model.run import Change, Result, run
from memlens.model.state import MemoryState
from memlens.recording.capture.options import RecordOptions
from memlens.recording.capture.record import record_from
from memlens.recording.capture.resume import restored
from memlens.recording.capture.unseen_entries import Start
from memlens.recording.protocol import as_recording
from memlens.recording.reading.recording import Recording
from memlens.streams.encoded import EncodedStream


@checked(recording=Recording, model=MemoryModel, options=RecordOptions)
def replay(
    recording: Recording,
    model: MemoryModel,
    from_segment: int,
    path: str | Path | None = None,
    *,
    interventions: Sequence[Change] = (),
    options: RecordOptions = RecordOptions(),  # noqa: B008 - frozen
) -> Recording | Iterator[Result[Any]]:
    """Go back to a segment of a recording and continue from there, to the end of the stream.

    On the same device, with the same interventions, all numbers are bit for bit what they were.

    Parameters
    ----------
    recording : Recording
        A recording with states (``states_every``).
    model : MemoryModel
        The model it was made with, loaded.
    from_segment : int
        The first segment of the result. Segments between the nearest saved state and this one are run again as well, but not returned.
    path : path or None
        Folder of a new recording, whose parent is ``recording``; None returns an iterator and records nothing.
    interventions : list
        Changes of the run: first those that ``recording`` was made with, then new ones, which act from ``from_segment`` on.
    options : RecordOptions
        How the new recording is made; options that are not given are those of ``recording``.

    Returns
    -------
    Recording or iterator of Result
        With ``path``, a recording that begins with ``from_segment``; its segments and positions are numbered as in the stream.

    Raises
    ------
    RecordingError
        When the model is another one, the segment is not in the recording, no state was saved at or before it, or ``interventions``
        does not begin with those of ``recording``.
    """
    as_recording(recording)
    given = options.given()
    if {"interventions", "parent"} & set(given):
        raise RecordingError(
            "interventions are an argument of replay, and the parent is the recording: leave both out of options"
        )
    own = list(recording.info.interventions)
    if [one.to_dict() for one in interventions[: len(own)]] != own:
        raise RecordingError(
            f"'{recording.path}' was made with {len(own)} interventions, which a replay has to repeat: give "
            "interventions=[*memlens.interventions.interventions_of(recording), ...]"
        )
    streams, first, state = state_before(recording, model, from_segment)
    before = run(model, streams, state=state, first=first, changes=interventions[: len(own)])
    for result in islice(before, from_segment - first):
        state = result.state
    if path is None:
        return run(model, streams, state=state, first=from_segment, changes=interventions)
    options = RecordOptions(
        **{**_options_of(recording), **given, "interventions": tuple(interventions), "parent": recording}
    )
    return record_from(Start(from_segment, state), model, streams, path, options)


def state_before(
    recording: Recording, model: MemoryModel, segment: int
) -> tuple[list[EncodedStream], int, MemoryState]:
    """Find the saved state nearest before a segment.

    Parameters
    ----------
    recording : Recording
    model : MemoryModel
        The model it was made with.
    segment : int
        A recorded segment.

    Returns
    -------
    streams : list of EncodedStream
        One a sequence, whole.
    first : int
        The segment that the state is before; at most ``segment``.
    state : MemoryState

    Raises
    ------
    RecordingError
        When the model is another one, or the segment or a state is not in the recording.
    """
    refuse_other(recording, model)
    streams = recording.streams()
    known = recording.tables.segments.segment
    if not known[0] <= segment <= known[-1]:
        raise RecordingError(
            f"'{recording.path}' has no segment {segment}; it has segments {known[0]} to {known[-1]}: give one of these"
        )
    first, arrays = recording.state(segment)
    return streams, first, restored(model.initial_state(len(streams)), arrays)


def refuse_other(recording: Recording, model: MemoryModel) -> None:
    """Check that a recording was made with a model.

    Parameters
    ----------
    recording : Recording
    model : MemoryModel

    Raises
    ------
    RecordingError
        When it was made with other weights, sizes or policy; the message says what differs.
    """
    info = recording.info
    sizes, own = info.model_config, json.loads(model.cfg.model_dump_json())
    differ = [
        f"{name} {sizes.get(name)} (here {own[name]})"
        for name in own
        if own[name] != sizes.get(name) and name != "policy"
    ]
    if info.weights_sha256 != model.sha256:
        differ.append(f"weights {_short(info.weights_sha256)} (here {_short(model.sha256)})")
    if info.policy != model.policy_name:
        differ.append(f"policy {info.policy} (here {model.policy_name})")
    if differ:
        raise RecordingError(
            f"'{recording.path}' was made by model '{info.model}' with {', '.join(differ)}: give that model"
        )


def _options_of(recording: Recording) -> dict[str, Any]:
    """How a recording was made."""
    info = recording.info
    return {
        "points": tuple(f"{p.name}@{when}" if when else p.name for p in info.points for when in p.at.split(",")),
        "attention_top": max((p.top for p in info.points), default=0),
        "dtype": info.dtype,
        "states_every": info.states_every,
        "commit_every": info.commit_every,
    }


def _short(sha256: Any) -> str:
    return f"sha256 {str(sha256)[:12]}" if sha256 else "of no file"
