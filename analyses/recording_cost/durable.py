"""Bytes a second that reach the disk for good: through the recording's writer, and as plain files.

Both take the same arrays, as large as nano's slots and store are, in blocks of as many segments; random floats, which nothing compresses.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from memlens.recording.capture.writer import RecordingWriter
from memlens.recording.format.schema import Variable

#: Sequences, and the shapes of what a segment of each holds: context slots, working memory, the store.
N_SEQUENCE = 4
SHAPES = {"slot": (32, 128), "working": (16, 128), "entry": (168, 128)}
BLOCK = 128
LENGTH = 16


def _segments(seed: int, n_segment: int) -> Iterator[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    for _ in range(n_segment):
        yield {name: rng.standard_normal((N_SEQUENCE, *shape), np.float32) for name, shape in SHAPES.items()}


def through_writer(path: Path, seed: int, n_segment: int) -> float:
    """Bytes a second from the first array to the end of the last commit."""
    place = ("sequence", "segment")
    points = [Variable(f"test.hook_{name}", (*place, name, "feature"), "float", name) for name in SHAPES]
    segments = list(_segments(seed, n_segment))
    start = time.perf_counter()
    with RecordingWriter(path, points=points, dtype="float32", commit_every=BLOCK) as writer:
        for t, arrays in enumerate(segments):
            per_sequence = np.zeros(N_SEQUENCE)
            writer.add(
                {
                    **{f"test.hook_{name}": array for name, array in arrays.items()},
                    "segment": t,
                    "start": t * LENGTH,
                    "occupancy": np.zeros((N_SEQUENCE, 3)),
                    "entry_id": np.full((N_SEQUENCE, SHAPES["entry"][0]), -1),
                    "n_valid": per_sequence + LENGTH,
                    "bits_per_byte": per_sequence,
                    "step_seconds": 0.0,
                },
                {name: np.zeros((N_SEQUENCE, LENGTH)) for name in ("modality", "token", "fact")},
            )
    return _n_bytes(segments) / (time.perf_counter() - start)


def plain_files(folder: Path, seed: int, n_segment: int) -> float:
    """Bytes a second of files of a block each, written from one end to the other, flushed to the disk one by one."""
    segments = list(_segments(seed, n_segment))
    start = time.perf_counter()
    for first in range(0, n_segment, BLOCK):
        with (folder / f"block-{first}").open("wb", buffering=0) as file:
            for arrays in segments[first : first + BLOCK]:
                for array in arrays.values():
                    file.write(array.data)
            os.fsync(file.fileno())
    return _n_bytes(segments) / (time.perf_counter() - start)


def _n_bytes(segments: list[dict[str, np.ndarray]]) -> int:
    return sum(array.nbytes for arrays in segments for array in arrays.values())
