"""What a recording says of itself: attributes as they are stored, parsed into typed fields."""

import json

import pytest

from memlens.errors import RecordingError
from memlens.recording.protocol import as_recording
from memlens.recording.reading.info import PointInfo, RecordingInfo, StreamInfo
from memlens.testing import write_recording


def test_json_text_and_plain_values_say_the_same() -> None:
    plain = {
        "id": "a", "n_token": 12, "complete": True, "versions": {"torch": "2"}, "interventions": [{"kind": "drop"}],
        "points": [{"name": "x", "group": "slots", "dims": ["slot"], "at": "::2", "top": 3}],
        "stream": {"name": "keys", "seed": 3, "config": {"n": 1}, "sha256": "ab"}, "truth": {"k": 1}, "note": "12",
    }  # fmt: skip
    text = {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in plain.items()}
    info = RecordingInfo.parse(text)
    assert info == RecordingInfo.parse(plain)
    assert info.points == (PointInfo("x", "slots", ("slot",), at="::2", top=3),)
    assert info.streams == (StreamInfo("keys", 3, {"n": 1}, "ab"),)
    assert info.stream_of(1) == StreamInfo()
    assert (info.extra["truth"], info.extra["note"], info.interventions) == ({"k": 1}, "12", ({"kind": "drop"},))


def test_several_streams() -> None:
    made = [{"name": name, "seed": None, "config": {}, "sha256": name} for name in ("a", "b")]
    info = RecordingInfo.parse({"stream": {"name": "2 streams", "seed": 1, "streams": made}})
    assert (info.stream.name, [one.name for one in info.streams], info.stream_of(1).sha256) == (
        "2 streams",
        ["a", "b"],
        "b",
    )


@pytest.mark.parametrize("value", ["{not json", 3, None, "[1]"])
def test_what_is_damaged_has_its_default(value: object) -> None:
    info = RecordingInfo.parse({"model_config": value, "n_token": "many", "points": value, "seed": None})
    assert (info.model_config, info.n_token, info.seed, info.points) == ({}, 0, 0, ())


def test_only_recordings_are_recordings(tmp_path) -> None:
    planted = write_recording(None, n_segment=2)
    assert as_recording(planted) is planted
    assert planted.info.extra["truth"] == {}
    assert len(repr(planted.info).splitlines()) == 1
    for given, said in (
        ("r1", r"recording: got a str 'r1', expected a recording: memlens\.open\('r1'\)"),
        (tmp_path, r"got a path .* memlens\.open"),
        (3, "got a int, expected a recording"),
    ):
        with pytest.raises(RecordingError, match=said):
            as_recording(given)
