"""Tasks: every answer follows from what is said, splits share no keys, the same seed gives the same stream."""

import subprocess
import sys

import numpy as np
import pytest

from memlens.dims import Modality
from memlens.errors import StreamError
from memlens.streams import TASKS, default_tokenizer, find_task
from memlens.streams.facts import encode_pieces
from memlens.streams.scene import FILLERS
from memlens.streams.tokenizer import encode_answer, encode_question

from .solvers import IDENTITIES, SOLVERS, said_by, transcript

SPLITS = ("train", "validation", "test")
TOKENIZER = default_tokenizer()
#: Options that change what is said: each is solved too.
VARIANTS = [
    ("needle", {"mix": (1, 1, 1, 1), "near": 0.5, "restated": 0.3, "rewritten": 0.3, "versions": 2}),
    ("needle", {"mix": (1, 1, 1, 1), "held": True, "restated": 0.5}),
    ("rewrite", {"rewritten": 1.0, "versions": 5, "near": 1.0}),
    *[("entity", {"hops": hops}) for hops in (1, 2, 3)],
    ("entity", {"actors": 2, "objects": 6, "places": 10}),
    *[("cross", {"key": key}) for key in ("audio", "image", "dna")],
    ("cross", {"value": "dna"}),
    *[("digits", {"scale": scale}) for scale in (2, 4, 8)],
    ("spoken", {"digits": 2}),
    ("mqar", {"vocab": 64}),
    ("noisy_recall", {"noisy": 3.0}),
    ("budget", {"rule": 5}),
]
ASKING = [name for name in TASKS if name != "language"]
CASES = [*[(name, {}) for name in ASKING], *VARIANTS]


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("split", SPLITS)
def test_every_answer_follows_from_the_stream(name, options, split):
    for seed, n_fact in enumerate((3, 5, 10)):
        for filler in {TASKS[name].filler, "none"}:
            stream = TASKS[name].stream(2_000, seed, split, n_fact, filler, **options)
            text = transcript(stream, split)
            for part in stream.parts:
                if part.kind == "question":
                    assert SOLVERS[name](text, part.text) == part.answer, (part.text, text)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_every_answer_follows_from_its_support(name, options):
    for seed in range(4):
        scene = TASKS[name].draw(np.random.default_rng(seed), "test", 8, **options)
        assert len({(query.text, query.answer) for query in scene.queries}) == len(scene.queries)
        for query in scene.queries:
            assert list(query.support) == sorted(set(query.support))
            text = transcript(said_by(scene, query.support), "test")
            assert SOLVERS[name](text, query.text) == query.answer, (query, text)


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("split", SPLITS)
def test_scenes_of_every_size_fit_the_model(name, options, split):
    longest = (
        75 if options.get("scale") == 8 else 44 if "mix" in options else 40
    )  # 64 pixels and a name; a strand in a phrase
    for n_fact in (2 if options.get("hops") != 3 else 3, 4, 10):
        scene = TASKS[name].draw(np.random.default_rng(n_fact), split, n_fact, **options)
        assert scene.queries and scene.statements
        assert all(len(encode_pieces(TOKENIZER, statement.pieces)) <= longest for statement in scene.statements)
        for query in scene.queries:
            assert len(encode_question(TOKENIZER, query.text)) <= 64
            assert len(encode_answer(TOKENIZER, query.answer)) <= 12
            assert max(query.support) < len(scene.statements)


@pytest.mark.parametrize("name", ASKING)
def test_splits_share_no_keys(name):
    seen = [set(), set(), set()]
    for split, found in zip(SPLITS, seen, strict=True):
        for seed in range(40):
            found |= IDENTITIES[name](TASKS[name].draw(np.random.default_rng(seed), split, 8))
    assert all(len(found) > 8 for found in seen)
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]


@pytest.mark.parametrize("name", TASKS)
def test_same_seed_same_stream(name):
    one, same, other = (TASKS[name].stream(3_000, seed).encode(TOKENIZER) for seed in (4, 4, 5))
    for column in ("modality", "token", "payload", "payload_row", "fact"):
        assert getattr(one, column).tobytes() == getattr(same, column).tobytes()
    assert one.questions == same.questions and one.config == same.config
    assert one.token.tobytes() != other.token.tobytes()


