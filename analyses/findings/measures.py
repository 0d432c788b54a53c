"""The numbers that findings rest on, taken from the analyses of one recording: plain JSON values, None where there is none."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

    from memlens.recording import Recording

#: Parameters of the analyses in a quick run, which is no evidence.
QUICK: dict[str, dict[str, Any]] = {
    "clusters": {"sample": 600, "draws": 19, "shuffles": 19, "boots": 1, "k": 2},
    "probe": {"sample": 600, "shuffles": 19, "resamples": 50},
    "compression": {"sample": 300, "folds": 3, "shuffles": 19},
    "q_network": {"sample": 2000, "shuffles": 3, "repeats": 1},
    "decision_factors": {"shuffles": 99},
    "margins": {"shuffles": 9},
    "lineage": {"shuffles": 19},
}
#: Analyses of the built-in stream, of a task's, and of one that does not fit in the store.
OWN = (
    "clusters",
    "probe",
    "q_network",
    "decision_factors",
    "calibration",
    "margins",
    "lineage",
    "survival",
    "retention",
)
TASK = ("lineage", "retention")
CROWDED = (*TASK, "compression")


def measures(recording: "Recording", names: tuple[str, ...], quick: bool) -> dict[str, Any]:
    """What each analysis says; ``{"refused": why}`` where it could not run, and where the answers' facts were."""
    from analyses.findings.losses import losses
    from memlens.catalogue import run
    from memlens.errors import AnalysisError

    told: dict[str, Any] = {"losses": losses(recording)}
    for name in names:
        try:
            told[name] = TAKEN[name](run(name, recording, **(QUICK.get(name, {}) if quick else {})))
        except AnalysisError as error:
            told[name] = {"refused": str(error)}
    return told


def _number(value: Any) -> float | None:
    value = float(value)
    return value if np.isfinite(value) else None


def _numbers(data: "xr.Dataset", *names: str) -> dict[str, float | None]:
    return {name: _number(data[name]) for name in names}


def _null(data: "xr.Dataset", name: str) -> dict[str, float | None]:
    """Median and 95th percentile of a null's draws."""
    drawn = data[name].values[np.isfinite(data[name].values)]
    if not drawn.size:
        return {f"{name}_median": None, f"{name}_high": None}
    return {f"{name}_median": float(np.median(drawn)), f"{name}_high": float(np.percentile(drawn, 95))}


def _clusters(data: "xr.Dataset") -> dict[str, Any]:
    marks = [[str(token) for token in row[:4] if token] for row in data["cluster_token"].values]
    return {
        **_numbers(data, "silhouette", "silhouette_p", "ami", "ami_p"), "k": int(data.attrs["chosen_k"]), "n": int(data.attrs["n"]),
        "stability": float(data["stability"].mean()), "stability_null": float(data["stability_null"].mean()), "marks": marks,
        "share": data["size"].values.tolist(), **_null(data, "silhouette_null"), **_null(data, "ami_null"),
    }  # fmt: skip


def _probe(data: "xr.Dataset") -> dict[str, Any]:
    own = {key: _number(data[key].sel(metric="accuracy")) for key in ("score", "low", "high", "majority", "random")}
    return own | _numbers(data, "information", "p") | _null(data, "information_null") | {"n": int(data.attrs["n"])}


def _compression(data: "xr.Dataset") -> dict[str, Any]:
    levels = []
    for level in data["level"].values:
        own = data.sel(level=level)
        row = {"level": int(level), **_numbers(own, "rate", "reconstruction", "low", "high", "p"), "n": int(own["n"])}
        probes = {
            str(target): _numbers(own.sel(target=target), "before", "after", "lost", "lost_low", "lost_high", "after_p")
            for target in data["target"].values
        }
        levels.append(row | {"probes": probes, **_null(own, "null")})
    return {"levels": levels}


def _q_network(data: "xr.Dataset") -> dict[str, Any]:
    names = [str(name) for name in data["feature"].values]
    keys = ("importance", "importance_low", "importance_high", "p_adjusted")
    features = {name: _numbers(data.sel(feature=name), *keys) for name in names}
    whole = _numbers(
        data, "explained", "explained_low", "explained_high", "explained_p", "fidelity", "fidelity_low", "fidelity_high", "majority"
    )  # fmt: skip
    return whole | {"features": features, "n": int(data.attrs["n"]), "entries": int(data.attrs["entries"])}


def _factors(data: "xr.Dataset") -> dict[str, Any]:
    told: dict[str, Any] = {}
    for kind in data["kind"].values:
        for name in data["tested"].values:
            own = data.sel(kind=kind, tested=name)
            drawn = _numbers(own, "information", "information_null", "p_adjusted")
            told.setdefault(str(kind), {})[str(name)] = drawn
    return told


def _calibration(data: "xr.Dataset") -> dict[str, Any]:
    return _numbers(data.sel(group="all"), "rho", "rho_low", "rho_high", "p", "n", "families")


def _margins(data: "xr.Dataset") -> dict[str, Any]:
    limit = float(data["threshold"].values[1])
    keys = ("share", "low", "high", "null_low", "null_high")
    return {"limit": limit} | {str(k): _numbers(data.sel(kind=k, threshold=limit), *keys) for k in data["kind"].values}


def _lineage(data: "xr.Dataset") -> dict[str, Any]:
    counts = {
        str(kind): {str(end): int(data["end_count"].sel(kind=kind, end=end)) for end in data["end"].values}
        for kind in data["kind"].values
    }
    gap = _numbers(data, "held_gap", "held_gap_low", "held_gap_high", "held_gap_p") | _null(data, "held_gap_null")
    return gap | {"ends": counts, "merged": data["merged"].values.tolist(), "born": data["born"].values.tolist()}


def _survival(data: "xr.Dataset") -> dict[str, Any]:
    told: dict[str, Any] = {}
    for at, (factor, value) in enumerate(zip(data["factor"].values, data["value"].values, strict=True)):
        if factor in ("all", "fact"):
            told[str(value)] = _numbers(
                data.isel(group=at), "half_life", "half_life_low", "half_life_high", "n", "died"
            )
    return told | {"p_fact": _number(data["p_adjusted"].sel(tested="fact"))}


def _retention(data: "xr.Dataset") -> dict[str, Any]:
    every = data.sel(modality="all")
    n = int(every["overall_n"])
    told = _numbers(data, "trend", "trend_low", "trend_high", "trend_p") | {"n": n, "chance": _number(every["chance"])}
    return told | {"right": round(float(every["overall"]) * n) if n else 0}


TAKEN = {
    "clusters": _clusters, "probe": _probe, "compression": _compression, "q_network": _q_network, "decision_factors": _factors,
    "calibration": _calibration, "margins": _margins, "lineage": _lineage, "survival": _survival, "retention": _retention,
}  # fmt: skip
