"""Record a long stream in this process and print its resident memory after 10K tokens and at the end, in bytes, and the tokens.

python -m analyses.recording_cost.memory N_TOKEN SEED FOLDER
"""

import os
import sys
from pathlib import Path

#: Segments to a commit: small enough that by 10K tokens all that a commit needs was once in memory.
COMMIT = 16
SHORT = 10_000
#: The memory of every so many segments of the last tenth counts: one reading may catch a block on its way to disk.
EVERY = 8


def resident() -> int:
    """Bytes of this process that are in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    import statistics

    import torch

    from analyses.common.recall import NANO
    from memlens.recording import RecordOptions, record
    from memlens.streams import builtin_stream

    n_token, seed, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(1)
    n = max(1, n_token // 20_000)
    stream = builtin_stream("builtin", n_token=n_token, seed=seed, n_text=2 * n, n_image=n, n_audio=n, n_dna=n)
    seen: list[tuple[int, int]] = []

    def progress(done: int, total: int, what: str) -> None:
        seen.append((done, resident()))

    record(str(NANO), stream, folder, RecordOptions(commit_every=COMMIT, progress=progress))
    early = [size for done, size in seen if SHORT * 0.8 <= done * 512 <= SHORT * 1.3]
    late = [size for done, size in seen[-max(len(seen) // 10, 3) :: EVERY] or seen[-3:]]
    print(int(statistics.median(early)), int(statistics.median(late)), n_token)


if __name__ == "__main__":
    main()
