"""A recording in memory with planted truth: what the analyses must find, and what they must not."""

import fcntl
import json
import pickle
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import xarray as xr

from memlens.recording.reading.info import RecordingInfo
from memlens.recording.reading.tables import RecordedTables
from memlens.testing import control, dynamics
from memlens.testing.efficiency import planted_times

LEVELS = (24, 12, 6)


@dataclass
class InMemory:
    """The parts of `memlens.recording.Recording` that analyses and reports use."""

    segments: xr.Dataset
    positions: xr.Dataset
    questions: xr.Dataset
    decisions: xr.Dataset
    entries: xr.Dataset
    attrs: dict = field(default_factory=dict)
    path: Path = Path("planted")

    @property
    def id(self) -> str:
        return self.info.id

    @cached_property
    def info(self) -> RecordingInfo:
        return RecordingInfo.parse(self.attrs)

    @cached_property
    def tables(self) -> RecordedTables:
        return RecordedTables(self)

    def n_rows(self, group: str) -> int:
        return len(getattr(self.tables, group))

    def __getitem__(self, name: str) -> xr.DataArray:
        return self.segments[name]


def plant(*, segments=80, first=0, apart=3.0, accuracy=0.8, questions=300, seed=0, modalities=4) -> InMemory:
    """Slots lie around one centre a modality, ``apart`` noise widths from the origin; entries live geometric times.

    Every 16th slot's window holds the token "needle" where the modality is text. Entry 0 is merged in segment 2 into
    entry 100000, with entry 1; question 0 reads the merge with weight 0.75, question 1 reads entry 0 with weight 0.25.
    """
    r = np.random.default_rng(seed)
    slots, width, length, window, heads = 16, 24, 64, 8, 2
    modality = r.integers(0, modalities, (1, segments))
    by_position = np.repeat(modality, length, 1)
    token = r.integers(1, 50, by_position.shape)
    pick = r.integers(window, length, (1, segments, slots))
    n = segments * slots
    segment, slot = np.repeat(np.arange(segments), slots), np.tile(np.arange(slots), segments)
    position = segment * length + pick.reshape(-1)
    token[0, position[::16]] = 0
    centre = r.normal(size=(4, width)) * apart
    value = centre[modality][:, :, None] + r.normal(size=(1, segments, slots, width))
    pattern = r.dirichlet(np.ones(window), (1, segments, slots, heads))
    died = segment + r.geometric(0.25, n)
    fate = np.where(died < segments, 3, -1)
    died = np.where(died < segments, died, -1)
    died[:2], fate[:2] = 2, 1
    births = {
        "sequence": np.zeros(n, int),
        "segment": segment + first,
        "entry": np.arange(n),
        "level": np.zeros(n, int),
        "slot": slot,
        "position": position + first * length,
        "start": position - window + 1 + first * length,
        "end": position + 1 + first * length,
        "modality": modality[0, segment],
        "fact": np.where(slot % 4 == 0, slot, -1),
        "died": np.where(died >= 0, died + first, -1),
        "fate": fate,
    }
    merge = {
        "sequence": 0,
        "segment": 2 + first,
        "entry": 100_000,
        "level": 1,
        "slot": -1,
        "position": position[1],
        "start": 0,
        "end": position[1] + 1,
        "modality": 0,
        "fact": -1,
        "died": -1,
        "fate": -1,
    }
    entries = xr.Dataset({name: ("birth", np.append(column, merge[name])) for name, column in births.items()})
    parent = np.full((n + 1, 2), -1)
    parent[-1] = 0, 1
    entries["parent"] = ("birth", "side"), parent
    held = np.stack([np.minimum(np.arange(segments), level) for level in LEVELS], -1)[None]
    entry_id = np.full((1, segments, sum(LEVELS)), -1)
    entry_id[0, :, :slots] = np.arange(n).reshape(segments, slots)
    place = "sequence", "segment"
    recorded = xr.Dataset(
        {
            "context.hook_slot": ((*place, "slot", "feature"), value.astype(np.float16)),
            "context.hook_position": ((*place, "slot"), pick),
            "context.hook_prior": ((*place, "slot"), -r.random(pick.shape)),
            "context.hook_pattern": ((*place, "slot", "head", "window"), pattern.astype(np.float16)),
            "hook_hidden": (
                (*place, "token", "feature"),
                centre[by_position.reshape(1, segments, length)] + r.normal(size=(1, segments, length, width)),
            ),
            "store.hook_content": ((*place, "entry", "feature"), r.normal(size=(*entry_id.shape, width))),
            "occupancy": ((*place, "level"), held),
            "entry_id": ((*place, "entry"), entry_id),
            "n_valid": (place, np.full((1, segments), length)),
            "bits_per_byte": (place, np.full((1, segments), 2.5)),
            "start": ("segment", (np.arange(segments) + first) * length),
        },
        coords={"segment": np.arange(segments) + first, "entry_level": ("entry", np.repeat([0, 1, 2], LEVELS))},
    )
    return InMemory(
        recorded,
        _positions(by_position, token),
        _questions(r, segments, first, questions, accuracy),
        _decisions(r, segments, first, n),
        entries,
        _attrs(segments * length),
    )


