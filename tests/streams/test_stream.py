"""Streams: building, encoding, cutting into segments, questions at the right distance, saving."""

import json
from typing import Any

import numpy as np
import pytest

from memlens.dims import Modality
from memlens.errors import StreamError
from memlens.streams import Stream, builtin_stream, default_tokenizer, find_task, make_fact
from memlens.streams.builtin import distance_targets

TOKENIZER = default_tokenizer()


def everything():
    rng = np.random.default_rng(0)
    return (
        Stream("all", seed=3, config={"a": 1})
        .question("Anything yet?", "no")
        .text("The picture of the gate:", fact=4)
        .image(rng.random((16, 8)), fact=4)
        .text(".", fact=4)
        .dna("GAATTCN", fact=5)
        .audio(rng.normal(size=4000).clip(-1, 1), rate=8000)
        .text(" More words here.")
        .question("Which digit?", "7", fact=4)
        .question("Unknown?", "yes", fact=99)
    )


def test_columns_and_questions():
    encoded = everything().encode(TOKENIZER)
    n_text = len(TOKENIZER.encode("The picture of the gate:").ids)
    first, known, unknown = encoded.questions
    assert (first.position, first.fact, first.fact_modality, first.distance) == (0, -1, None, -1)
    assert encoded.facts[4] == (Modality.IMAGE, 0, n_text + 3)
    assert known.position == encoded.n_token and known.distance == encoded.n_token - encoded.facts[4].end
    assert known.fact_modality == Modality.IMAGE and unknown.distance == -1
    assert ((encoded.payload_row < 0) == (encoded.modality == Modality.TEXT)).all()
    np.testing.assert_array_equal(encoded.payload_row[encoded.payload_row >= 0], np.arange(len(encoded.payload)))


@pytest.mark.parametrize("length", [1, 7, 16, 512])
def test_segments_join_to_the_stream(length):
    encoded = everything().encode(TOKENIZER)
    parts = [encoded.segment(t, length) for t in range(encoded.n_segment(length))]
    valid = np.concatenate([p["valid"] for p in parts])
    assert valid.sum() == encoded.n_token and all(len(p["token"]) == length for p in parts)
    for name in ("modality", "token", "fact"):
        np.testing.assert_array_equal(np.concatenate([p[name] for p in parts])[valid], getattr(encoded, name))
    payload = np.concatenate([p["payload"] for p in parts])
    np.testing.assert_array_equal(payload[valid][encoded.payload_row >= 0], encoded.payload)
    assert not payload[~valid].any()
    asked = [q for t in range(encoded.n_segment(length)) for q in encoded.questions_in(t, length)]
    assert asked == list(encoded.questions)


def test_a_question_on_the_border_is_asked_at_the_end_of_the_segment_before():
    stream = Stream().dna("A" * 8).question("One?", "1").dna("C").question("Two?", "2")
    encoded = stream.encode(TOKENIZER)
    assert [q.text for q in encoded.questions_in(0, 8)] == ["One?"]
    assert [q.text for q in encoded.questions_in(1, 8)] == ["Two?"]
    for t, length in ((2, 8), (-1, 8), (0, 0)):
        with pytest.raises(StreamError):
            encoded.segment(t, length)


def test_distance_counts_from_the_last_statement_before_the_question():
    encoded = (
        Stream().dna("A" * 5, fact=0).dna("C" * 10).dna("G" * 3, fact=0).dna("T" * 4).question("What?", "x", fact=0)
        .dna("A", fact=0).encode(TOKENIZER)
    )  # fmt: skip
    assert encoded.questions[0].distance == 4
    assert encoded.facts[0] == (Modality.DNA, 22, 23)


@pytest.mark.parametrize(
    ("text", "answer", "said"),
    [
        ("What?", "", "a question with no answer"),
        ("What?", None, "no answer"),
        (" ", "x", "no text"),
        (None, "x", "no text"),
    ],
)
def test_questions_need_text_and_answer(text, answer, said):
    with pytest.raises(StreamError, match=said):
        Stream().question(text, answer)


