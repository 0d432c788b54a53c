"""The facts at the head of a report: what was recorded, how well it remembered, what it cost."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from memlens.figures.style import percent, several, spans
from memlens.report.section import Section

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike
    from memlens.recording.reading.info import StreamInfo

Row = tuple[str, str]


def _short(value: Any) -> str:
    """One line for a value that may hold others."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_short(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(_short(item) for item in value) or "none"
    return str(value) if value not in ("", None) else "not recorded"


def _stream(stream: "StreamInfo") -> str:
    parts = [stream.name] if stream.name else []
    return ", ".join([*parts, f"seed {stream.seed}"] if stream.seed is not None else parts) or "not recorded"


def key_facts(recording: "RecordingLike", sections: Sequence[Section]) -> list[Row]:
    """What was recorded, how well it remembered and what it cost.

    Parameters
    ----------
    recording : RecordingLike
        That was analysed.
    sections : Sequence[Section]
        Of the report.

    Returns
    -------
    list[tuple[str, str]]
        Label and value, to be shown as text.
    """
    info, segments = recording.info, recording.segments.sizes
    seconds, peak = info.wall_seconds, info.peak_rss_bytes
    rows = [
        ("Model", _short(info.model)),
        ("Stream", _stream(info.stream)),
        ("Policy", _short(info.policy)),
        (
            "Tokens",
            f"{info.n_token:,} in {several(segments.get('sequence', 1), 'sequence')} of "
            f"{several(segments.get('segment', 0), 'segment')}",
        ),
        (
            "Speed",
            f"{info.n_token / seconds:,.0f} tokens/s ({seconds:,.1f} s, recording)" if seconds else "not recorded",
        ),
        ("Peak memory", f"{peak / 2**20:,.0f} MiB" if peak else "not recorded"),
    ]
    if "bits_per_byte" in recording.segments:
        bits = recording.tables.segments.bits_per_byte
        if np.isfinite(bits).any():
            rows.append(("Next-token loss", f"{np.nanmean(bits):.3f} bits per byte of text"))
    retention = next((s.dataset for s in sections if s.name == "retention" and s.dataset is not None), None)
    if retention is not None:
        whole = retention.sel(modality="all")
        rows.append(
            (
                "Exact answers",
                f"{percent(float(whole['overall']))} of {int(whole['overall_n']):,} questions (95 %: "
                f"{100 * float(whole['overall_low']):.1f} to {100 * float(whole['overall_high']):.1f} %)",
            )
        )
    rows.append(("Interventions", _short(info.interventions)))
    return rows


def accuracy_table(sections: Sequence[Section]) -> tuple[list[str], list[list[str]]] | None:
    """Accuracy by modality (rows) and distance (columns), each with its n; None without retention."""
    retention = next((s.dataset for s in sections if s.name == "retention" and s.dataset is not None), None)
    if retention is None:
        return None
    data = retention.isel(bin=np.flatnonzero(retention["n"].sel(modality="all").values))
    head = ["modality", *spans(data["bin_low"].values, data["bin_high"].values), "all distances"]
    body = []
    for name in (str(name) for name in data["modality"].values):
        row = data.sel(modality=name)
        if int(row["overall_n"]) == 0:
            continue
        cells = [_cell(float(a), int(n)) for a, n in zip(row["accuracy"].values, row["n"].values, strict=True)]
        body.append([name, *cells, _cell(float(row["overall"]), int(row["overall_n"]))])
    return head, body


def _cell(accuracy: float, n: int) -> str:
    return f"{percent(accuracy)} (n {n:,})" if n else "–"


PROVENANCE = (
    "id",
    "parent",
    "created",
    "command",
    "commit",
    "memlens_version",
    "versions",
    "weights_sha256",
    "model_config",
    "stream",
    "seed",
    "device",
    "dtype",
    "segment_length",
    "complete",
)


def provenance(recording: "RecordingLike") -> list[Row]:
    """What it takes to make this recording again."""
    told = recording.info.to_dict()
    rows = [(name.replace("_", " "), _short(told[name])) for name in PROVENANCE if name in recording.attrs]
    return [(name, "none" if name == "parent" and value == "not recorded" else value) for name, value in rows]


def limits(recording: "RecordingLike", sections: Sequence[Section]) -> list[str]:
    """What this report cannot show, judged by what it holds.

    Parameters
    ----------
    recording : RecordingLike
        That was analysed.
    sections : Sequence[Section]
        Of the report.

    Returns
    -------
    list[str]
        One sentence each.
    """
    out = []
    if not recording.info.complete:
        out.append("The recording is incomplete: the run stopped before the end of its stream.")
    for section in sections:
        if section.dataset is not None:
            n, total = int(section.dataset.attrs["n"]), int(section.dataset.attrs.get("total", 0))
            if total > n:
                out.append(f"{section.name} rests on a sample of {n:,} of {total:,} rows.")
            unknown = int(section.dataset.attrs.get("unknown_distance", 0))
            if unknown:
                out.append(f"{unknown:,} questions of unknown distance count in the overall accuracy only.")
    names = {section.name for section in sections if section.dataset is not None}
    if "retention" in names:
        out.append("Intervals of accuracy take questions as independent; questions about one fact are not.")
    if "probe" in names:
        out.append(
            "A probe shows that a label can be read from a vector, not that the model uses it; an intervention "
            "would test that."
        )
    out.append("One recording is one run of one model; nothing here says how much another seed would differ.")
    return out
