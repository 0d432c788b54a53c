"""What a recording holds: as data, and in words."""

import shlex
from typing import TYPE_CHECKING, Any

import numpy as np

from memlens.dims import Modality
from memlens.stats.proportions import wilson

if TYPE_CHECKING:
    from memlens.recording import Recording

_TABLES = ("questions", "decisions", "entries")


def facts(recording: "Recording") -> dict[str, Any]:
    """All that a recording says of itself, with its counts.

    Returns
    -------
    dict
        The root attributes, decoded, and beside them ``path``, ``first_segment``, ``n_segment``, ``n_sequence``, ``tables`` (rows of
        each), ``states`` (segments that a replay can begin from), ``overflow`` (values of each point that float16 could not hold),
        ``answers`` (``n`` and ``correct`` by modality, and of "all"), ``n_file`` and ``n_byte`` on disk.
    """
    segments, questions = recording.segments, recording.tables.questions
    files = [path for path in recording.path.rglob("*") if path.is_file()]
    correct, modality = questions.correct, _modalities(questions.fact_modality)
    answers = {
        name: {"n": int(chosen.sum()), "correct": int(correct[chosen].sum())}
        for name in dict.fromkeys(["all", *sorted(set(modality))])
        if (chosen := np.full(correct.size, True) if name == "all" else modality == name).any()
    }
    overflow = {
        str(name): int(v.attrs["fp16_overflow"]) for name, v in segments.data_vars.items() if "fp16_overflow" in v.attrs
    }
    return {
        **recording.info.to_dict(),
        "path": str(recording.path),
        "first_segment": recording.tables.segments.first,
        "n_segment": segments.sizes["segment"],
        "n_sequence": segments.sizes["sequence"],
        "tables": {name: recording.n_rows(name) for name in _TABLES},
        "states": [int(segment) for segment in recording.states],
        "overflow": overflow,
        "answers": answers,
        "n_file": len(files),
        "n_byte": sum(path.stat().st_size for path in files),
    }


def _modalities(codes: np.ndarray) -> np.ndarray:
    """Name of the modality that each question asks for, "other" where it has none."""
    names = {int(modality): modality.name.lower() for modality in Modality}
    return np.array([names.get(int(code), "other") for code in codes], dtype=object)


def reading(facts: dict[str, Any], named: str) -> tuple[str, dict[str, str], dict[str, object]]:
    """The facts in words.

    Parameters
    ----------
    facts : dict
        As ``facts`` gives them.
    named : str
        What the user called the recording: commands to go on with take it.

    Returns
    -------
    tuple
        A title; the rows, label -> text; what to do next -> the command.
    """
    rows = {"what it is": _source(facts), "made": _making(facts), "answers": _answers(facts["answers"])}
    if facts["parent"]:
        kinds = ", ".join(one.get("kind", "?") for one in facts["interventions"]) or "no interventions"
        rows["changed"] = (
            f"made from recording {facts['parent']}, from segment {facts['first_segment']} on, with {kinds}"
        )
    points = [point["name"] for point in facts["points"]]
    rows["points"] = f"{len(points)} as {facts['dtype']}: {', '.join(points)}" if points else "none"
    if any(facts["overflow"].values()):
        rows["overflow"] = ", ".join(f"{name} {n:,} values" for name, n in facts["overflow"].items() if n)
    rows["tables"] = ", ".join(f"{name} {n:,}" for name, n in facts["tables"].items())
    states = facts["states"]
    rows["states"] = (
        f"{len(states)}, the first before segment {states[0]}: a replay begins from these" if states else "none"
    )
    rows["on disk"] = f"{facts['n_byte'] / 2**20:,.1f} MiB in {facts['n_file']:,} files"
    name, model = shlex.quote(named), facts["model"] or "MODEL"
    commands: dict[str, object] = {
        "look at it in the browser": f"memlens open {name}",
        "run every analysis": f"memlens analyse {name} --all -o DIR",
    }
    if states:
        commands["go on from a segment"] = (
            f"memlens replay {name} --model {shlex.quote(model)} --from-segment T -o CHILD"
        )
    if not facts["complete"]:
        commands["finish it"] = "the command that recorded it, with --resume"
    return f"{named}: a recording, {'complete' if facts['complete'] else 'not complete'}", rows, commands


def _source(facts: dict[str, Any]) -> str:
    sequences = "" if facts["n_sequence"] == 1 else f" of {facts['n_sequence']} streams side by side"
    stream = facts["stream"]
    return (
        f"{facts['n_token']:,} tokens of stream '{stream.get('name')}' (seed {stream.get('seed')}) in {facts['n_segment']:,} segments"
        f"{sequences}, each of {facts['segment_length']} positions, read by the model '{facts['model']}' under policy '{facts['policy']}'"
    )


def _making(facts: dict[str, Any]) -> str:
    seconds = facts["wall_seconds"]
    speed = f": {facts['n_token'] / seconds:,.0f} tokens/s" if seconds else ""
    return (
        f"{str(facts['created'])[:16].replace('T', ' ')} by memlens {facts['memlens_version']} in {seconds:,.1f} s{speed}, peak memory "
        f"{facts['peak_rss_bytes'] / 2**20:,.0f} MiB"
    )


def _answers(answers: dict[str, dict[str, int]]) -> str:
    if "all" not in answers:
        return "no question was asked"
    n, correct = answers["all"]["n"], answers["all"]["correct"]
    low, high = (float(bound) for bound in wilson(np.array(correct), np.array(n)))
    parts = ", ".join(f"{name} {a['correct']} of {a['n']}" for name, a in answers.items() if name != "all")
    return f"{correct:,} of {n:,} questions exactly, {correct / n:.3f} (95 %: {low:.3f} to {high:.3f}): {parts}"
