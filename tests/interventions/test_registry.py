"""Interventions are values: frozen, equal when they say the same, saved as JSON and back."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memlens.errors import ConfigError, InterventionError
from memlens.interventions import (
    Ablate,
    Clamp,
    Drop,
    Forbid,
    Force,
    Freeze,
    Insert,
    Noise,
    Patch,
    Scale,
    Swap,
    from_dict,
    load_interventions,
)
from memlens.interventions.base import Intervention
from memlens.interventions.registry import REGISTRY

SOURCE = {"path": "runs/a", "id": "1"}
ONE_OF_EACH = [
    Ablate(point="context.hook_slot", by="resample", source="runs/a", seed=3),
    Patch(point="store.hook_content", source=SOURCE, entry=3, from_segment=2, from_entry=9),
    Clamp(point="context.hook_slot", low=0.5, places={"feature": 2}),
    Noise(point="context.hook_slot", std=0.1, segment=[1, 4]),
    Swap(point="context.hook_slot", first=1, second=2, sequence=0),
    Scale(point="working.hook_gate", factor=0.5, slot=3),
    Force(segment=3, entry=17, action="DISCARD"),
    Forbid(action="COMPRESS"),
    Drop(segment=4, entry=2),
    Insert(segment=4, entry=2, source=SOURCE, instead_of=8),
    Freeze(memory="store", segment=5),
]
segments = st.one_of(
    st.none(), st.integers(0, 99), st.lists(st.integers(0, 99), min_size=1),
    st.builds(lambda a, n, k: slice(a, a + n, k), st.integers(0, 99), st.integers(1, 9), st.integers(1, 3)),
    st.builds(range, st.integers(0, 9), st.integers(10, 20)),
)  # fmt: skip


def test_one_of_each_is_here() -> None:
    assert {one.kind() for one in ONE_OF_EACH} == set(REGISTRY)


@pytest.mark.parametrize("one", ONE_OF_EACH, ids=[one.kind() for one in ONE_OF_EACH])
@given(segment=segments)
def test_to_json_and_back(one: Intervention, segment: object) -> None:
    made = one if one.kind() in ("drop", "insert", "force") else type(one)(**{**dict(one), "segment": segment})
    again = from_dict(json.loads(json.dumps(made.to_dict())))
    assert again == made and type(again) is type(made)
    assert again.to_dict() == made.to_dict()


@given(segment=segments, t=st.integers(0, 120))
def test_which_segments(segment: object, t: int) -> None:
    def listed() -> bool:
        if isinstance(segment, slice):
            return t in range(segment.start, segment.stop, segment.step or 1)
        return segment is None or t in ([segment] if isinstance(segment, int) else segment)  # pyright: ignore

    assert Forbid(action="STORE", segment=segment).acts(t) == listed()  # pyright: ignore


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"kind": "ablat", "point": "x"}, InterventionError, "of kind 'ablat'; closest: ablate"),
        ({"point": "x"}, InterventionError, "expected an object with a kind: ablate, patch"),
        ({"kind": "ablate", "pont": "x"}, ConfigError, "intervention 'ablate'"),
        ({"kind": "scale", "point": "x", "factr": 2, "factor": 1}, ConfigError, "unknown key 'factr'; closest: factor"),
        ({"kind": "force", "action": "DISCRAD", "segment": 1, "slot": 1}, ConfigError, "closest: DISCARD"),
        ({"kind": "force", "action": "STORE", "segment": 1}, ConfigError, "give slot or entry: the candidate"),
        ({"kind": "force", "action": "STORE", "slot": 1}, ConfigError, "give segment"),
        ({"kind": "ablate", "point": "x", "slot": 1, "entry": 2}, ConfigError, "give the one or the other"),
        ({"kind": "ablate", "point": "x", "by": "resample"}, ConfigError, "takes a source"),
        ({"kind": "clamp", "point": "x"}, ConfigError, "give low, high or both"),
        ({"kind": "clamp", "point": "x", "low": 2, "high": 1}, ConfigError, "low is 2.0, above high"),
        ({"kind": "ablate", "point": "x", "segment": -1}, ConfigError, "segment"),
        ({"kind": "freeze", "memory": "stor"}, ConfigError, "memory"),
        ({"kind": "patch", "point": "x", "source": "a", "from_slot": 1}, ConfigError, "give both"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(values: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        from_dict(values)


WRONG_FIELDS = [
    (Drop, {"segmnt": 3, "entry": 7}, "'drop': unknown key 'segmnt'; closest: segment"),
    (Drop, {"entry": 7}, "'drop': 'segment' is missing; give segment, entry"),
    (Drop, {"segment": 3, "entry": "x"}, "'entry' is 'x', expected a valid integer"),
    (Drop, {"segment": -3, "entry": 7}, "'segment' is -3, expected a value greater than or equal to 0"),
    (Noise, {"point": "x", "std": -1}, "'std' is -1, expected a value greater than or equal to 0"),
    (Noise, {"point": "x", "sdt": 1}, "unknown key 'sdt'; closest: std"),
    (Scale, {"point": "x", "factor": float("nan")}, "'factor' is nan, expected a finite number"),
    (Scale, {"point": 3, "factor": 1}, "'point' is 3, expected a valid string"),
    (Ablate, {"point": "x", "by": "meen"}, "'by' is 'meen', expected zero or mean or resample; closest: mean"),
    (Ablate, {"point": "x", "segment": "3-5"}, "'segment' is '3-5', expected a segment .*a range or a slice"),
    (Ablate, {"point": "x", "segment": slice(-2, None)}, "expected a segment .*a range or a slice"),
    (Ablate, {"point": "x", "segment": [1, -1]}, "expected a segment .*a range or a slice"),
    (Ablate, {"point": "x", "places": {"feature": -1}}, "'places.feature' is -1, expected a value greater"),
    (Patch, {"point": "x", "source": 5}, "'source' is 5, expected a Recording, its path, or an object with path and id"),
    (Patch, {"point": "x", "source": {"pth": "a"}}, "unknown key 'source.pth'; closest: path"),
    (Freeze, {"memory": "stor"}, "'memory' is 'stor', expected working or store; closest: store"),
    (Force, {"segment": 1, "slot": 1, "action": 9}, "'action' is 9, expected an action; allowed: COMPRESS, DISCARD"),
    (Force, {"segment": 1, "slot": 1, "action": None}, "'action' is None, expected an action"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values", "message"), WRONG_FIELDS)
def test_a_wrong_field_is_named_with_the_closest_right_one(
    kind: type[Intervention], values: dict, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        kind(**values)
    if not isinstance(values.get("segment"), slice):
        with pytest.raises(ConfigError, match=message):
            from_dict({"kind": kind.kind(), **values})


def test_numbers_of_numpy_are_taken() -> None:
    assert Drop(segment=np.int64(3), entry=np.int32(7)) == Drop(segment=3, entry=7)
    assert Force(segment=np.int64(3), slot=np.int64(1), action=np.int64(3)) == Force(
        segment=3, slot=1, action="DISCARD"
    )
    assert Forbid(action="STORE", segment=np.arange(3)) == Forbid(action="STORE", segment=(0, 1, 2))


def test_fields_are_given_by_name() -> None:
    with pytest.raises(
        ConfigError, match="'drop': got 3, 7 without a name, expected fields by name, of: segment, entry"
    ):
        Drop(3, 7)  # pyright: ignore[reportCallIssue]


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "changes.json"
    path.write_text(json.dumps([one.to_dict() for one in ONE_OF_EACH]))
    assert load_interventions(path) == ONE_OF_EACH
    for text, message in (
        ("{", "is not JSON"),
        ('{"kind": "drop"}', "holds a dict, expected a list"),
        ('[{"kind": "drp"}]', "index 0: no intervention is of kind 'drp'; closest: drop"),
        ('[{"kind": ["drop"]}]', "no intervention is of kind"),
    ):
        path.write_text(text)
        with pytest.raises(InterventionError, match=message):
            load_interventions(path)
    path.write_text('[{"kind": "forbid", "action": "STORE"}, {"kind": "drop", "segmnt": 3, "entry": 7}]')
    with pytest.raises(ConfigError, match="index 1: intervention 'drop': unknown key 'segmnt'; closest: segment"):
        load_interventions(path)
    with pytest.raises(InterventionError, match="no file at"):
        load_interventions(tmp_path / "none.json")
