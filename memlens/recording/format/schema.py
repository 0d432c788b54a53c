"""What a recording holds, as data: the one list that writer, reader, tests and docs/recording.md share.

A recording is a set of groups. Each group grows along one dimension, and every variable of it that has that
dimension grows with it. ``float`` as a dtype stands for the recording's own float type (float16 by default).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

#: Version of this schema, the root attribute ``schema``.
SCHEMA_VERSION = 2
#: Kinds of agents, by code.
CANDIDATE, RESIDENT = 0, 1
#: Root attributes that every recording has, with the value each takes when nobody gives one.
ROOT_ATTRIBUTES: dict[str, Any] = {
    "memlens_version": "",
    "model": "",
    "model_config": {},
    "weights_sha256": "",
    "parameters_sha256": "",
    "stream": {},
    "policy": "",
    "seed": 0,
    "device": "cpu",
    "dtype": "float16",
    "versions": {},
    "commit": "",
    "command": "",
    "created": "",
    "parent": "",
    "interventions": [],
    "id": "",
    "segment_length": 0,
    "complete": False,
    "wall_seconds": 0.0,
    "n_token": 0,
    "peak_rss_bytes": 0,
    "points": [],
    "points_available": [],
    "state_layout": [],
    "commit_every": 0,
    "states_every": 0,
}


@dataclass(frozen=True)
class Variable:
    """One array of a recording: its name, whole dims, dtype, and what it means."""

    name: str
    dims: tuple[str, ...]
    dtype: str
    meaning: str
    unit: str = ""
    symbol: str = ""
    group: str = ""
    #: Segments it is recorded in, "" for all.
    at: str = ""

    @property
    def fill(self) -> Any:
        """Value where nothing was written: NaN, -1, False, 0 for bytes or the empty string."""
        if self.dtype.startswith("float"):
            return float("nan")
        return {"bool": False, "string": "", "uint8": 0}.get(self.dtype, -1)

    @property
    def attrs(self) -> dict[str, str]:
        """Labels that travel with the array."""
        named = {"unit": self.unit, "symbol": self.symbol, "meaning": self.meaning, "group": self.group,
                 "at": self.at}  # fmt: skip
        return {key: value for key, value in named.items() if value}


@dataclass(frozen=True)
class Group:
    """Arrays that grow together along ``axis``, ``chunk`` rows to a chunk (0: as many as a commit has)."""

    name: str
    axis: str
    chunk: int
    variables: tuple[Variable, ...]
    coordinates: tuple[Variable, ...] = ()

    def with_variables(self, more: Iterable[Variable]) -> "Group":
        """The same group holding ``more`` variables too."""
        return replace(self, variables=(*self.variables, *more))

    def __getitem__(self, name: str) -> Variable:
        return {v.name: v for v in self.variables}[name]


V = Variable
ACTION_NAME = V("action", ("action",), "string", "name of the action")

SEGMENTS = Group(
    "segments",
    "segment",
    0,
    (
        V("segment", ("segment",), "int64", "index of the segment"),
        V("start", ("segment",), "int64", "stream position of its first token", "token"),
        V("occupancy", ("sequence", "segment", "level"), "int32", "entries held after the segment", "entry"),
        V("entry_id", ("sequence", "segment", "entry"), "int64", "id of the entry held, -1 empty"),
        V("n_valid", ("sequence", "segment"), "int32", "positions that are no padding", "token"),
        V(
            "bits_per_byte",
            ("sequence", "segment"),
            "float32",
            "loss of next-token prediction; NaN without text",
            "bit/byte",
        ),
        V("step_seconds", ("segment",), "float32", "wall time of the model's step", "s"),
    ),
    (V("entry_level", ("entry",), "int8", "level of that place in the store"), ACTION_NAME),
)

POSITIONS = Group(
    "positions",
    "position",
    0,
    (
        V("modality", ("sequence", "position"), "int8", "Modality of the position, -1 padding"),
        V("token", ("sequence", "position"), "int32", "BPE id of text, nucleotide code of DNA, 0 elsewhere"),
        V("fact", ("sequence", "position"), "int32", "fact the position belongs to, -1 none"),
    ),
)

QUESTIONS = Group(
    "questions",
    "question",
    256,
    (
        V("sequence", ("question",), "int32", "sequence it was asked of"),
        V("segment", ("question",), "int64", "segment after which it was answered"),
        V("position", ("question",), "int64", "stream position where it was asked", "token"),
        V("fact", ("question",), "int32", "fact asked for, -1 none"),
        V("fact_modality", ("question",), "int8", "Modality of the fact, -1 none"),
        V("distance", ("question",), "int64", "tokens between the fact's end and the question, -1 unknown", "token"),
        V("text", ("question",), "string", "the question"),
        V("answer", ("question",), "string", "the right answer"),
        V("predicted", ("question",), "string", "the model's answer"),
        V("group", ("question",), "string", "what sets it apart from others of its task, empty for nothing"),
        V("correct", ("question",), "bool", "exact match"),
        V("loss", ("question",), "float32", "loss of the right answer", "nat/token"),
        V("read_entry", ("question", "read"), "int64", "entry a read vector came from, -1 not an entry"),
        V("read_weight", ("question", "read"), "float32", "weight of the read vector, sums to 1", "probability"),
        V("read_kind", ("question", "read"), "int8", "0 context slot, 1 working slot, 2 store, -1 empty"),
    ),
)

DECISIONS = Group(
    "decisions",
    "decision",
    8192,
    (
        V("sequence", ("decision",), "int32", "sequence"),
        V("segment", ("decision",), "int64", "segment"),
        V("entry", ("decision",), "int64", "id of the entry decided on"),
        V("agent", ("decision",), "int32", "index of the agent"),
        V("kind", ("decision",), "int8", "0 candidate, 1 resident"),
        V("level", ("decision",), "int8", "level before the decision"),
        V("wanted", ("decision",), "int8", "Action wanted"),
        V("executed", ("decision",), "int8", "Action executed, after capacities"),
        V("q", ("decision", "action"), "float32", "value of each action, NaN where not allowed", "nat", "Q"),
        V("control", ("decision", "feature"), "float32", "what the controller saw", "", "s"),
    ),
    (ACTION_NAME, V("feature", ("feature",), "string", "name of the feature")),
)

ENTRIES = Group(
    "entries",
    "birth",
    1024,
    (
        V("sequence", ("birth",), "int32", "sequence"),
        V("segment", ("birth",), "int64", "segment in which it was born"),
        V("entry", ("birth",), "int64", "id, unique in its sequence"),
        V("level", ("birth",), "int8", "level at birth"),
        V("slot", ("birth",), "int32", "context slot it came from, -1 for a merge"),
        V("position", ("birth",), "int64", "stream position it was picked at; of a merge the later parent's", "token"),
        V("start", ("birth",), "int64", "first stream position of its source span", "token"),
        V("end", ("birth",), "int64", "stream position after its source span", "token"),
        V("parent", ("birth", "side"), "int64", "ids of the entries it was merged from, -1 none"),
        V("modality", ("birth",), "int8", "Modality that most of the write attention went to, -1 none"),
        V("fact", ("birth",), "int32", "fact that ends in the window and took most write attention, -1 none"),
    ),
)

#: Append-only; joined into ``entries`` when a recording is opened.
DEATHS = Group(
    "deaths",
    "death",
    1024,
    (
        V("sequence", ("death",), "int32", "sequence"),
        V("entry", ("death",), "int64", "id of the entry that is gone"),
        V("died", ("death",), "int64", "segment in which it was dropped or merged"),
        V("fate", ("death",), "int8", "Action executed at death"),
    ),
)

#: Columns that ``Recording.entries`` has beyond those of ENTRIES, from DEATHS.
JOINED = (
    V("died", ("birth",), "int64", "segment in which it was dropped or merged, -1 alive at the end"),
    V("fate", ("birth",), "int8", "Action executed at death, -1 alive at the end"),
)

#: With /positions and /questions, all that a stream is: it can be rebuilt.
PAYLOADS = Group(
    "payloads",
    "row",
    512,
    (
        V("sequence", ("row",), "int32", "sequence"),
        V("position", ("row",), "int64", "stream position, of an image, sound or strand", "token"),
        V("payload", ("row", "value"), "float32", "what the position carries, padded with zeros"),
    ),
)

#: States of the memory that a run can go on from; the root attribute ``state_layout`` says what the bytes are.
STATES = Group(
    "states",
    "state",
    1,
    (
        V("before", ("state",), "int64", "segment that it is the state before"),
        V("tensors", ("state", "byte"), "uint8", "all tensors of the state, one after the other", "byte"),
    ),
)

TABLES = (QUESTIONS, DECISIONS, ENTRIES, DEATHS, PAYLOADS, STATES)
GROUPS = (SEGMENTS, POSITIONS, *TABLES)
