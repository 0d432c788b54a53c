"""Real and synthesised samples that facts draw from: handwritten digits and spoken digits, split without overlap."""

import json
from functools import cache

import numpy as np

from memlens.streams.prose import DATA, check_split

SPEECH_RATE = 8000
_SHARES = {"train": (0.0, 0.7), "validation": (0.7, 0.8), "test": (0.8, 1.0)}


@cache
def digit_images(split: str) -> tuple[tuple[np.ndarray, ...], ...]:
    """Load scikit-learn's handwritten digits of a split.

    The 1,797 images are cut by index (70 % train, 10 % validation, 20 % test), so that mostly other people wrote the test images.

    Returns
    -------
    tuple of tuple of float32 [row, column]
        For each digit 0 to 9 its images, 8 x 8, in [0, 1].
    """
    from sklearn.datasets import load_digits

    check_split(split)
    images, labels = load_digits(return_X_y=True)
    low, high = (round(share * len(labels)) for share in _SHARES[split])
    scaled = (images.reshape(-1, 8, 8) / 16.0).astype(np.float32)[low:high]
    scaled.setflags(write=False)
    return tuple(tuple(scaled[labels[low:high] == digit]) for digit in range(10))


@cache
def spoken_digits(split: str) -> tuple[tuple[np.ndarray, ...], ...]:
    """Load the shipped spoken digits of a split; no voice is in two splits.

    Returns
    -------
    tuple of tuple of int16 [sample]
        For each digit 0 to 9 its waves at 8 kHz, at most 0.6 s.
    """
    import soundfile

    check_split(split)
    wave, _ = soundfile.read(DATA / "speech.flac", dtype="int16")
    wave.setflags(write=False)
    index = json.loads((DATA / "speech.json").read_text(encoding="utf-8"))["clips"]
    clips: list[list[np.ndarray]] = [[] for _ in range(10)]
    for clip in index:
        if clip["split"] == split:
            clips[clip["digit"]].append(wave[clip["start"] : clip["end"]])
    return tuple(tuple(waves) for waves in clips)
