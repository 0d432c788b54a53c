"""Typed tables: the columns of the xarray tables, each of a known dtype; entries are found by their ids."""

import numpy as np
import pytest

from memlens.errors import RecordingError
from memlens.recording.reading.entry_index import EntryIndex
from memlens.recording.reading.tables import Column, Table
from memlens.testing import planted_recording


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return planted_recording(tmp_path_factory.mktemp("tables") / "run", n_segment=8, n_sequence=2)


@pytest.mark.parametrize("name", ["questions", "decisions", "entries", "segments", "positions"])
def test_columns_are_those_of_the_dataset(planted, name) -> None:
    table: Table = getattr(planted.tables, name)
    columns = [key for key, value in vars(type(table)).items() if isinstance(value, Column)]
    named = set(getattr(planted, name).data_vars) | {"segment", "entry_level"} & set(getattr(planted, name).variables)
    assert {one for one in named if "hook" not in one} == set(columns)
    for column in columns:
        stored, typed = getattr(planted, name)[column].values, getattr(table, column)
        np.testing.assert_array_equal(typed, stored)
        assert typed.dtype == (
            stored.dtype
            if name == "positions"
            else bool
            if stored.dtype == bool
            else {"i": np.int64, "f": np.float64}.get(stored.dtype.kind, object)
        )
    assert len(table) == getattr(planted, name).sizes[table.row]
    assert len(repr(table).splitlines()) == 1


def test_a_column_that_is_not_there(planted) -> None:
    with pytest.raises(RecordingError, match="no column 'corect'; closest: correct"):
        planted.tables.questions.read("corect")


def test_entries_are_found_by_sequence_and_id(planted) -> None:
    entries = planted.tables.entries
    rows = entries.index.rows(entries.sequence, entries.entry)
    np.testing.assert_array_equal(rows, np.arange(len(entries)))
    assert entries.index.rows(0, np.array([[-1, 10**9]])).tolist() == [[-1, -1]]
    read = entries.index.rows(planted.tables.questions.sequence[:, None], planted.tables.questions.read_entry)
    assert ((read >= 0) == (planted.tables.questions.read_entry >= 0)).all()
    assert (entries.entry[read] == planted.tables.questions.read_entry)[read >= 0].all()


def test_the_first_of_equal_rows_is_found() -> None:
    index = EntryIndex(np.array([0, 1, 0, 0]), np.array([5, 5, 5, 2**50]))
    assert index.repeated.tolist() == [False, False, True, False]
    assert index.rows([0, 1, 0], [5, 5, 2**50]).tolist() == [0, 1, 3]
    assert EntryIndex(np.zeros(0), np.zeros(0)).rows([0], [1]).tolist() == [-1]
    assert index.rows(np.zeros(0), np.zeros(0)).shape == (0,)
