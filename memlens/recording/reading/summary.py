"""What a recording is, in a few lines."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

#: Points that are listed; of more, the number.
MAX_POINTS = 20


def describe(recording: "RecordingLike") -> str:
    """Model, stream, sizes, points and the share of right answers."""
    info, segments = recording.info, recording.segments
    names = [str(name) for name in segments.data_vars]
    points = [name for name in names if "hook" in name]
    correct = recording.tables.questions.correct
    asked = f"{correct.size:,}, {correct.mean():.1%} answered exactly" if correct.size else "none"
    overflow = {n: int(segments[n].attrs["fp16_overflow"]) for n in names if "fp16_overflow" in segments[n].attrs}
    lines = [
        f"<Recording {info.id}{'' if info.complete else ' (not complete)'}>",
        f"  path       {recording.path}",
        f"  model      {info.model}, policy {info.policy}",
        f"  stream     {info.stream.name}, seed {info.stream.seed}, {info.n_token:,} tokens",
        f"  dims       {', '.join(f'{dim} {size:,}' for dim, size in segments.sizes.items())}",
        f"  points     {len(points)} as {info.dtype}",
        *(f"             {name} ({', '.join(map(str, segments[name].dims))})" for name in points[:MAX_POINTS]),
        *([f"             and {len(points) - MAX_POINTS} more"] if len(points) > MAX_POINTS else []),
        f"  questions  {asked}",
        f"  decisions  {recording.n_rows('decisions'):,}",
        f"  entries    {recording.n_rows('entries'):,}",
    ]
    if info.parent:
        kinds = ", ".join(str(one.get("kind", "")) for one in info.interventions) or "no interventions"
        lines.append(f"  parent     {info.parent}, from segment {recording.tables.segments.first}, {kinds}")
    if overflow:
        lines.append(f"  overflow   {', '.join(f'{n}: {k:,} values' for n, k in overflow.items())}")
    return "\n".join(lines)
