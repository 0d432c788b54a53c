"""What a recording says of itself when it is printed."""

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memlens.recording.reader import Recording


def summary(recording: "Recording") -> str:
    """Model, stream, sizes, points and how many questions were answered, one to a line."""
    attrs, segments, questions = recording.attrs, recording.segments, recording.questions
    stream = json.loads(attrs["stream"])
    streams = stream if isinstance(stream, list) else [stream]
    n = segments.sizes["segment"]
    state = "complete" if attrs["complete"] else f"incomplete, stopped after {n:,} segments"
    asked = questions.sizes["question"]
    right = int(questions["correct"].values.sum()) if asked else 0
    lines = {
        "model": f"{attrs['model']} ({attrs['weights_sha256'][:12] or 'unsaved'}), policy {attrs['policy']}",
        "stream": ", ".join(str(one.get("name", "?")) for one in streams) + f", seed {attrs['seed']}",
        "size": f"{segments.sizes['sequence']} x {n:,} segments of {attrs['segment_length']} positions, "
        f"{attrs['n_token']:,} in all",
        "entries": f"{recording._stored['entries'].sizes['birth']:,} born, "  # noqa: SLF001
        f"{recording.decisions.sizes['decision']:,} decisions",
        "questions": f"{asked:,} answered, {right:,} right ({100 * right / asked:.1f} %)" if asked else "none asked",
        "interventions": ", ".join(map(str, json.loads(attrs["interventions"]))) or "none",
    }
    head = f"<memlens.Recording '{recording.path}' ({state})>"
    names = [point["name"] for point in json.loads(attrs["points"])]
    width = max([len(name) for name in names], default=0)
    rows = [
        f"    {name:{width}}  {' x '.join(f'{d} {s}' for d, s in recording[name].sizes.items())}  {recording[name].dtype}"
        for name in names
        if name in segments.variables or name in questions.variables
    ]
    return "\n".join([head, *(f"  {key:13} {text}" for key, text in lines.items()), "  points", *rows])
