"""Cases of causes: hand-built models whose answers have one known cause, or none. They run the models, and need torch."""

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from memlens.recording import Recording
from memlens.testing.cases.dynamics import nothing_found
from memlens.testing.cases.models import LIFE, recorded
from memlens.testing.grading import Case, Verdict

if TYPE_CHECKING:
    from memlens.testing.models import HandBuilt

#: Different recordings behind the seeds of a negative case; the seed also draws the questions and the null.
RECORDINGS = 5
MANY = {"questions": 40}
SMALL = {"questions": 10, "reach": 2, "steps": 1, "draws": 1}

Built = tuple[Recording, dict[str, Any]]


def _recorded(built: "HandBuilt") -> Built:
    return recorded(built, states_every=1), {"model": built.model}


def through_the_store(seed: int) -> Built:
    """The hand-built memory that drops entries after 5 segments: a held item is answered from its own entry, and from nothing else."""
    from memlens.testing.models import forgetting

    return _recorded(forgetting(life=LIFE, seed=seed))


def _through_working_memory(seed: int) -> Built:
    """The hand-built working memory that holds the last item in each of its four slots."""
    from memlens.testing.models import last_item

    return _recorded(last_item(seed=seed))


def unheard(seed: int) -> Built:
    """The memory that forgets, with a decoder that does not look at what is read: nothing causes its answers."""
    return _unheard(seed % RECORDINGS)


@cache
def _unheard(seed: int) -> Built:
    import torch

    from memlens.testing.models import forgetting

    built = forgetting(life=LIFE, seed=seed)
    with torch.no_grad():
        built.model.decoder.blocks[0].get_submodule("cross_attention").get_parameter("value.weight").zero_()
    return _recorded(built)


def _never_asked(seed: int) -> Built:
    """The hand-built counter, which is asked nothing."""
    from memlens.testing.models import counter

    return _recorded(counter(seed=seed))


def _another_model(seed: int) -> Built:
    """A recording of the memory that forgets, with the model of the one that holds the last item."""
    from memlens.testing.models import last_item

    return through_the_store(seed)[0], {"model": last_item(seed=seed).model}


