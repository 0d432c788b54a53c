"""Tables of a recording as typed columns: ``recording.tables.questions.correct`` is a bool array [question].

``recording.questions`` and its like are the same tables as xarray has them, with labels and dims; here each column is a numpy array of a
known dtype: whole numbers are int64, numbers float64, flags bool, text Python strings (positions are as stored). Reading a column makes a
new array, so keep it in a variable where it is used more than once::

    questions = recording.tables.questions
    right = questions.correct & (questions.distance > 1000)

Axes: question, decision, birth (rows of ``entries``), segment, sequence, position, read (what a question read), side (of a merge).
"""

from functools import cached_property
from typing import Any, Protocol, overload

import numpy as np
import xarray as xr

from memlens.errors import RecordingError, closest
from memlens.recording.reading.entry_index import EntryIndex


class HasTables(Protocol):
    """What tables are read from: a recording."""

    @cached_property
    def segments(self) -> xr.Dataset: ...
    @cached_property
    def positions(self) -> xr.Dataset: ...
    @cached_property
    def questions(self) -> xr.Dataset: ...
    @cached_property
    def decisions(self) -> xr.Dataset: ...
    @cached_property
    def entries(self) -> xr.Dataset: ...


class Column:
    """A column of a table, read when it is asked for. ``dtype`` None leaves it as it is stored."""

    def __init__(self, dtype: Any = None):
        self.dtype = dtype

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, table: None, owner: type) -> "Column": ...
    @overload
    def __get__(self, table: "Table", owner: type) -> np.ndarray: ...
    def __get__(self, table: "Table | None", owner: type) -> "np.ndarray | Column":
        return self if table is None else table.read(self.name, self.dtype)


class Table:
    """Base of the tables: columns by name, and the number of rows.

    Parameters
    ----------
    name : str
        What it is called in messages.
    dataset : xr.Dataset
        Where the columns are.
    """

    #: Dim of its rows.
    row = ""

    def __init__(self, name: str, dataset: xr.Dataset):
        self.name, self.dataset = name, dataset

    def __len__(self) -> int:
        return int(self.dataset.sizes.get(self.row, 0))

    def read(self, name: str, dtype: Any = None) -> np.ndarray:
        """Read a column by its name, where the name is a variable.

        Parameters
        ----------
        name : str
        dtype : dtype or None
            None leaves the column's own.

        Returns
        -------
        array [row, ...]
            A new array where ``dtype`` is given.

        Raises
        ------
        RecordingError
            When the recording has no such column.
        """
        if name not in self.dataset:
            known = map(str, self.dataset.variables)
            raise RecordingError(f"the {self.name} of the recording have no column '{name}'; {closest(name, known)}")
        values = np.asarray(self.dataset[name].values)
        return values if dtype is None else values.astype(dtype)

    def columns(self, *names: str) -> dict[str, np.ndarray]:
        """Several columns by name, each of its own type."""
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self):,} rows of {', '.join(map(str, self.dataset.data_vars))}>"


class RecordedQuestions(Table):
    """One row a question. ``read_entry``, ``read_weight`` and ``read_kind`` are [question, read]."""

    row = "question"
    sequence = Column(np.int64)
    segment = Column(np.int64)
    position = Column(np.int64)
    fact = Column(np.int64)
    fact_modality = Column(np.int64)
    distance = Column(np.int64)
    text = Column()
    answer = Column()
    predicted = Column()
    group = Column()
    correct = Column(bool)
    loss = Column(np.float64)
    read_entry = Column(np.int64)
    read_weight = Column(np.float64)
    read_kind = Column(np.int64)


class RecordedDecisions(Table):
    """One row a live agent and segment. ``q`` is [decision, action], ``control`` [decision, feature]."""

    row = "decision"
    sequence = Column(np.int64)
    segment = Column(np.int64)
    entry = Column(np.int64)
    agent = Column(np.int64)
    kind = Column(np.int64)
    level = Column(np.int64)
    wanted = Column(np.int64)
    executed = Column(np.int64)
    q = Column(np.float64)
    control = Column(np.float64)

    @property
    def features(self) -> list[str]:
        """Names of the columns of ``control``."""
        return [str(name) for name in self.dataset["feature"].values] if "feature" in self.dataset.coords else []


class RecordedEntries(Table):
    """One row an entry that ever was. ``parent`` is [birth, side]; ``died`` and ``fate`` are -1 where it lives at the end."""

    row = "birth"
    sequence = Column(np.int64)
    segment = Column(np.int64)
    entry = Column(np.int64)
    level = Column(np.int64)
    slot = Column(np.int64)
    position = Column(np.int64)
    start = Column(np.int64)
    end = Column(np.int64)
    parent = Column(np.int64)
    modality = Column(np.int64)
    fact = Column(np.int64)
    died = Column(np.int64)
    fate = Column(np.int64)

    @cached_property
    def index(self) -> EntryIndex:
        """Finds rows by sequence and entry id; built once."""
        return EntryIndex(self.sequence, self.entry)


class RecordedSegments(Table):
    """What every segment has beside its points.

    [segment]: ``segment``, ``start``, ``step_seconds``; [sequence, segment]: ``n_valid``, ``bits_per_byte``; [sequence, segment, level]:
    ``occupancy``; [sequence, segment, entry]: ``entry_id``; [entry]: ``entry_level``.
    """

    row = "segment"
    segment = Column(np.int64)
    start = Column(np.int64)
    occupancy = Column(np.int64)
    entry_id = Column(np.int64)
    entry_level = Column(np.int64)
    n_valid = Column(np.int64)
    bits_per_byte = Column(np.float64)
    step_seconds = Column(np.float64)

    @property
    def first(self) -> int:
        """Number of the first segment, not 0 in a replay that starts later; 0 where there is none."""
        return int(self.dataset["segment"][0]) if len(self) else 0

    @property
    def first_position(self) -> int:
        """Stream position of the first recorded token; 0 where there is no segment."""
        return int(self.dataset["start"][0]) if len(self) else 0


class RecordedPositions(Table):
    """The streams, [sequence, position]: ``modality`` (int8, -1 padding), ``token`` (int32), ``fact`` (int32, -1 none).

    As stored: of a long stream, wider numbers would take much memory.
    """

    row = "position"
    modality = Column()
    token = Column()
    fact = Column()


class RecordedTables:
    """The typed tables of a recording.

    Parameters
    ----------
    recording : Recording
        Or anything that has its xarray tables.
    """

    def __init__(self, recording: HasTables):
        self._recording = recording

    @cached_property
    def questions(self) -> RecordedQuestions:
        """One row a question."""
        return RecordedQuestions("questions", self._recording.questions)

    @cached_property
    def decisions(self) -> RecordedDecisions:
        """One row a live agent and segment."""
        return RecordedDecisions("decisions", self._recording.decisions)

    @cached_property
    def entries(self) -> RecordedEntries:
        """One row an entry that ever was."""
        return RecordedEntries("entries", self._recording.entries)

    @cached_property
    def segments(self) -> RecordedSegments:
        """What every segment has beside its points."""
        return RecordedSegments("segments", self._recording.segments)

    @cached_property
    def positions(self) -> RecordedPositions:
        """The streams, position by position."""
        return RecordedPositions("positions", self._recording.positions)
