"""Options of named streams: defaults, values given as text, and errors that name what would be right."""

import inspect

import pytest

from memlens.errors import StreamError
from memlens.streams import TASKS
from memlens.streams.builtin import make_builtin
from memlens.streams.options import default_length, options, parse, resolve
from memlens.streams.registry import BUILTIN_STREAMS


@pytest.mark.parametrize("name", BUILTIN_STREAMS)
def test_defaults_make_the_same_stream_as_nothing_given(name: str) -> None:
    length = min(default_length(name), 2000)
    plain = BUILTIN_STREAMS[name](n_token=length, seed=3, split="test")
    full = BUILTIN_STREAMS[name](n_token=length, seed=3, split="test", **options(name))
    assert [(p.kind, p.text, p.answer) for p in plain.parts] == [(p.kind, p.text, p.answer) for p in full.parts]


def test_options_of_tasks_and_of_the_builtin_stream() -> None:
    assert list(options("needle"))[:2] == ["n_fact", "filler"]
    assert options("needle")["n_fact"] == TASKS["needle"].n_fact
    known = {"n_token", "seed", "split"}
    assert set(options("builtin")) == set(inspect.signature(make_builtin).parameters) - known
    assert default_length("builtin") == inspect.signature(make_builtin).parameters["n_token"].default


def test_text_becomes_a_value_of_the_options_kind() -> None:
    assert parse("needle", ["n_fact=16", "near=0.5", "mix=0.4,0.2,0.2,0.2", "held=true", "filler=bases"]) == {
        "n_fact": 16, "near": 0.5, "mix": (0.4, 0.2, 0.2, 0.2), "held": True, "filler": "bases",
    }  # fmt: skip
    resolved = resolve("needle", {"near": 1, "mix": [1, 0, 0, 0]})
    assert resolved == {**options("needle"), "near": 1.0}
    assert isinstance(resolved["near"], float)


@pytest.mark.parametrize(
    ("name", "texts", "message"),
    [
        ("nedle", [], "no built-in stream or task 'nedle'; closest: needle"),
        ("needle", ["naer=1"], "task 'needle' has no option 'naer'; closest: near"),
        ("needle", ["near"], "'near' sets nothing; give key=value, with a key of n_fact, "),
        ("needle", ["near=much"], "option 'near' of task 'needle' is 'much', expected a number, such as 0.0"),
        ("needle", ["n_fact=1.5"], "is '1.5', expected a whole number"),
        ("needle", ["held=yes"], "is 'yes', expected true or false"),
        ("needle", ["mix=1,0"], r"is \(1.0, 0.0\), expected 4 values"),
        ("needle", ["mix=1,0,0,x"], "is 'x', expected a number"),
        ("needle", ["near=1", "near=0"], "'near' is given twice"),
    ],
)
def test_bad_texts(name: str, texts: list[str], message: str) -> None:
    with pytest.raises(StreamError, match=message):
        parse(name, texts)


@pytest.mark.parametrize("given", [{"near": "much"}, {"n_fact": True}, {"held": 1}, {"mix": 0.5}, {"filler": 3}])
def test_bad_values(given: dict[str, object]) -> None:
    with pytest.raises(StreamError, match=f"option '{next(iter(given))}' of task 'needle'"):
        resolve("needle", given)
