"""Results as plain files, and the manifest that lists every file of a report."""

import json
import math
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memlens import __version__
from memlens.plain import csv_cell
from memlens.provenance import file_sha256
from memlens.report.section import Section

if TYPE_CHECKING:
    import xarray as xr

    from memlens.recording.protocol import RecordingLike


def write_data(dataset: "xr.Dataset", name: str, folder: Path) -> list[Path]:
    """Write a result as JSON, and as one CSV for each set of variables that share their dims.

    In a CSV, a text that a spreadsheet would take for a formula has a quote before it; in the JSON, texts are as they were.

    Parameters
    ----------
    dataset : xarray.Dataset
        The result.
    name : str
        Of the analysis; the files' names begin with it.
    folder : Path
        Made if missing.

    Returns
    -------
    list[Path]
        The files, the JSON first.
    """
    import pandas as pd

    folder.mkdir(exist_ok=True)
    whole = folder / f"{name}.json"
    whole.write_text(json.dumps(_plain(dataset.to_dict()), indent=1, allow_nan=False), encoding="utf-8")
    written = [whole]
    groups: dict[tuple[str, ...], list[str]] = {}
    for variable, array in dataset.data_vars.items():
        groups.setdefault(tuple(str(dim) for dim in array.dims), []).append(str(variable))
    for dims, variables in groups.items():
        path = folder / f"{name}.{'-'.join(dims) or 'scalars'}.csv"
        table = dataset[variables]
        if dims:
            frame = table.to_dataframe().reset_index()
        else:
            values = [table[variable].item() for variable in variables]
            frame = pd.DataFrame({"name": variables, "value": pd.Series(values, dtype=object)})
        texts = frame.select_dtypes(include=["object", "string", "category"]).columns
        frame[texts] = frame[texts].astype(object).map(csv_cell)
        frame.to_csv(path, index=False)
        written.append(path)
    return written


def _plain(value: Any) -> Any:
    """JSON values: NaN and infinities become null, numpy and paths text or numbers."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str | int | bool) or value is None:
        return value
    return _plain(value.item()) if hasattr(value, "item") else str(value)


def write_manifest(
    folder: Path, recording: "RecordingLike", sections: Sequence[Section], made: dict[str, str], seconds: float
) -> Path:
    """Write manifest.json: each file with its digest and analysis, each analysis with its parameters and time.

    Parameters
    ----------
    folder : Path
        Of the report.
    recording : RecordingLike
        That was analysed.
    sections : Sequence[Section]
        In the order of the report.
    made : dict[str, str]
        Each file, relative to the folder -> the analysis that it shows, "" for the report itself.
    seconds : float
        That the report took.

    Returns
    -------
    Path
        The manifest.
    """
    manifest = {
        "recording": recording.id,
        "memlens_version": __version__,
        "versions": {name: version(name) for name in ("numpy", "xarray", "scikit-learn", "plotly", "matplotlib")},
        "seconds": round(seconds, 3),
        "analyses": [
            {
                "analysis": section.name,
                "ran": section.dataset is not None,
                "note": section.note,
                **_ran(section),
                "seconds": round(section.seconds, 3),
            }
            for section in sections
        ],
        "files": [
            {
                "file": name,
                "analysis": analysis,
                "sha256": file_sha256(folder / name),
                "bytes": (folder / name).stat().st_size,
            }
            for name, analysis in sorted(made.items())
        ],
    }
    path = folder / "manifest.json"
    path.write_text(json.dumps(_plain(manifest), indent=1), encoding="utf-8")
    return path


def _ran(section: Section) -> dict[str, Any]:
    """Parameters with their defaults, and n, where the analysis ran; else the parameters that were asked for."""
    if section.dataset is None:
        return {"params": section.params, "n": 0}
    return {"params": json.loads(section.dataset.attrs["params"]), "n": int(section.dataset.attrs["n"])}
