"""Cases of control: q_network, decision_factors, margins, calibration, q_fidelity, regret."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from memlens.recording import Recording
from memlens.testing.cases.dynamics import hardly_anything, nothing_found
from memlens.testing.control import planted_calibration, planted_margins, planted_policies, planted_q, planted_sweep
from memlens.testing.grading import Case, Verdict

#: One factor: adjusted for several, 39 shuffles could not find any, and the case would be empty.
ONE = {"factors": ("importance",), "shuffles": 39}
CHEAP = {"folds": 2, "repeats": 1, "shuffles": 99, "grid": 2}


# q_network, decision_factors


def _two_features(seed: int) -> Recording:
    """Q follows importance (1) and novelty (-0.5), and in part the entry's own content."""
    return planted_q(None, n_segment=120, seed=seed)


def _one_feature(seed: int) -> Recording:
    """Q follows importance, and in part the entry's own content."""
    return planted_q(None, uses={"importance": 1.0}, n_segment=80, seed=seed)


def _content_only(seed: int) -> Recording:
    """Q belongs to the entries, and to nothing that the controller's features say."""
    return planted_q(None, uses={}, noise=1.0, n_segment=12, new_entries=4, seed=seed)


def _many_entries(seed: int) -> Recording:
    """Q belongs to the entries, 6 new ones a segment, and to no feature."""
    return planted_q(None, uses={}, noise=1.0, n_segment=20, new_entries=6, seed=seed)