def test_streams_do_not_depend_on_the_process():
    script = (
        "import hashlib; from memlens.streams import TASKS, default_tokenizer\n"
        "for task in TASKS.values():\n"
        "    e = task.stream(1_000, 3).encode(default_tokenizer())\n"
        "    print(task.name, hashlib.sha256(e.token.tobytes() + e.payload.tobytes() + repr(e.questions).encode()).hexdigest())"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1] and len(outputs[0].splitlines()) == len(TASKS)


@pytest.mark.parametrize("filler", FILLERS)
def test_a_stream_is_as_long_as_asked_and_keeps_the_order(filler):
    stream = find_task("spoken").stream(3_000, 1, "train", 20, filler)
    encoded = stream.encode(TOKENIZER)
    assert all(question.position == len(encoded) for question in encoded.questions)
    assert len(encoded.questions) == 20
    starts = [encoded.facts[i].start for i in range(20)]
    assert starts == sorted(starts)
    said = sum(span.end - span.start for span in encoded.facts.values())
    if filler == "none":
        assert len(encoded) == said
        return
    assert 2_900 < len(encoded) <= 3_000
    room = 3_000 - said
    before = np.array(starts) - np.cumsum([0] + [encoded.facts[i].end - encoded.facts[i].start for i in range(19)])
    share = before / room * 20 - np.arange(20)  # where in its twentieth of the filler each statement lies
    assert (share > -1).all() and (share < 4).all(), share  # a sentence is not cut for it


def test_a_scene_stands_alone_at_length_0():
    stream = find_task("entity").stream(0, 2, "test", 12)
    assert [part.kind for part in stream.parts[:12]] == ["text"] * 12
    assert all(part.kind == "question" for part in stream.parts[12:])


def test_language_is_prose_and_nothing_else():
    encoded = find_task("language").stream(5_000).encode(TOKENIZER)
    assert not encoded.questions and not encoded.facts and 4_900 < len(encoded) <= 5_000
    assert (encoded.modality == int(Modality.TEXT)).all()


@pytest.mark.parametrize(
    ("name", "n_fact", "options", "message"),
    [
        ("rewrite", 8, {"rewritten": 1.5}, "rewritten is 1.5, expected a number from 0 to 1"),
        ("rewrite", 8, {"versions": 0}, "versions is 0, expected a whole number from 1"),
        ("rewrite", 2_000, {}, "1436 keys in split 'test'; ask for fewer"),
        ("entity", 8, {"hops": 4}, "hops is 4, expected one of 0, 1, 2, 3"),
        ("entity", 2, {"hops": 3}, "ask for 3 or more"),
        ("entity", 8, {"places": 1}, "places is 1, expected a whole number from 2 to 16"),
        ("cross", 8, {"key": "text"}, "key is 'text', expected one of mixed, audio, image, dna"),
        ("cross", 8, {"key": "dna", "value": "dna"}, "choose another"),
        ("cross", 30, {"key": "audio"}, "there are 20 keys"),
        ("digits", 8, {"scale": 3}, "expected one of 1, 2, 4, 8"),
        ("digits", 800, {}, "there are 132 names"),
        ("spoken", 8, {"digits": 3}, "from 1 to 2"),
        ("motif", 11, {}, "there are 10 enzymes"),
        ("mqar", 8, {"vocab": 8}, "expected a whole number from 32"),
        ("mqar", 8, {"vocab": 500}, "ask for fewer"),
        ("mqar", 200, {}, "there are 128 keys"),
        ("noisy_recall", 8, {"noisy": -1.0}, "noisy is -1.0, expected a number from 0"),
        ("selective_copy", 11, {}, "there are 10 symbols"),
        ("compress", 8, {"vocab": 4}, "expected a whole number from 16"),
        ("budget", 64, {"rule": 8}, "from 0 to 7"),
        ("budget", 5_000, {}, "ask for fewer"),
        ("language", 3, {}, "give 0"),
        ("needle", 1_430, {"near": 1.0, "rewrited": 1}, "closest: rewritten"),
    ],
)
def test_bad_values_say_what_to_do(name, n_fact, options, message):
    with pytest.raises(StreamError, match=message):
        find_task(name).stream(1_000, n_fact=n_fact, **options)


def test_unknown_names_list_the_closest():
    with pytest.raises(StreamError, match="closest: entity"):
        find_task("entiti")
    with pytest.raises(StreamError, match="closest: bases"):
        find_task("motif").stream(1_000, filler="base")
