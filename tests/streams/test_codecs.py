"""Codecs: positions, payloads, and errors that say what was wrong."""

from typing import Any

import numpy as np
import pytest

from memlens.dims import PAYLOAD_WIDTH, Modality
from memlens.errors import StreamError
from memlens.streams import default_tokenizer
from memlens.streams.codecs import encode_audio, encode_dna, encode_image, encode_text


def slow_dna(letters):
    """Compute the payload base by base."""
    payload = np.zeros((len(letters), PAYLOAD_WIDTH), dtype=np.float32)
    for i in range(len(letters)):
        for place in range(8):
            base = i - 7 + place
            if base >= 0 and letters[base] != "N":
                payload[i, place * 4 + "ACGT".index(letters[base])] = 1
    return payload


def test_dna_matches_the_slow_reference():
    letters = "ACGTNNACGTTGCAAGCTT"
    columns = encode_dna(letters.lower())
    np.testing.assert_array_equal(columns.payload, slow_dna(letters))
    np.testing.assert_array_equal(columns.token, ["ACGTN".index(x) for x in letters])
    assert set(columns.modality) == {Modality.DNA}


@pytest.mark.parametrize(
    ("letters", "said"), [("ACGU", "'U' at index 3"), ("AC GT", "' ' at index 2"), ("é", "'é' at")]
)
def test_bad_letters_are_named(letters, said):
    with pytest.raises(StreamError, match=said) as caught:
        encode_dna(letters)
    assert "A, C, G, T, N" in str(caught.value)


@pytest.mark.parametrize("letters", ["", None, 7])
def test_no_strand_is_refused(letters):
    with pytest.raises(StreamError):
        encode_dna(letters)


def test_image_patches_are_row_major_and_scaled():
    image = np.zeros((16, 24), dtype=np.uint8)
    image[8:, 8:16] = 255
    columns = encode_image(image)
    assert len(columns) == 6
    np.testing.assert_allclose(columns.payload[:, :64].mean(axis=1), [-1, -1, -1, -1, 1, -1], atol=1e-6)
    assert not columns.payload[:, 64:].any()
    assert len(encode_image(np.zeros((8, 8)))) == 1


@pytest.mark.parametrize(
    ("shape", "n"), [((128, 64), 32), ((1, 1), 1), ((9, 8), 2), ((5000, 1), 8), ((640, 480, 3), 48)]
)
def test_image_sizes(shape, n):
    assert len(encode_image(np.full(shape, 128, dtype=np.uint8))) == n


def test_grey_weights_keep_grey_colours():
    grey = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    colour = np.repeat(grey[..., None], 3, axis=2)
    np.testing.assert_allclose(encode_image(grey).payload, encode_image(colour).payload, atol=1e-5)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros(8),
        np.zeros((8, 8, 4)),
        np.zeros((0, 8)),
        np.zeros((8, 8), dtype=np.int64),
        np.zeros((8, 8), dtype=bool),
        np.full((8, 8), np.nan),
        np.full((8, 8), 16.0),
        np.array([["a"]]),
    ],
)
def test_wrong_images_are_refused(image):
    with pytest.raises(StreamError, match=r"expected|NaN"):
        encode_image(image)


def test_audio_positions_are_80_ms_and_tones_light_their_bin():
    rate = 8000
    time = np.arange(rate) / rate
    low, high = (encode_audio(np.sin(2 * np.pi * f * time), rate) for f in (200, 3000))
    assert len(low) == -(-(-(-(rate - 200) // 80) + 1) // 8)
    first, second = (c.payload[2].reshape(8, 16).mean(axis=0).argmax() for c in (low, high))
    assert first < 4 < 11 < second


def test_audio_of_other_rates_and_types_agrees():
    time = np.arange(16000) / 16000
    wave = 0.5 * np.sin(2 * np.pi * 440 * time)
    fine, coarse = encode_audio(wave, 16000), encode_audio(wave[::2], 8000)
    assert np.abs(fine.payload[1:-1] - coarse.payload[1:-1]).mean() < 0.15
    integers = encode_audio((wave[::2] * 32767).astype(np.int16), 8000)
    assert np.abs(integers.payload[1:-1] - coarse.payload[1:-1]).mean() < 0.15
    stereo = encode_audio(np.stack([wave, wave], axis=1), 16000)
    np.testing.assert_allclose(stereo.payload, fine.payload, atol=1e-4)


def test_long_audio_in_blocks_equals_its_parts():
    wave = np.random.default_rng(0).normal(size=8000 * 60).clip(-1, 1)
    whole = encode_audio(wave, 8000).payload
    tail = encode_audio(wave[5000 * 80 :], 8000).payload
    np.testing.assert_allclose(whole[625:], tail, atol=1e-5)


@pytest.mark.parametrize(
    ("wave", "rate"),
    [
        (np.zeros(0), 8000),
        (np.zeros((2, 2, 2)), 8000),
        (np.full(100, np.inf), 8000),
        (np.full(100, 3000.0), 8000),
        (np.zeros(100, dtype=np.uint8), 8000),
        (np.zeros(100), 0),
        (np.zeros(100), None),
        (np.zeros(100), 44100.5),
    ],
)
def test_wrong_audio_is_refused(wave, rate):
    with pytest.raises(StreamError):
        encode_audio(wave, rate)


def test_silence_and_one_sample_are_finite():
    for wave in (np.zeros(8000), np.zeros(1), np.ones(3, dtype=np.int16)):
        assert np.isfinite(encode_audio(wave, 8000).payload).all()


def test_text_that_is_no_text_is_refused():
    wrong: list[Any] = [None, b"abc", "a\ud800b"]
    for text in wrong:
        with pytest.raises(StreamError):
            encode_text(default_tokenizer(), text)
    assert not encode_text(default_tokenizer(), "abc").payload.any()