def _positions(modality, token):
    place = "sequence", "position"
    vocab = ["Ġneedle", "<b>bold</b>", "$x$", "\n", *(f"Ġw{i}" for i in range(46))]
    return xr.Dataset(
        {"modality": (place, modality), "token": (place, token), "fact": (place, modality * 0 - 1)},
        attrs={"vocab": json.dumps(vocab)},
    )


def _questions(r, segments, first, n, accuracy):
    read = np.full((n, 4), -1)
    weight = np.full((n, 4), 0.25)
    if n > 1:
        read[0, 0], weight[0] = 100_000, [0.75, 0.25, 0, 0]
        read[1, 1] = 0
    distance = np.exp(r.uniform(np.log(64), np.log(segments * 64), n)).astype(int)
    segment = np.sort(r.integers(0, segments, n)) + first
    one = {
        "sequence": np.zeros(n, int),
        "segment": segment,
        "fact": np.arange(n),
        "fact_modality": r.integers(0, 2, n),
        "distance": distance,
        "position": (segment + 1) * 64,
        "correct": r.random(n) < accuracy,
        "loss": r.random(n),
        "text": np.full(n, "what is <script>alert(1)</script>?", object),
        "answer": np.full(n, "42", object),
        "predicted": np.full(n, "$7", object),
    }
    table = xr.Dataset({name: ("question", column) for name, column in one.items()})
    reads = {"read_entry": read, "read_weight": weight, "read_kind": np.where(read >= 0, 2, -1)}
    return table.assign({name: (("question", "read"), values) for name, values in reads.items()})


def _decisions(r, segments, first, n_entries):
    """Two candidates and two residents a segment; candidates always STORE, a quarter of them overridden to DISCARD."""
    n = segments * 4
    kind = np.tile([0, 0, 1, 1], segments)
    segment = np.repeat(np.arange(segments), 4)
    executed = np.where(kind == 0, np.where((segment % 2 == 0) & (np.arange(n) % 4 == 0), 3, 0), r.integers(0, 4, n))
    q = np.tile([0.4, 0.3, 0.2, 0.1], (n, 1))
    q[kind == 0, 2] = np.nan
    one = {
        "sequence": np.zeros(n, int),
        "segment": segment + first,
        "entry": np.arange(n) % n_entries,
        "kind": kind,
        "level": np.zeros(n, int),
        "wanted": np.where(kind == 0, 0, executed),
        "executed": executed,
    }
    table = xr.Dataset({name: ("decision", column) for name, column in one.items()})
    control = np.stack([r.random(n), np.full(n, 5.0)], 1)
    return table.assign(q=(("decision", "action"), q), control=(("decision", "feature"), control)).assign_coords(
        feature=["importance", "hits"]
    )


def _attrs(n_token):
    return {
        "id": "recording-1",
        "model": "nano <img src=x onerror=alert(1)>",
        "policy": "learned",
        "n_token": n_token,
        "stream": json.dumps({"name": "mixed", "seed": 3}),
        "model_config": json.dumps({"capacities": LEVELS}),
        "wall_seconds": 2.0,
        "peak_rss_bytes": 2**30,
        "interventions": "[]",
        "parent": "",
        "complete": True,
        "memlens_version": "0.1.0",
        "versions": json.dumps({"torch": "2.13.0"}),
        "weights_sha256": "ab" * 32,
    }


