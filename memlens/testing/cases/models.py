"""Cases of hand-built models: the cause of what was recorded is known. They run the models, and need torch."""

import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from memlens.recording import Recording
from memlens.testing.grading import Case, Verdict

if TYPE_CHECKING:
    from memlens.testing.models import HandBuilt

#: Positions in a segment of the hand-built models, and segments that the one that forgets keeps an entry.
SEGMENT, LIFE = 32, 5


def on_disk(make: Callable[[Path], Recording]) -> Recording:
    """Make a recording in a temporary folder, which is removed with the recording."""
    folder = Path(tempfile.mkdtemp(prefix="memlens-case-"))
    recording = make(folder / "run")
    weakref.finalize(recording, shutil.rmtree, folder, ignore_errors=True)
    return recording


def recorded(built: "HandBuilt", **options: Any) -> Recording:
    """Record a hand-built model in a temporary folder.

    Parameters
    ----------
    built : HandBuilt
        Its truth goes into the attribute ``truth``.
    **options
        Further fields of RecordOptions.

    Returns
    -------
    Recording
    """
    from memlens.recording import RecordOptions, record

    truth = {"truth": built.truth}
    return on_disk(
        lambda path: record(built.model, built.stream, path, RecordOptions(dtype="float32", attrs=truth, **options))
    )


def _flagged(seed: int) -> Recording:
    """The hand-built store that keeps flagged items, and no others."""
    from memlens.testing.models import flagged_store

    return recorded(flagged_store(seed=seed))


def _forgets(seed: int) -> Recording:
    """The hand-built memory that drops entries after 5 segments."""
    from memlens.testing.models import forgetting

    return recorded(forgetting(life=LIFE, seed=seed))


def _judge_stored(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """As many candidates are stored as items were flagged, and every resident is kept at the planted Q."""
    total = found["total"]
    n = len(truth["stored"])
    kept = sum(15 - row["segment"] for row in truth["stored"])
    numbers = {
        "candidates stored": float(total.sel(kind="candidate", action="STORE")), "flagged": float(n),
        "residents kept": float(total.sel(kind="resident", action="STORE")), "segments held": float(kept),
        "Q of keeping": float(found["mean_q"].sel(kind="resident", action="STORE").mean()),
    }  # fmt: skip
    right = numbers["candidates stored"] == n and numbers["residents kept"] == kept
    return Verdict(right and abs(numbers["Q of keeping"] - truth["q_store"]["flag"]) < 1e-3, numbers)


def _judge_life(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    near, far = (float(value) for value in found["accuracy"].sel(modality="all").values)
    age = np.array(truth["age"])
    counts = found["n"].sel(modality="all").values
    right = near == 1 and far == 0 and counts.tolist() == [int((age <= LIFE).sum()), int((age > LIFE).sum())]
    return Verdict(right, {"accuracy within its life": near, "after it": far, "questions": float(counts.sum())})


def _judge_held(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    segment = found["segment"].values
    stored = truth["stored"]
    wanted = [sum(row["segment"] <= t and (row["died"] < 0 or t < row["died"]) for row in stored) for t in segment]
    off = np.abs(found["occupancy"].sel(level=0).values - wanted).max()
    died = int(found["died"].sum()) - int(found["dropped_at_birth"].sum())
    wanted_died = sum(row["died"] >= 0 for row in stored)
    return Verdict(
        off == 0 and died == wanted_died,
        {"entries off": float(off), "died": float(died), "planted": float(wanted_died)},
    )


CASES = (
    Case("a store of flagged items", "decisions", "positive", "counts exact, Q within 0.001 nats", _flagged, _judge_stored, costly=True),
    Case("a memory that forgets", "retention", "positive", "all right within an entry's life, none after it", _forgets, _judge_life,
         {"bins": [0, SEGMENT * (LIFE + 1) - 2, 10_000]}, costly=True),
    Case("a memory that forgets", "occupancy", "positive", "entries held and deaths exact", _forgets, _judge_held, costly=True),
)  # fmt: skip