def test_other_bad_parts():
    with pytest.raises(StreamError, match="is empty"):
        Stream("void").question("What?", "x").encode(TOKENIZER)
    with pytest.raises(StreamError):
        Stream().text("")
    with pytest.raises(StreamError, match="no rate"):
        Stream().audio(np.zeros(10))
    wrong: list[Any] = [-2, 1.5, "a", True]
    for fact in wrong:
        with pytest.raises(StreamError, match="fact is"):
            Stream().text("x", fact=fact)


def test_save_and_load_are_equal(tmp_path):
    stream = everything()
    again = Stream.load(stream.save(tmp_path / "kept.stream"))
    assert (again.name, again.seed, again.config) == ("all", 3, {"a": 1})
    assert again.encode(TOKENIZER).sha256 == stream.encode(TOKENIZER).sha256
    again.text("x")
    assert again.encode(TOKENIZER).sha256 != stream.encode(TOKENIZER).sha256


def saved(path, head, **arrays):
    np.savez(path, stream=np.frombuffer(json.dumps(head).encode(), dtype=np.uint8), **arrays)
    return path


def test_damaged_or_foreign_files_are_stream_errors(tmp_path):
    good = everything().save(tmp_path / "good.npz").read_bytes()
    for number, data in enumerate((b"", b"junk", good[:200], good[: len(good) // 2], b"PK\x05\x06" + bytes(18))):
        path = tmp_path / f"{number}.npz"
        path.write_bytes(data)
        with pytest.raises(StreamError):
            Stream.load(path)
    flipped = bytearray(good)
    flipped[len(good) // 3] ^= 255
    (tmp_path / "flipped.npz").write_bytes(flipped)
    with pytest.raises(StreamError):
        Stream.load(tmp_path / "flipped.npz")
    base = {"format": "memlens-stream-2", "name": "x", "seed": 0, "config": {}}
    image = {"kind": "image", "text": "", "answer": "", "fact": -1}
    for number, parts in enumerate(([{"kind": "video", "fact": -1}], [image], [3], 7, [{"kind": "text"}])):
        with pytest.raises(StreamError):
            Stream.load(saved(tmp_path / f"head{number}.npz", {**base, "parts": parts}))
    wrong = saved(tmp_path / "wrong.npz", {**base, "parts": [image]}, payload_0=np.zeros((2, 3), dtype=np.float32))
    with pytest.raises(StreamError, match="expected float32"):
        Stream.load(wrong)
    with pytest.raises(StreamError, match="does not exist"):
        Stream.load(tmp_path / "none.npz")


def test_builtin_is_bit_equal_by_seed_and_ignores_global_state():
    np.random.seed(1)  # noqa: NPY002
    one = builtin_stream("builtin", n_token=20_000, seed=5).encode(TOKENIZER)
    np.random.seed(2)  # noqa: NPY002
    np.random.random(10)  # noqa: NPY002
    two = builtin_stream("builtin", n_token=20_000, seed=5).encode(TOKENIZER)
    assert one.sha256 == two.sha256
    assert builtin_stream("builtin", n_token=20_000, seed=6).encode(TOKENIZER).sha256 != one.sha256


@pytest.mark.parametrize("n_token", [4_000, 30_000, 100_000, 400_000])
def test_builtin_states_every_fact_before_it_is_asked_once(n_token):
    encoded = builtin_stream("builtin", n_token=n_token, seed=2).encode(TOKENIZER)
    assert n_token <= encoded.n_token < n_token + 600
    assert sum(encoded.config["planted"].values()) == len(encoded.facts) == len(encoded.questions)
    assert sorted(q.fact for q in encoded.questions) == sorted(encoded.facts)
    for q in encoded.questions:
        span = encoded.facts[q.fact]
        assert q.distance == q.position - span.end >= 0 and span.modality == q.fact_modality
        assert (encoded.fact[span.start : span.end] == q.fact).all()
        assert (encoded.fact == q.fact).sum() >= span.end - span.start
    longest = max(q.distance for q in encoded.questions)
    assert longest > 0.7 * n_token


def test_builtin_repeats_a_share_and_spreads_depth_and_distance():
    encoded = builtin_stream("builtin", n_token=100_000, seed=0, repeats=0.25).encode(TOKENIZER)
    again = [f for f, span in encoded.facts.items() if (encoded.fact == f).sum() > span.end - span.start]
    assert len(again) == 40
    starts = np.array([span.start for span in encoded.facts.values()]) / encoded.n_token
    assert np.abs(np.sort(starts) - np.linspace(0, 1, len(starts))).max() < 0.05
    distances = np.array([q.distance for q in encoded.questions])
    for low, high in ((300, 1000), (1000, 4000), (4000, 16000), (16000, 60000), (60000, 100000)):
        assert ((distances >= low) & (distances < high)).sum() >= 8


def test_distance_targets_grow_with_the_stream():
    assert distance_targets(100_000) == [512, 2048, 8192, 32768, 90_000]
    assert distance_targets(4_000) == [512, 2048, 3600]


def test_builtin_without_facts_is_prose():
    encoded = builtin_stream("builtin", n_token=2_000, n_text=0, n_image=0, n_audio=0, n_dna=0).encode(TOKENIZER)
    assert not encoded.questions and (encoded.modality == Modality.TEXT).all()


@pytest.mark.parametrize(
    "options",
    [{"n_token": 10}, {"n_text": -1}, {"split": "tset"}, {"prose": "x"}, {"repeats": 2}, {"seed": "a"}, {"n_txt": 3}],
)
def test_wrong_options_are_stream_errors(options):
    with pytest.raises(StreamError):
        builtin_stream("builtin", **options)


def test_unknown_name_lists_the_closest():
    with pytest.raises(StreamError, match="closest: builtin"):
        builtin_stream("bulitin")


def test_a_stream_says_its_sizes():
    stream = everything()
    said = "<Stream 'all': 3 text, 1 image, 1 audio, 1 dna parts, 2 facts, 3 questions, seed 3; "
    assert repr(stream) == said + "positions are counted by encode(tokenizer)>"
    encoded = stream.encode(TOKENIZER)
    n_text = int((encoded.modality == Modality.TEXT).sum())
    said = f"{n_text + 16} positions ({n_text} text, 2 image, 7 audio, 7 dna), 2 facts, 3 questions, seed 3"
    assert repr(encoded) == f"<EncodedStream 'all': {said}>"
    assert repr(Stream()).startswith("<Stream 'stream': no parts, 0 facts, 0 questions, seed None;")


def test_what_a_stream_is_made_of_fits_a_line():
    question, text, image, *_ = everything().parts
    assert repr(question) == "<StreamPart question: 'Anything yet?' -> 'no' (13 characters)>"
    assert repr(text) == "<StreamPart text: 'The picture of the gate:' (24 characters), fact 4>"
    assert repr(image) == "<StreamPart image: 2 positions, fact 4>"
    assert len(repr(Stream().text("word " * 10_000).parts[0])) < 120
    scene = find_task("digits").draw(np.random.default_rng(0), "test", 3)
    assert repr(scene) == "<Scene: 3 statements, 3 queries>"
    assert repr(scene.statements[0]).endswith("(image 8 x 8)>") and len(repr(scene.statements[0])) < 120
    fact = make_fact(np.random.default_rng(0), Modality.AUDIO, "test", "copper lantern")
    assert repr(fact).startswith("<Fact 'copper lantern', recording (audio): ") and len(repr(fact)) < 240
    assert repr(find_task("spoken")) == (
        "<Task 'spoken': spoken digits, recalled by name; 16,384 positions, 32 facts, filler prose; options digits=1>"
    )
