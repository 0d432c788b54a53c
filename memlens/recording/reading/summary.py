"""What a recording is, in a few lines."""

from typing import TYPE_CHECKING

from memlens.recording.format.schema import decoded

if TYPE_CHECKING:
    from memlens.recording.reading.recording import Recording


def describe(recording: "Recording") -> str:
    """Model, stream, sizes, points and the share of right answers."""
    attrs, segments = recording.attrs, recording.segments
    stream = decoded(attrs.get("stream"), {})
    names = [str(name) for name in segments.data_vars]
    points = [name for name in names if "hook" in name]
    correct = recording.questions["correct"].values
    asked = f"{correct.size:,}, {correct.mean():.1%} answered exactly" if correct.size else "none"
    overflow = {n: int(segments[n].attrs["fp16_overflow"]) for n in names if "fp16_overflow" in segments[n].attrs}
    lines = [
        f"<Recording {attrs.get('id', '')}{'' if attrs.get('complete') else ' (not complete)'}>",
        f"  path       {recording.path}",
        f"  model      {attrs.get('model', '')}, policy {attrs.get('policy', '')}",
        f"  stream     {stream.get('name', '')}, seed {stream.get('seed')}, {attrs.get('n_token', 0):,} tokens",
        f"  dims       {', '.join(f'{dim} {size:,}' for dim, size in segments.sizes.items())}",
        f"  points     {len(points)} as {attrs.get('dtype', '')}",
        *(f"             {name} ({', '.join(map(str, segments[name].dims))})" for name in points),
        f"  questions  {asked}",
        f"  decisions  {recording.n_rows('decisions'):,}",
        f"  entries    {recording.n_rows('entries'):,}",
    ]
    if attrs.get("parent"):
        kinds = ", ".join(one.get("kind", "") for one in decoded(attrs.get("interventions"), [])) or "no interventions"
        lines.append(f"  parent     {attrs['parent']}, from segment {int(segments['segment'].values[0])}, {kinds}")
    if overflow:
        lines.append(f"  overflow   {', '.join(f'{n}: {k:,} values' for n, k in overflow.items())}")
    return "\n".join(lines)
