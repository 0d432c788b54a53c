"""What is wrong with a call is said in one typed error: what was got, what was expected, the closest right name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memlens.errors import ArgumentError, StreamError
from memlens.streams import Stream, builtin_stream, default_tokenizer, find_task, load_stream, make_fact
from memlens.streams.options import default_length, options, parse, resolve
from memlens.streams.scene import find_filler
from memlens.streams.tokenizer import load_tokenizer


def stream() -> Any:
    return Stream("x")


def encoded() -> Any:
    return Stream("x").text("Some words.").encode(default_tokenizer())


def fact(modality: Any, split: Any = "test") -> Any:
    return make_fact(np.random.default_rng(0), modality, split)


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "name": (lambda: Stream(3), "name of a stream is 3, expected a text"),  # pyright: ignore[reportArgumentType]
    "config": (lambda: Stream("x", config=[1]), r"is \[1\], expected a dict"),  # pyright: ignore[reportArgumentType]
    "text": (lambda: stream().text(3), "text is 3, expected a text"),
    "no text": (lambda: stream().text(""), "text is '', expected a text"),
    "fact": (lambda: stream().text("a", fact="b"), "fact is 'b', expected a whole number from 0"),
    "question": (lambda: stream().question(3, "a"), "got 3, expected a text"),
    "answer": (lambda: stream().question("a?", 3), "'a[?]' has answer 3, expected a text"),
    "group": (lambda: stream().question("a?", "b", group=1), "group is 1, expected a text"),
    "surrogate in text": (
        lambda: stream().text("a\ud83d"),
        r"text cannot .* character 1 is the lone surrogate U\+D83D",
    ),
    "surrogate in question": (lambda: stream().question("\ud83d", "a"), "question cannot .* character 0"),
    "surrogate in answer": (lambda: stream().question("a?", "ab\ud83d"), "answer cannot .* character 2"),
    "surrogate in group": (lambda: stream().question("a?", "b", group="\ud83d"), "group cannot .* character 0"),
    "surrogate in name": (lambda: Stream("a\ud83d"), "name of a stream cannot .* character 1"),
    "surrogate in config": (lambda: Stream("x", config={"a": ["\ud83d"]}), "config of a stream, as JSON, cannot"),
    "set in config": (lambda: Stream("x", config={"a": {1}}), "holds what JSON cannot"),
    "image": (lambda: stream().image(None), r"image has shape \(\), expected \(height, width\)"),
    "ragged image": (lambda: stream().image([[1.0], [1.0, 2.0]]), "image is no array.*rows of equal length"),
    "whole image": (lambda: stream().image(np.ones((8, 8), int)), "dtype int64, expected uint8"),
    "bright image": (lambda: stream().image(np.full((8, 8), 2.0)), "spans 2 to 2, expected 0 to 1"),
    "image file": (lambda: stream().image("none.png"), "image 'none.png' does not exist"),
    "rate": (lambda: stream().audio(np.zeros(9)), "audio has no rate; give rate="),
    "rate type": (lambda: stream().audio(np.zeros(9), rate="8k"), "audio rate is '8k', expected"),
    "sound": (lambda: stream().audio(3, rate=8000), r"audio has shape \(\), expected"),
    "sound file": (lambda: stream().audio("none.wav"), "audio file 'none.wav' does not exist"),
    "strand": (lambda: stream().dna(3), "DNA is 3, expected a text"),
    "letter": (lambda: stream().dna("ACGU"), "letter 'U' at index 3 is not allowed; allowed: A, C, G, T, N"),
    "piece": (lambda: stream().say([3]), r"piece is 3, expected \(kind, value\)"),
    "kind": (lambda: stream().say([("video", 3)]), "with kind one of text, image, audio, dna"),
    "other": (lambda: stream().extend("y"), "other is a str, expected a Stream"),
    "tokenizer": (lambda: stream().text("a").encode("bpe"), "tokenizer is a str, expected a tokenizers.Tokenizer"),
    "empty": (lambda: stream().encode(default_tokenizer()), "is empty; add text"),
    "save": (lambda: stream().text("a").save(3), "path of the stream is 3, expected a str or Path"),
    "save where": (lambda: stream().text("a").save("no/folder/x.npz"), "cannot be written: No such file"),
    "save what": (lambda: Stream("x", config={"a": {1}}).text("a").save("x.npz"), "holds what JSON cannot"),
    "load": (lambda: Stream.load(3), "path of the stream is 3"),  # pyright: ignore[reportArgumentType]
    "load_stream": (lambda: load_stream(3), r"path is 3 \(int\), expected a text or a path"),  # pyright: ignore[reportArgumentType]
    "load_stream where": (lambda: load_stream("none.txt"), "stream 'none.txt' does not exist"),
    "load_stream suffix": (lambda: load_stream(Path(__file__)), "has suffix '.py'; allowed: .txt"),
    "load_tokenizer": (lambda: load_tokenizer("none.json"), "no tokenizer at 'none.json'"),
    "segment": (lambda: encoded().segment(1, 512), "segment 1 is outside the stream; it has segments 0 to 0"),
    "segment type": (lambda: encoded().segment("a", 512), "segment 'a' is outside"),
    "segment length": (lambda: encoded().n_segment("a"), "segment length is 'a', expected a whole number from 1"),
    "questions": (lambda: encoded().questions_in(-1, 512), "segment -1 is outside"),
    "stream": (lambda: builtin_stream("neddle"), "no built-in stream or task 'neddle'; closest: needle"),
    "stream type": (lambda: builtin_stream(["needle"]), "no built-in stream or task"),  # pyright: ignore[reportArgumentType]
    "option": (lambda: builtin_stream("needle", naer=1), "'needle' has no option 'naer'; closest: near"),
    "option type": (
        lambda: builtin_stream("needle", near="x"),
        "option 'near' of task 'needle' is 'x', expected a number",
    ),
    "option range": (lambda: builtin_stream("needle", near=2), "near is 2.0, expected a number from 0 to 1"),
    "mix": (lambda: builtin_stream("needle", mix=1), r"option 'mix' .* is 1, expected 4 values"),
    "length": (lambda: builtin_stream("needle", n_token=-1), "n_token is -1, expected a whole number from 0"),
    "length type": (lambda: builtin_stream("needle", n_token="1M"), "n_token is '1M', expected a whole number"),
    "seed": (lambda: builtin_stream("needle", seed=1.5), "seed is 1.5, expected a whole number"),
    "facts": (lambda: builtin_stream("needle", n_fact=10**6), "ask for fewer"),
    "split": (lambda: builtin_stream("needle", split="tset"), "no split 'tset'; closest: test"),
    "split type": (lambda: builtin_stream("needle", split=["test"]), "no split"),
    "filler": (lambda: builtin_stream("needle", filler="pros"), "no filler 'pros'; closest: prose"),
    "filler type": (lambda: builtin_stream("needle", filler=3), "no filler '3'"),
    "builtin length": (
        lambda: builtin_stream("builtin", n_token=10),
        "n_token is 10, expected a whole number from 1000",
    ),
    "builtin repeats": (lambda: builtin_stream("builtin", repeats=2), "repeats is 2, expected a share from 0 to 1"),
    "builtin option": (lambda: builtin_stream("builtin", n_txt=2), "has no option 'n_txt'; closest: n_text"),
    "task": (lambda: find_task("motfi"), "no task 'motfi'; closest: motif"),
    "task type": (lambda: find_task(3), "no task '3'"),  # pyright: ignore[reportArgumentType]
    "draw": (lambda: find_task("needle").draw(np.random.default_rng(0), "test", "a"), "n_fact is 'a'"),  # pyright: ignore[reportArgumentType]
    "find_filler": (lambda: find_filler("basis"), "no filler 'basis'; closest: bases"),
    "options": (lambda: options("neddle"), "closest: needle"),
    "default_length": (lambda: default_length("neddle"), "closest: needle"),
    "resolve": (lambda: resolve("entity", {"hops": "two"}), "option 'hops' of task 'entity' is 'two'"),
    "parse": (lambda: parse("entity", ["hops"]), "'hops' sets nothing; give key=value"),
    "modality": (lambda: fact("text"), r"modality is 'text', expected one of 0 \(TEXT\)"),
    "fact split": (lambda: fact(0, "tests"), "no split 'tests'; closest: test"),
}


@pytest.mark.parametrize("call", WRONG)
def test_a_wrong_call_is_one_typed_error(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wrong, message = WRONG[call]
    with pytest.raises((StreamError, ArgumentError), match=message):
        wrong()
