"""Forks writers and kills them at random: ``kill_server.py`` reads lines ``PATH SEED`` and answers each with one line.

The answer is ``ACKNOWLEDGED ENDED``: segments that the writer had called committed before it died, and 1 when it came to
the end instead. What is imported here is imported once; a kill costs a fork. No torch.
"""

import os
import random
import signal
import struct
import sys
import time

import numpy as np

from memlens.recording import RecordingWriter
from memlens.recording.format.schema import Variable

N_SEGMENT, COMMIT_EVERY, LENGTH = 60, 4, 8
POINTS = [
    Variable("x", ("sequence", "segment", "slot", "feature"), "float", "numbers"),
    Variable("i", ("sequence", "segment", "slot"), "int32", "whole numbers"),
]


def segment(t):
    """What segment ``t`` of the planted run is made of."""
    r = np.random.default_rng(t)
    arrays = {
        "x": r.normal(size=(1, 4, 16)), "i": r.integers(0, 99, (1, 4)), "segment": t, "start": t * LENGTH,
        "occupancy": [[1]], "entry_id": [[t]], "n_valid": [LENGTH], "bits_per_byte": [1.0], "step_seconds": 0.1,
    }  # fmt: skip
    n = t % 3
    deaths = {"sequence": np.zeros(n), "entry": np.full(n, t), "died": np.full(n, t), "fate": np.full(n, 3)}
    state = {"before": [t + 1], "tensors": r.integers(0, 255, (1, 64))}
    positions = {name: np.full((1, LENGTH), t % 100) for name in ("modality", "token", "fact")}
    return arrays, positions, {"deaths": deaths, "states": state}


def writer(path, resume=False, **options):
    """A writer of the planted run."""
    return RecordingWriter(
        path, points=POINTS, sizes={"byte": 64}, commit_every=COMMIT_EVERY, resume=resume, **options
    )  # fmt: skip


def write(path, tell):
    """Write, or go on writing, and tell what was put and what is committed."""
    with writer(path, resume=True) as open_writer:
        tell(0, open_writer.committed)
        for t in range(open_writer.committed, N_SEGMENT):
            open_writer.add(*segment(t))
            tell(1, open_writer.committed)


def trial(path, seed):
    """Fork a writer, wait until it has put some segments, and a little longer, and kill it."""
    chance = random.Random(seed)
    n_put, pause = chance.randint(0, 24), chance.random() * 0.02
    read, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        write(path, lambda put, committed: os.write(told, struct.pack("ii", put, committed)))
        os._exit(0)
    os.close(told)
    committed, ended = 0, False
    while n_put >= 0:
        report = os.read(read, 8)
        if not report:
            ended = True
            break
        n_put, committed = n_put - 1, struct.unpack("ii", report)[1]
    time.sleep(0 if ended else pause)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for report in iter(lambda: os.read(read, 8), b""):
        committed = struct.unpack("ii", report)[1]
    os.close(read)
    return committed, ended


if __name__ == "__main__":
    for line in sys.stdin:
        path, seed = line.split()
        committed, ended = trial(path, int(seed))
        sys.stdout.write(f"{committed} {int(ended)}\n")
        sys.stdout.flush()