def _judge_entry(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """Answers within an entry's life are lost without the entry read most, and without level 0; nothing else does anything."""
    own = np.isin(found["cause"].values, ["read most of level 0", "all of level 0", "forced DISCARD"])
    right = found["correct"].values
    change, loss = (found[name].values[right] for name in ("correct_change", "effect"))
    lost, others = change[:, own][np.isfinite(change[:, own])], loss[:, ~own]
    numbers = {
        "right answers": float(right.sum()),
        "lost without their entry": float(-lost.mean()),
        "largest other effect": float(np.nanmax(np.abs(others))),
        "largest effect of a null": float(np.nanmax(np.abs(found["null_effect"].values[right]))),
        "p": float(found["p_adjusted"].sel(cause="read most of level 0")),
    }
    fine = (
        right.any()
        and (lost == -1).all()
        and numbers["largest other effect"] == numbers["largest effect of a null"] == 0
    )
    return Verdict(bool(fine) and numbers["p"] <= 0.05, numbers)


def _judge_redundant(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """Every answer is lost without working memory, and none without one slot of it."""
    whole = found["correct_change"].sel(cause="all of working memory").values
    slots = found["effect"].values[:, found["kind"].values == "slot"]
    numbers = {
        "lost without working memory": float(-whole.mean()),
        "largest effect of one slot": float(np.abs(slots).max()),
    }
    return Verdict((whole == -1).all() and numbers["largest effect of one slot"] == 0, numbers)


def _judge_path(path: str) -> Any:
    """A judge: all of the total goes through one part."""

    def judge(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
        share = {f"share of {name}": float(found["share"].sel(path=name)) for name in found["path"].values}
        off = max(abs(value - (name == f"share of {path}")) for name, value in share.items())
        null = float(np.nanmax(np.abs(found["null_total"].values)))
        return Verdict(
            off < 1e-3 and null == 0, {**share, "total (nat/token)": float(found["total_mean"]), "largest null": null}
        )

    return judge


def _judge_attribution(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """All attribution lies on the item, its top tokens carry the answer, and what is shared out is what there is."""
    mean, p = found["mean"], found["p_adjusted"]
    off = float(np.abs(found["delta"].values / found["difference"].values).max())
    numbers = {
        "on the fact": float(mean.sel(measure="on_fact")),
        "comprehensiveness": float(mean.sel(measure="comprehensiveness")),
        "its null": float(found["null_mean"].sel(measure="comprehensiveness")),
        "like random weights": float(mean.sel(measure="random_weights")),
        "largest part not shared out": off,
    }
    fine = numbers["on the fact"] > 0.95 and off < 0.1 and abs(numbers["like random weights"]) < 0.5
    return Verdict(bool(fine and (p.sel(measure=["on_fact", "comprehensiveness"]) <= 0.05).all()), numbers)


def judge_agreement(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """Every pair of measures ranks windows as it must.

    All of an item's key, value and flag are needed, lineage knows of the key and the value, and on the path, where reads and storing are
    held, only the value matters.

    Parameters
    ----------
    found : xarray.Dataset
        Of `memlens.causes.agreement` with windows of one token.
    truth : dict
        Not used.

    Returns
    -------
    Verdict
    """
    from memlens.stats.correlation import rank_correlation

    # windows are counted from the slot back: flag, value, key, and the noise before them
    seen = {
        "ablation on the path": [0, 1, 0], "lineage": [0, 1, 1], "run again without": [1, 1, 1],
    }  # fmt: skip
    windows = {name: [*values, *[0] * (found.sizes["window"] - 3)] for name, values in seen.items()}
    off, least = 0.0, 0.0
    for at, (first, second) in enumerate(zip(found["first"].values, found["second"].values, strict=True)):
        if first in seen:
            wanted = rank_correlation(np.array(windows[first]), np.array(windows[second]))
            off = max(off, abs(float(found["mean"][at]) - wanted))
            least = max(least, float(found["p_adjusted"][at]))
    return Verdict(off < 0.01 and least <= 0.05, {"largest rank correlation off by": off, "largest p": least})


CASES = (
    Case("answers from entries", "effects", "positive", "lost without their entry and level; no other effect, no null effect",
         through_the_store, _judge_entry, MANY, costly=True),
    Case("slots that hold the same", "effects", "positive", "lost without working memory, not without one slot", _through_working_memory,
         _judge_redundant, MANY, costly=True),
    Case("a decoder that does not look", "effects", "negative", "no cause is found (adjusted)", unheard, nothing_found("p_adjusted"),
         {"questions": 10, "what": "entry"}),
    Case("nothing asked", "effects", "refusal", "10 questions are needed", _never_asked, costly=True),
    Case("another model", "effects", "refusal", "the model must be that of the recording", _another_model, costly=True),
    Case("answers from entries", "mediation", "positive", "the store carries all, within 0.001", through_the_store, _judge_path("store"),
         costly=True),
    Case("slots that hold the same", "mediation", "positive", "working memory carries all, within 0.001", _through_working_memory,
         _judge_path("working memory"), costly=True),
    Case("a decoder that does not look", "mediation", "negative", "no path and no total is found", unheard,
         nothing_found("p_adjusted", "total_p"), {"questions": 10, "within": 2}),
    Case("nothing asked", "mediation", "refusal", "10 questions are needed", _never_asked, costly=True),
    Case("answers from entries", "attribution", "positive", "over 95 % on the item, 90 % shared out, faithful, unlike random weights",
         through_the_store, _judge_attribution, {"steps": 120}, costly=True),
    Case("a decoder that does not look", "attribution", "negative", "not faithful, not on the fact", unheard, nothing_found("p_adjusted"),
         SMALL),
    Case("nothing asked", "attribution", "refusal", "10 questions are needed", _never_asked, costly=True),
    Case("answers from entries", "agreement", "positive", "rank correlations as planted, within 0.01", through_the_store,
         judge_agreement, {"width": 1, "reach": 4, "within": 3}, costly=True),
    Case("a decoder that does not look", "agreement", "negative", "no two agree", unheard, nothing_found("p_adjusted"),
         {**SMALL, "width": 2, "within": 3}),
    Case("nothing asked", "agreement", "refusal", "10 questions are needed", _never_asked, costly=True),
)  # fmt: skip
