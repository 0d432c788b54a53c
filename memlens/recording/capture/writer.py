"""Write a recording beside the run that makes it: segments go into a bounded queue, a thread makes blocks of them.

What ``committed`` says is on the disk for good: committed, flushed and sealed. A process that dies loses what came
after. Memory does not grow with the stream.
"""

import queue
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from memlens import __version__
from memlens.dims import PAYLOAD_WIDTH, Action
from memlens.errors import RecordingError
from memlens.recording.capture.appender import Appender, refuse_existing
from memlens.recording.capture.validate_rows import Checks, GroupColumns, RowsByGroup, coded, joined_blocks, stored
from memlens.recording.format import schema
from memlens.recording.format.repository import reason
from memlens.recording.format.schema import Variable

DTYPES = ("float16", "float32", "int8")
#: Segments that are turned into rows at once. Larger blocks cost less each, and hold the interpreter longer.
BLOCK_SEGMENTS = 64
#: How often a full queue is looked at again, in seconds, in case that the thread has died.
PATIENCE = 0.5


@dataclass
class _Flush:
    """A request to commit all that was given before."""

    complete: bool = False
    done: threading.Event = field(default_factory=threading.Event)


class RecordingWriter:
    """Takes segments, and commits blocks of them in a thread of its own.

    An error there surfaces at the next ``put``, ``add``, ``commit`` or ``finish``; what is committed stays.

    Parameters
    ----------
    path
        Folder to make; it appears with the first commit.
    points
        Dense variables of ``/segments``, dims from ``sequence, segment`` on; dtype ``float`` is stored as ``dtype``.
    sizes
        Sizes of the tables' extra dims: ``read`` of the questions, ``feature`` of the decisions, ``byte`` of the states.
    coordinates
        Values of ``entry_level`` and ``feature``; ``action`` is known.
    attrs
        Root attributes; those of ``schema.ROOT_ATTRIBUTES`` that are missing take their defaults.
    vocab
        Token strings, for reading ``/positions``.
    commit_every
        Segments in a block: a commit, and a chunk.
    dtype
        "float16", "float32" or "int8", for points.
    rows
        Turns a list of what ``put`` was given into columns by group; it runs in the thread.
    resume
        Go on after the last commit of the recording that is there, if one is.

    Attributes
    ----------
    committed : int
        Segments that nothing can take away any more.

    Raises
    ------
    RecordingError
        When the folder exists or an argument is out of range; later, when an array does not fit or cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        points: Sequence[Variable] = (),
        sizes: Mapping[str, int] | None = None,
        coordinates: Mapping[str, Any] | None = None,
        attrs: Mapping[str, Any] | None = None,
        vocab: Sequence[str] = (),
        commit_every: int = 128,
        dtype: str = "float16",
        rows: Callable[[list[Any]], RowsByGroup] | None = None,
        resume: bool = False,
    ):
        self.path = Path(path) if resume else refuse_existing(path)
        check_dtype(dtype)
        if commit_every < 1:
            raise RecordingError(f"commit_every is {commit_every}, expected at least 1")
        given = [g.with_variables(points if g is schema.SEGMENTS else ()) for g in schema.GROUPS]
        self._groups = {g.name: stored(g, dtype) for g in given}
        self._rows, self._commit_every, self._checks = rows or joined_blocks, commit_every, Checks(given)
        self._appender = Appender(
            self.path,
            tuple(self._groups.values()),
            sizes={"side": 2, "action": len(Action), "read": 1, "feature": 1, "value": PAYLOAD_WIDTH, **(sizes or {})},
            coordinates={"action": [a.name for a in Action], **(coordinates or {})},
            attrs={**schema.ROOT_ATTRIBUTES, **_now(), **(attrs or {}), "dtype": dtype,
                   "commit_every": commit_every, "complete": False},
            vocab=vocab,
            commit_every=commit_every,
            resume=resume,
        )  # fmt: skip
        self.committed = self._appender.n["segments"]
        self._n_put = self.committed
        self._error: BaseException | None = None
        self._queue: queue.Queue[Any] = queue.Queue(maxsize=max(2 * BLOCK_SEGMENTS, 2))
        self._thread = threading.Thread(target=self._work, name="memlens-writer", daemon=True)
        self._thread.start()

    def put(self, part: Any) -> None:
        """Take one segment, as ``rows`` understands it; waits while the queue is full."""
        self._send(part)
        self._n_put += 1

    def add(
        self, segments: GroupColumns, positions: GroupColumns, tables: Mapping[str, GroupColumns] | None = None
    ) -> None:
        """Take one segment, as arrays, and what happened in it.

        Parameters
        ----------
        segments
            One value or array for each variable of ``/segments``, without its ``segment`` axis.
        positions
            ``modality``, ``token``, ``fact``, (sequence, position) of this segment.
        tables
            Columns of new rows by table; tables without rows may be left out.

        Raises
        ------
        RecordingError
            When the arrays do not fit the schema or those before, or the writer makes its own rows.
        """
        if self._rows is not joined_blocks:
            raise RecordingError("this writer makes its rows itself; give it segments by put")
        self.put(self._checks.copied({"segments": segments, "positions": positions, **(tables or {})}))

    def commit(self) -> None:
        """Wait until all that was given is committed."""
        self._flush(_Flush())

    def finish(self) -> None:
        """Commit the rest, mark the recording complete and end the thread."""
        if not self._n_put:
            raise RecordingError(f"nothing was recorded, so '{self.path}' was not made; add at least one segment")
        self._flush(_Flush(complete=True))
        self.close()

    def close(self) -> None:
        """End the thread; what is not committed is lost. Nothing else can be done afterwards."""
        if self._thread.is_alive():
            self._abandon = True
            self._send_quietly(None)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish; after an error keep the segments that are whole, as an incomplete recording."""
        try:
            if kind is None:
                self.finish()
            elif not isinstance(error, RecordingError) and self._n_put:
                self.commit()
        finally:
            self.close()

    # the thread

    _abandon = False

    def _work(self) -> None:
        try:
            self._take_all()
        except BaseException as error:
            self._error = error

    def _take_all(self) -> None:
        parts: list[Any] = []
        while not self._abandon:
            item = self._queue.get()
            if item is None:
                return
            if not isinstance(item, _Flush):
                parts.append(item)
            n = self._appender.n["segments"] + len(parts)
            due = isinstance(item, _Flush) or n % self._commit_every == 0
            if parts and (due or len(parts) >= BLOCK_SEGMENTS):
                self._appender.append(coded(self._groups, self._rows(parts)))
                parts = []
            if due:
                self._appender.attrs["complete"] = isinstance(item, _Flush) and item.complete
                if n:
                    self._appender.commit()
                self.committed = n
            if isinstance(item, _Flush):
                item.done.set()

    # the side of the run

    def _send(self, item: Any) -> None:
        while True:
            self._raise()
            try:
                return self._queue.put(item, timeout=PATIENCE)
            except queue.Full:
                continue

    def _send_quietly(self, item: Any) -> None:
        while self._thread.is_alive():
            try:
                return self._queue.put(item, timeout=PATIENCE)
            except queue.Full:
                continue

    def _flush(self, request: _Flush) -> None:
        self._send(request)
        while not request.done.wait(PATIENCE):
            self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            if isinstance(self._error, RecordingError):
                raise RecordingError(str(self._error)) from self._error
            raise RecordingError(
                f"'{self.path}' cannot be written: {reason(self._error)}; the {self.committed} segments before are kept"
            ) from self._error
        if not self._thread.is_alive():
            raise RecordingError(f"the writer of '{self.path}' has ended; {self.committed} segments are kept")


def check_dtype(dtype: str) -> None:
    """RecordingError for a dtype that points cannot be stored as."""
    if dtype not in DTYPES:
        raise RecordingError(f"dtype is '{dtype}', expected one of {', '.join(DTYPES)}")


def _now() -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "memlens_version": __version__,
        "schema": schema.SCHEMA_VERSION,
    }
