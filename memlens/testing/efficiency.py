"""Runs whose cost is known: steps whose time was drawn, and a run of the model under torch's own counter."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from memlens.config import ModelConfig
from memlens.dims import Modality
from memlens.recording import Recording
from memlens.testing.write import write_recording


def planted_times(
    path: str | Path | None, *, n_segment: int = 120, seconds: float = 0.02, growth: float = 0.0, seed: int = 0
) -> Recording:
    """Write a run of nano's sizes whose steps take ``seconds`` in the median, times 1 + ``growth`` from start to end.

    Noise is log-normal and slow, as on a machine with a varying load: 0.05 of each step by itself, 0.1 that fades over 2 steps.
    The first ten segments hold 100 positions of sound each.

    Parameters
    ----------
    path : str, Path or None
        Folder to make; None keeps the recording in memory.
    n_segment : int
        Segments.
    seconds, growth : float
        The median, and by what part of it steps become longer from start to end.
    seed : int
        Of all that is drawn.

    Returns
    -------
    Recording
        ``truth`` has ``seconds``, ``growth`` and ``audio``, positions of sound.

    Raises
    ------
    RecordingError
        When ``path`` exists.
    """
    random = np.random.default_rng(seed)
    cfg = ModelConfig()
    slow = np.zeros(n_segment)
    for t in range(1, n_segment):
        slow[t] = 0.5 * slow[t - 1] + 0.09 * random.normal()
    noise = np.exp(0.05 * random.normal(size=n_segment) + slow)
    modality = np.full((1, n_segment, cfg.segment_length), int(Modality.TEXT))
    modality[:, :10, 50:150] = int(Modality.AUDIO)
    rise = 1 + growth * np.linspace(-0.5, 0.5, n_segment)
    return write_recording(
        path, positions={"modality": modality.reshape(1, -1)}, segments={"step_seconds": seconds * rise * noise}, n_segment=n_segment,
        attrs={"model_config": cfg.model_dump(mode="json"), "policy": "learned"},
        truth={"seconds": seconds, "growth": growth, "audio": 1000},
    )  # fmt: skip


def counted_run(path: str | Path, *, n_token: int = 3_000, seed: int = 0) -> Recording:
    """Record a model of nano's sizes with random weights, on prose and images without questions; torch counts the FLOPs of the same run.

    The policy is FIFO, so that nothing is recalled and the count is exact, not a bound.

    Parameters
    ----------
    path : str or Path
        Folder to make.
    n_token : int
        Positions of the stream.
    seed : int
        Of the weights and of the stream.

    Returns
    -------
    Recording
        ``truth`` has ``flops`` and ``parameters``.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from memlens.model import MemoryModel
    from memlens.model.run import run
    from memlens.recording import RecordOptions, record
    from memlens.streams import builtin_stream, default_tokenizer

    torch.manual_seed(seed)
    model = MemoryModel(ModelConfig(policy="fifo"), default_tokenizer()).eval()
    stream = builtin_stream("builtin", n_token=n_token, seed=seed, n_text=0, n_image=2, n_audio=0, n_dna=0)
    silent = replace(stream.encode(model.tokenizer), questions=())
    with FlopCounterMode(display=False) as counter:
        for _ in run(model, [silent]):
            pass
    truth = {"flops": counter.get_total_flops(), "parameters": sum(p.numel() for p in model.parameters())}
    return record(model, silent, path, RecordOptions(attrs={"truth": truth}))
