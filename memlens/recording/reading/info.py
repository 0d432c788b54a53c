"""What a recording says of itself: its root attributes, parsed once into typed fields."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, Self

from memlens.recording.format.states import Layout


@dataclass(frozen=True)
class StreamInfo:
    """A stream that was recorded; of several in one recording, ``streams`` has each, by sequence."""

    name: str = ""
    seed: int | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""
    streams: "tuple[StreamInfo, ...]" = ()

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Self:
        """From the attribute ``stream``; what is missing takes its default."""
        seed = value.get("seed")
        return cls(
            name=str(value.get("name", "")),
            seed=seed if isinstance(seed, int) else None,
            config=value.get("config") or {},
            sha256=str(value.get("sha256", "")),
            streams=tuple(StreamInfo.parse(one) for one in value.get("streams", ())),
        )


@dataclass(frozen=True)
class PointInfo:
    """A recorded hook point: as ``memlens.model.points`` has it, the segments it was recorded in ("" for all), weights kept (0 for all)."""

    name: str
    group: str = ""
    dims: tuple[str, ...] = ()
    unit: str = ""
    symbol: str = ""
    meaning: str = ""
    at: str = ""
    top: int = 0

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Self:
        """From a row of the attribute ``points``."""
        texts = {name: str(value.get(name, "")) for name in ("name", "group", "unit", "symbol", "meaning", "at")}
        return cls(dims=tuple(value.get("dims", ())), top=int(value.get("top", 0)), **texts)


@dataclass(frozen=True, repr=False)
class RecordingInfo:
    """Root attributes of a recording; those that are missing, or are not what they should be, have their defaults.

    Attributes
    ----------
    id, parent : str
        uuid4 of the recording, and of the one that it continues or is compared with ("" for none).
    model, policy, device : str
        Name of the model, its controller policy, and where it ran.
    model_config : dict
        Sizes of the model.
    weights_sha256, parameters_sha256 : str
        Digest of the model's file ("" for none), and of the weights as they were.
    stream : StreamInfo
        What was read; ``streams`` lists it by sequence.
    seed : int
        Of the first stream, -1 for none.
    n_token, segment_length : int
        Positions recorded that are not padding, and positions in a segment.
    points : tuple of PointInfo
        Recorded points.
    points_available : tuple of str
        Names of the points that could have been recorded.
    dtype : str
        How floats of points are stored.
    states_every, commit_every : int
        Segments between saved states (0 for none), and in a block.
    state_layout : list
        Name, dtype and shape of each tensor of a state.
    interventions : tuple of dict
        Changes of the run, as ``to_dict`` gives them.
    complete : bool
        Whether the run came to its end.
    wall_seconds, peak_rss_bytes : float, int
        Cost of the run.
    created, command, commit, memlens_version : str
        When, how and by which code it was made.
    versions : dict
        Of Python and the libraries.
    schema : int
        Version of the format.
    extra : dict
        Attributes that ``RecordOptions.attrs`` added.
    """

    id: str = ""
    parent: str = ""
    model: str = ""
    policy: str = ""
    device: str = "cpu"
    model_config: Mapping[str, Any] = field(default_factory=dict)
    weights_sha256: str = ""
    parameters_sha256: str = ""
    stream: StreamInfo = field(default_factory=StreamInfo)
    seed: int = 0
    n_token: int = 0
    segment_length: int = 0
    points: tuple[PointInfo, ...] = ()
    points_available: tuple[str, ...] = ()
    dtype: str = "float16"
    states_every: int = 0
    commit_every: int = 0
    state_layout: Layout = ()
    interventions: tuple[Mapping[str, Any], ...] = ()
    complete: bool = False
    wall_seconds: float = 0.0
    peak_rss_bytes: int = 0
    created: str = ""
    command: str = ""
    commit: str = ""
    memlens_version: str = ""
    versions: Mapping[str, Any] = field(default_factory=dict)
    schema: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, attrs: Mapping[str, Any]) -> Self:
        """From root attributes, whose lists and dicts may be JSON text."""
        known = {one.name: one.default if one.default is not MISSING else {} for one in fields(cls)}
        values: dict[str, Any] = {}
        for name in known.keys() & attrs.keys() - {"extra"}:
            value = _plain(attrs[name]) if isinstance(known[name], tuple | dict) else attrs[name]
            typed = _typed(value, known[name])
            if typed is not None:
                values[name] = typed
        values["stream"] = StreamInfo.parse(values.get("stream", {}))
        values["points"] = tuple(PointInfo.parse(one) for one in values.get("points", ()) if isinstance(one, Mapping))
        return cls(**values, extra={name: _plain(attrs[name]) for name in attrs if name not in known})

    def __repr__(self) -> str:
        state = "complete" if self.complete else "not complete"
        return (
            f"<RecordingInfo {self.id}: model {self.model!r}, policy {self.policy!r}, stream {self.stream.name!r}, "
            f"{self.n_token:,} tokens, {len(self.points)} points as {self.dtype}, {state}; to_dict() has all>"
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON, by the names of the root attributes."""
        values = asdict(self)
        extra = values.pop("extra")
        if not self.stream.streams:
            del values["stream"]["streams"]
        return {**values, **extra}

    @property
    def streams(self) -> tuple[StreamInfo, ...]:
        """The stream of each sequence."""
        return self.stream.streams or (self.stream,)

    def stream_of(self, sequence: int) -> StreamInfo:
        """The stream of one sequence; one without a name where the attributes do not describe it."""
        return self.streams[sequence] if sequence < len(self.streams) else StreamInfo()


def _plain(value: Any) -> Any:
    """A value as JSON has it: tuples are lists, and text is decoded where it is JSON."""
    if isinstance(value, str) and value[:1] not in ("[", "{"):
        return value
    try:
        return json.loads(value if isinstance(value, str) else json.dumps(value))
    except (TypeError, ValueError):
        return value


def _typed(value: Any, default: Any) -> Any:
    """The value as the type of a default; None where it cannot be that."""
    if value is None:
        return None
    if isinstance(default, dict):
        return value if isinstance(value, Mapping) else None
    if isinstance(default, tuple):
        return tuple(value) if isinstance(value, list | tuple) else None
    try:
        return type(default)(value)
    except (TypeError, ValueError):
        return None
