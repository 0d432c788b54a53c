"""Facts: splits that do not meet, values that are what the answer says, encodings that round-trip."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memlens.dims import EOS, Modality
from memlens.errors import StreamError
from memlens.streams import default_tokenizer, make_fact
from memlens.streams.facts import STATEMENTS, count_sites, encode_fact, keys, restate, sample_keys
from memlens.streams.prose import prose, sentences
from memlens.streams.samples import digit_images, spoken_digits
from memlens.streams.tokenizer import decode_answer, encode_answer, encode_question, load_tokenizer
from memlens.streams.words import SITES

SPLITS = ("train", "validation", "test")
TOKENIZER = default_tokenizer()


def test_keys_of_splits_are_disjoint_and_cover_all():
    sets = [set(keys(split)) for split in SPLITS]
    assert not sets[0] & sets[1] and not sets[0] & sets[2] and not sets[1] & sets[2]
    sizes = np.array([len(s) for s in sets]) / sum(len(s) for s in sets)
    np.testing.assert_allclose(sizes, [0.7, 0.1, 0.2], atol=0.02)


def test_the_split_of_a_key_never_changes():
    pinned = {"copper lantern": "train", "quiet river": "train", "iron gate": "validation", "ancient drawer": "test"}
    assert {key: next(s for s in SPLITS if key in keys(s)) for key in pinned} == pinned


def test_images_and_voices_of_splits_are_disjoint():
    for pool in (digit_images, spoken_digits):
        seen = [{clip.tobytes() for clips in pool(split) for clip in clips} for split in SPLITS]
        assert all(seen)
        assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]


def test_sample_keys_are_unique_and_bounded():
    drawn = sample_keys(np.random.default_rng(0), 200, "test")
    assert len(set(drawn)) == 200 and set(drawn) <= set(keys("test"))
    with pytest.raises(StreamError, match="test' has"):
        sample_keys(np.random.default_rng(0), 10**6, "test")


@pytest.mark.parametrize("modality", list(Modality))
@pytest.mark.parametrize("split", SPLITS)
def test_facts_hold_what_their_answer_says(modality, split):
    rng = np.random.default_rng(3)
    for _ in range(60):
        fact = make_fact(rng, modality, split)
        assert fact.key in fact.question and fact.key in keys(split)
        assert len(encode_fact(TOKENIZER, fact)) <= 44
        assert len(encode_question(TOKENIZER, fact.question)) <= 64 and len(encode_answer(TOKENIZER, fact.answer)) <= 12
        if modality == Modality.TEXT:
            assert fact.answer in fact.pieces[0][1] and fact.attribute in fact.question
        elif modality == Modality.DNA:
            assert SITES[fact.answer] in fact.value and count_sites(fact.value) == 1
        else:
            pool = (digit_images if modality == Modality.IMAGE else spoken_digits)(split)
            assert any(np.array_equal(fact.value, clip) for clip in pool[int(fact.answer)])


@pytest.mark.parametrize("modality", list(Modality))
def test_restating_keeps_the_value_and_changes_the_words(modality):
    rng = np.random.default_rng(4)
    for _ in range(30):
        fact = make_fact(rng, modality, "train")
        again = restate(rng, fact)
        assert again.value is fact.value and again.answer == fact.answer and again.phrasing != fact.phrasing


@pytest.mark.parametrize("modality", list(Modality))
def test_same_seed_same_fact(modality):
    one, two = (encode_fact(TOKENIZER, make_fact(np.random.default_rng(9), modality, "test")) for _ in range(2))
    assert one.token.tobytes() == two.token.tobytes() and one.payload.tobytes() == two.payload.tobytes()


def test_every_phrasing_names_key_and_value_once():
    for phrasings in STATEMENTS.values():
        assert len(phrasings) == len(set(phrasings)) >= 3
        assert all(p.count("{k}") == 1 and p.count("{v}") == 1 for p in phrasings)


def test_unknown_split_lists_the_right_ones():
    with pytest.raises(StreamError, match="closest: train"):
        make_fact(np.random.default_rng(0), Modality.TEXT, "trian")


@given(st.text())
def test_text_round_trips_through_the_tokenizer(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text).ids, skip_special_tokens=False) == text


def test_emoji_bytes_and_special_names_round_trip():
    text = "🦉 naïve 中文 \x00\x7f\u2028 <eos><pad>\n\t 472"
    ids = TOKENIZER.encode(text).ids
    assert EOS not in ids and TOKENIZER.decode(ids) == text


def test_answers_round_trip_and_stop_at_eos():
    ids = encode_answer(TOKENIZER, "amber heron")
    assert ids[-1] == EOS and decode_answer(TOKENIZER, [*ids, 50, 60]) == "amber heron"
    assert len(encode_answer(TOKENIZER, "472")) == 4  # digits one by one


def test_missing_or_wrong_tokenizer_is_a_stream_error(tmp_path):
    with pytest.raises(StreamError, match="no tokenizer"):
        load_tokenizer(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(StreamError, match="is not a tokenizer"):
        load_tokenizer(tmp_path / "tokenizer.json")


def test_prose_of_splits_is_real_and_disjoint():
    assert len(prose("train")) > 2_000_000 and len(prose("test")) > 300_000
    long = [{s for s in sentences(split) if len(s) > 60} for split in SPLITS]
    assert not long[0] & long[1] and not long[0] & long[2] and not long[1] & long[2]