def _swept():
    held, sweep = control.planted_sweep()
    return held, {"sweep": sweep}


def _policies():
    held, others = control.planted_policies()
    return held, {"others": others}


#: Recordings for analyses that need more than `plant` plants.
PLANTED = {
    "answer_sources": lambda: (dynamics.planted_lineage(None), {}),
    "attention": lambda: (dynamics.planted_attention(None), {}),
    "q_network": lambda: (control.planted_q(None), {"shuffles": 19, "repeats": 1}),
    "decision_factors": lambda: (control.planted_q(None), {"shuffles": 19}),
    "margins": lambda: (control.planted_q(None), {"shuffles": 19}),
    "calibration": lambda: (control.planted_calibration(None), {"horizon": 10}),
    "q_fidelity": _swept,
    "efficiency": lambda: (planted_times(None), {"shuffles": 19}),
    "regret": _policies,
}

#: Of analyses that run a model, parameters that make them cheap.
CAUSES = {
    "effects": {"questions": 10},
    "mediation": {"questions": 10},
    "attribution": {"questions": 10, "steps": 4, "draws": 1},
    "agreement": {"questions": 10, "steps": 4, "width": 1, "reach": 4, "within": 3},
}


def inputs(name: str, recording: InMemory) -> tuple:
    """A recording that an analysis can run on, and parameters that make it cheap."""
    from memlens.testing import structure, write_recording
    from memlens.testing.merges import merges

    if name == "compression":
        planted = merges(n_segment=60, feature=6)
        held = write_recording(
            None,
            points=planted.points,
            entries=planted.entries,
            capacities=planted.capacities,
            attrs={"id": "recording-1"},
        )
        return held, {"shuffles": 3}
    if name in ("alignment", "drift", "similarity"):
        value = structure.noise(structure.Shape(segment=40))
        one, two = (
            write_recording(
                None, points={"context.hook_slot": part, "working.hook_slot": part}, attrs={"id": f"recording-{at}"}
            )
            for at, part in ((1, value), (2, structure.other_run(value)[0]))
        )
        points = {"points": ("context.hook_slot", "working.hook_slot")}
        return one, {"alignment": {"other": two}, "similarity": points}.get(name, {}) | {"shuffles": 19}
    if name in PLANTED:
        held, params = PLANTED[name]()
        held.attrs["id"] = "recording-1"
        return held, params
    if name in CAUSES:
        from memlens.testing.cases.causes import through_the_store

        held, params = through_the_store(0)
        held.attrs["id"] = "recording-1"
        return held, params | CAUSES[name]
    cheap = {
        "clusters": {"draws": 19, "shuffles": 19, "boots": 2},
        "dictionary": {"atoms": 8, "active": 2, "steps": 40, "draws": 3},
        "slot_history": {"sequence": 0, "segment": 0, "slot": 0},
        "probe_profile": {"sample": 400, "resamples": 20},
    }
    return recording, cheap.get(name, {})


class Results:
    """Results of analyses by name, each computed when first asked for and kept in a folder that all workers of a session share."""

    def __init__(self, folder: Path, recording: InMemory):
        self.folder = folder / "results"
        self.folder.mkdir(exist_ok=True)
        self.recording = recording
        self.read: dict[str, tuple[xr.Dataset, list[str]]] = {}

    def __getitem__(self, name: str) -> xr.Dataset:
        return self._of(name)[0].copy(deep=True)

    def params(self, name: str) -> list[str]:
        """Names of the parameters that the analysis was given."""
        return self._of(name)[1]

    def _of(self, name: str) -> tuple[xr.Dataset, list[str]]:
        if name not in self.read:
            kept = self.folder / f"{name}.pickle"
            with (self.folder / f"{name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not kept.exists():
                    from memlens.catalogue import run

                    held, params = inputs(name, self.recording)
                    kept.write_bytes(pickle.dumps((run(name, held, **params), list(params))))
            self.read[name] = pickle.loads(kept.read_bytes())
        return self.read[name]