def _judge_uses(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """The planted features are found, importance first; R2 within 0.1; the tree beats the most frequent action."""
    p = dict(zip(found["feature"].values.tolist(), found["p_adjusted"].values.tolist(), strict=True))
    off = abs(float(found["explained"]) - truth["explained"])
    first = str(found["feature"].values[found["importance"].values.argmax()])
    worst = max(p[name] for name in truth["uses"])
    right = (
        worst <= 0.05
        and first == "importance"
        and off < 0.1
        and float(found["fidelity"]) > float(found["majority"]) + 0.1
    )
    return Verdict(right, {"largest p of a used feature": worst, "R2 off by": off})


def _judge_factor(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    p = found["p_adjusted"].sel(tested="importance").values
    return Verdict(bool((p <= 0.05).all()), {"larger p": float(p.max())})


# margins


def _tied_actions(seed: int) -> Recording:
    """Margins exponential with a mean of 0.05 nats between values that move together."""
    return planted_margins(None, n_segment=200, seed=seed)


def _free_actions(seed: int) -> Recording:
    """Every action's value is drawn by itself."""
    return planted_margins(None, tied=False, seed=seed)


def _judge_margins(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """Shares within 4 standard errors of 1 - exp(-threshold / scale), all above the null's 95 %."""
    own = found.sel(kind="resident")
    true = 1 - np.exp(-own["threshold"].values / truth["scale"])
    z = np.abs(own["share"].values - true) / np.sqrt(true * (1 - true) / found.attrs["n"])
    above = own["share"].values > own["null_high"].values
    return Verdict(bool(z.max() < 4 and above[:2].all()), {"largest deviation in standard errors": float(z.max())})


def _within_null(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    own = found.sel(kind="resident", threshold=0.1)
    share, low, high = (float(own[name]) for name in ("share", "null_low", "null_high"))
    return Verdict(low <= share <= high, {"share": share, "null from": low, "to": high})


# calibration


def _q_knows(seed: int) -> Recording:
    """Q follows how often entries will be read with 0.8 of its weight; entries merge."""
    return planted_calibration(None, n_segment=60, merges=True, seed=seed)


def _q_is_blind(seed: int) -> Recording:
    """Q is noise of the entry, and of how many questions follow for all of them."""
    return planted_calibration(None, knows=0.0, n_segment=20, merges=bool(seed % 2), seed=seed)


def _judge_knows(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    p, low = float(found["p"].max()), float(found["rho_low"].min())
    return Verdict(p <= 0.05 and low > 0, {"largest p": p, "least lower end of rho": low})


def _group_all(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    p = float(found["p"].sel(group="all"))
    return Verdict(p > 0.05, {"p": p})


# q_fidelity, regret


def _right_q(seed: int) -> tuple[Recording, Mapping[str, Any]]:
    """Q is the discounted loss that dropping an entry causes, in nats."""
    recording, sweep = planted_sweep(seed=seed)
    return recording, {"sweep": sweep}


def _wrong_q(seed: int) -> tuple[Recording, Mapping[str, Any]]:
    """Q is the loss that dropping another entry causes."""
    recording, sweep = planted_sweep(knows=0.0, seed=seed)
    return recording, {"sweep": sweep}


def _half_a_sweep(seed: int) -> tuple[Recording, Mapping[str, Any]]:
    """A sweep without its measured effects."""
    recording, sweep = planted_sweep(seed=seed)
    return recording, {"sweep": sweep.drop_vars("loss_change")}


def _better_and_worse(seed: int) -> tuple[Recording, Mapping[str, Any]]:
    """An oracle that turns a fifth of the wrong answers right, and a random policy that turns as many wrong."""
    own, others = planted_policies(seed=seed)
    return own, {"others": others}


def _equals(seed: int) -> tuple[Recording, Mapping[str, Any]]:
    """Policies that swap answers with this one, as often for the better as for the worse."""
    own, others = planted_policies(better=0.0, seed=seed)
    return own, {"others": others}


def _another_stream(seed: int) -> tuple[Recording, Mapping[str, Any]]:
    """A recording of other questions."""
    own, _ = planted_policies(seed=seed)
    return own, {"others": [planted_policies(n_segment=30, seed=seed)[0]]}


def _judge_fidelity(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    off = float(np.abs(found["predicted"].values - found["measured"].values).max())
    slope = float(found["slope"])
    return Verdict(
        off < 1e-3 and abs(slope - 1) < 1e-3 and float(found["rho_p"]) <= 0.05, {"largest error": off, "slope": slope}
    )


def _judge_regret(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """Regret exact; both policies found to differ."""
    off = max(abs(float(found["regret"].sel(other=name)) - truth["regret"][name]) for name in ("oracle", "random"))
    p = float(found["regret_p_adjusted"].max())
    return Verdict(off < 1e-9 and p <= 0.05, {"off by": off, "larger p": p})


CASES = (
    Case("two features", "q_network", "positive", "both found, R2 within 0.1, a tree that acts alike", _two_features, _judge_uses),
    Case("content only", "q_network", "negative", "nothing is explained", _content_only, nothing_found("explained_p"), CHEAP),
    Case("no feature", "q_network", "negative", "no feature matters (adjusted)", _content_only, nothing_found("p_adjusted"), CHEAP),
    Case("no tree", "q_network", "negative", "a tree is no better than one action", _content_only, nothing_found("fidelity_p"), CHEAP),
    Case("hardly anything", "q_network", "refusal", "100 decisions are needed", hardly_anything),
    Case("one feature", "decision_factors", "positive", "found for candidates and residents", _one_feature, _judge_factor),
    Case("no factor", "decision_factors", "negative", "candidates: importance tells nothing", _many_entries,
         lambda found, truth: nothing_found("p")(found.sel(kind="candidate"), truth), ONE),
    Case("no factor for residents", "decision_factors", "negative", "residents: importance tells nothing", _many_entries,
         lambda found, truth: nothing_found("p")(found.sel(kind="resident"), truth), ONE),
    Case("hardly anything", "decision_factors", "refusal", "50 decisions are needed", hardly_anything),
    Case("tied actions", "margins", "positive", "shares within 4 standard errors", _tied_actions, _judge_margins),
    Case("free actions", "margins", "negative", "near misses as in the null", _free_actions, _within_null),
    Case("hardly anything", "margins", "refusal", "20 decisions are needed", hardly_anything),
    Case("Q knows", "calibration", "positive", "found in every group", _q_knows, _judge_knows, {"horizon": 10}),
    Case("Q is blind", "calibration", "negative", "no rank correlation", _q_is_blind, _group_all, {"horizon": 5}),
    Case("hardly anything", "calibration", "refusal", "100 decisions are needed", hardly_anything),
    Case("Q is right", "q_fidelity", "positive", "every effect within 0.001 nats, slope 1", _right_q, _judge_fidelity),
    Case("Q of another entry", "q_fidelity", "negative", "no rank correlation", _wrong_q, nothing_found("rho_p")),
    Case("half a sweep", "q_fidelity", "refusal", "what lacks is named", _half_a_sweep),
    Case("better and worse", "regret", "positive", "regret exact, both found", _better_and_worse, _judge_regret),
    Case("equals", "regret", "negative", "no policy differs (adjusted)", _equals, nothing_found("regret_p_adjusted")),
    Case("another stream", "regret", "refusal", "what differs is named", _another_stream),
)  # fmt: skip
