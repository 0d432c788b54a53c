"""The public face: ``import memlens`` is enough, ``dir`` shows what is public, and wrong calls end in one typed error."""

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import memlens
from memlens.errors import MemlensError
from memlens.resources import shipped_model

ROOT = Path(__file__).resolve().parents[1]


def fresh(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_names_that_a_type_checker_sees_are_those_that_there_are() -> None:
    tree = ast.parse((ROOT / "memlens/__init__.py").read_text(encoding="utf-8"))
    seen = {
        name.asname: f"{node.module}:{name.name}"
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert {*seen, "__version__"} == set(memlens.__all__)
    for name, home in seen.items():
        module, _, attribute = home.partition(":")
        scope: dict[str, object] = {}
        exec(f"from {module} import {attribute} as {name}", scope)
        assert getattr(memlens, name) is scope[name], name


def test_dir_shows_the_public_names_alone() -> None:
    assert dir(memlens) == sorted(memlens.__all__)
    assert all(not name.startswith("_") or name == "__version__" for name in dir(memlens))


def test_rooms_need_no_second_import_and_looking_needs_no_torch() -> None:
    rooms = [
        name for name in memlens.__all__ if (ROOT / "memlens" / name).exists() or (ROOT / f"memlens/{name}.py").exists()
    ]
    assert len(rooms) > 10
    light = [room for room in rooms if room not in ("causes", "model", "training")]
    looking = (
        f"import sys, memlens; print(*(getattr(memlens, room).__name__ for room in {light}))\n"
        "memlens.analysis.retention, memlens.figures.plot_retention, memlens.catalogue.run, memlens.testing.planted_recording\n"
        "memlens.open, memlens.verify, memlens.compare, memlens.write_report, memlens.load_stream, memlens.Stream\n"
        "assert not {'torch', 'transformer_lens', 'umap'} & set(sys.modules)\n"
        "print(*(getattr(memlens, room).__name__ for room in ('causes', 'model', 'training')))"
    )
    assert set(fresh(looking).split()) == {f"memlens.{room}" for room in rooms}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What calls need beside their mistake: a recording, a model, and a path where nothing is."""
    folder = tmp_path_factory.mktemp("face")
    recording = memlens.testing.planted_recording(folder / "run", n_segment=8)
    return {"run": recording, "model": memlens.load_model(shipped_model("nano")), "out": folder / "out"}


Call = Callable[..., Any]

#: A wrong call, and words of the one error that it ends in.
WRONG: dict[str, tuple[Call, str]] = {
    "open: a number": (lambda: memlens.open(3), "path is 3 (int), expected a text or a path"),
    "open: nothing": (lambda: memlens.open(None), "path is None"),
    "open: what is open": (lambda run: memlens.open(run), "expected a text or a path"),
    "open: nowhere": (lambda: memlens.open("nowhere"), "no recording at 'nowhere'"),
    "open: option": (lambda run: memlens.open(run.path, snapshoot=""), "no argument 'snapshoot'; closest: snapshot"),
    "load_model: name": (lambda: memlens.load_model("nan"), "closest: nano"),
    "load_model: a number": (lambda: memlens.load_model(3), "expected a text or a path"),
    "load_model: policy": (lambda: memlens.load_model("nano", policy="fifoo"), "closest: fifo"),
    "load_model: option": (lambda: memlens.load_model("nano", polcy="fifo"), "closest: policy"),
    "load_model: device": (lambda: memlens.load_model("nano", device="gpu9"), "device is 'gpu9'"),
    "load_stream: a number": (lambda: memlens.load_stream(3), "is 3"),
    "load_stream: nowhere": (lambda: memlens.load_stream("nope.txt"), "'nope.txt' does not exist"),
    "builtin_stream: name": (lambda: memlens.builtin_stream("neddle"), "closest: needle"),
    "builtin_stream: a number": (lambda: memlens.builtin_stream(3), "needle"),
    "builtin_stream: option": (lambda: memlens.builtin_stream("needle", n_tokn=2000), "closest: n_token"),
    "builtin_stream: value": (lambda: memlens.builtin_stream("needle", n_token="many"), "n_token is 'many'"),
    "Stream: name": (lambda: memlens.Stream(3), "expected a text"),
    "Stream.text": (lambda: memlens.Stream("a").text(3), "expected a text"),
    "Stream.question": (lambda: memlens.Stream("a").question("What?", 3), "expected a text"),
    "Stream.image": (lambda: memlens.Stream("a").image("nope.png"), "'nope.png' does not exist"),
    "record: model": (lambda out: memlens.record(3, "builtin", out), "model is a"),
    "record: stream": (lambda model, out: memlens.record(model, 3, out), "stream is a"),
    "record: file": (lambda model, out: memlens.record(model, "nope.txt", out), "'nope.txt' does not exist"),
    "record: path": (lambda model: memlens.record(model, "builtin", 3), "path is 3"),
    "record: no path": (lambda model: memlens.record(model, "builtin"), "missing a required argument: 'path'"),
    "record: options": (lambda model, out: memlens.record(model, "builtin", out, {}), "expected RecordOptions"),
    "record: option": (lambda model, out: memlens.record(model, "builtin", out, optons=1), "closest: options"),
    "record: there": (lambda model, run: memlens.record(model, "builtin", run.path), "exists"),
    "RecordOptions: name": (lambda: memlens.RecordOptions(dtyp="float16"), "closest: dtype"),
    "RecordOptions: value": (lambda: memlens.RecordOptions(dtype="float61"), "closest: float16"),
    "RecordOptions: range": (lambda: memlens.RecordOptions(states_every=-1), "'states_every' is -1"),
    "replay: path": (lambda model, out: memlens.replay("run", model, 3, out), "expected a Recording"),
    "replay: model": (lambda run, out: memlens.replay(run, 3, 3, out), "expected a MemoryModel"),
    "replay: segment": (lambda run, model: memlens.replay(run, model, "three"), "expected a whole number"),
    "replay: option": (lambda run, model: memlens.replay(run, model, 3, intervention=[]), "closest: interventions"),
    "verify: nothing": (lambda: memlens.verify(None), "path is None"),
    "verify: nowhere": (lambda: memlens.verify("nowhere"), "no recording at 'nowhere'"),
    "verify: model": (lambda run: memlens.verify(run.path, model=3), "model is 3"),
    "compare: numbers": (lambda: memlens.compare(1, 2), "expected a recording"),
    "compare: a path": (lambda run: memlens.compare(run, str(run.path)), "expected a recording"),
    "sweep: model": (lambda run: memlens.sweep("nano", run, []), "expected a MemoryModel"),
    "sweep: source": (lambda model: memlens.sweep(model, 3, [(1, 2, "STORE")]), "expected a Recording"),
    "sweep: targets": (lambda run, model: memlens.sweep(model, run, 3), "targets is 3"),
    "sweep: no target": (lambda run, model: memlens.sweep(model, run, []), "at least one"),
    "sweep: action": (lambda run, model: memlens.sweep(model, run, [(1, 2, "STOER")]), "closest: STORE"),
    "sweep: option": (lambda run, model: memlens.sweep(model, run, [], question=[1]), "closest: questions"),
    "write_report: a path": (lambda out: memlens.write_report("run", out), "memlens.open('run')"),
    "write_report: name": (
        lambda run, out: memlens.write_report(run, out, analyses=["retenton"]),
        "closest: retention",
    ),
    "write_report: names": (lambda run, out: memlens.write_report(run, out, analyses=3), "analyses is 3"),
    "write_report: workers": (lambda run, out: memlens.write_report(run, out, workers="two"), "workers is 'two'"),
    "write_report: no folder": (lambda run: memlens.write_report(run), "missing a required argument: 'directory'"),
    "at: axis": (lambda: memlens.at("context.hook_slot", segmnt=1), "closest: segment"),
    "at: name": (lambda: memlens.at(3), "name is 3"),
    "hooks: name": (lambda model: model.add_hook("context.hook_slt", print), "closest: context.hook_slot"),
    "hooks: axis": (lambda model: model.add_hook(memlens.at("context.hook_slot", slto=1), print), "closest: slot"),
    "evaluate: model": (lambda: memlens.evaluate(3), "model is a int"),
    "evaluate: task": (lambda model: memlens.evaluate(model, "neddle"), "closest: needle"),
    "evaluate: policy": (lambda model: memlens.evaluate(model, "needle", policies=["fifoo"]), "closest: fifo"),
    "evaluate: task's option": (
        lambda model: memlens.evaluate(model, "needle", options={"n_fct": 3}),
        "closest: n_fact",
    ),
    "evaluate: split": (lambda model: memlens.evaluate(model, "needle", split="tset"), "closest: test"),
    "evaluate: length": (lambda model: memlens.evaluate(model, "needle", n_token="1K"), "n_token is '1K'"),
    "evaluate: option": (lambda model: memlens.evaluate(model, n_tokens=1000), "closest: n_token"),
    "train: a number": (lambda out: memlens.train(3, out), "config_path is 3"),
    "train: nowhere": (lambda out: memlens.train("nowhere.toml", out), "no config file at 'nowhere.toml'"),
    "train: option": (lambda out: memlens.train("nowhere.toml", out, resum=True), "closest: resume"),
    "catalogue: name": (lambda run: memlens.catalogue.run("retenton", run), "closest: retention"),
    "catalogue: parameter": (lambda run: memlens.catalogue.run("retention", run, bin=3), "closest: bins"),
    "catalogue: a path": (lambda: memlens.catalogue.run("retention", "run"), "memlens.open('run')"),
    "analysis: a path": (lambda: memlens.analysis.retention("r1"), "memlens.open('r1')"),
    "analysis: nothing": (lambda: memlens.analysis.retention(None), "expected a recording"),
    "analysis: parameter": (lambda run: memlens.analysis.retention(run, bin=3), "closest: bins"),
    "analysis: point": (
        lambda run: memlens.analysis.drift(run, point="context.hook_slt"),
        "closest: context.hook_slot",
    ),
    "analysis: type": (lambda run: memlens.analysis.drift(run, point=3), "point is 3"),
    "analysis: target": (lambda run: memlens.analysis.probe(run, target="modalty"), "closest: modality"),
    "analysis: by place": (lambda run: memlens.analysis.slot_history(run, 0, 1, 0), "too many positional arguments"),
    "causes: a path": (lambda model: memlens.causes.effects("r1", model), "expected a recording"),
    "causes: model": (lambda run: memlens.causes.effects(run, 3), "expected the MemoryModel"),
    "figures: backend": (
        lambda run: memlens.figures.plot_occupancy(memlens.analysis.occupancy(run), backend="matplotlb"),
        "backend is 'matplotlb'",
    ),
    "interventions: field": (lambda: memlens.interventions.Drop(segmnt=3, entry=7), "closest: segment"),
    "interventions: value": (lambda: memlens.interventions.Drop(segment=3, entry="seven"), "'entry' is 'seven'"),
    "interventions: missing": (lambda: memlens.interventions.Drop(segment=3), "'entry' is missing"),
    "interventions: action": (
        lambda: memlens.interventions.Force(segment=3, entry=7, action="STOER"),
        "closest: STORE",
    ),
    "interventions: by place": (lambda: memlens.interventions.Force(3, 7, "STORE"), "expected fields by name"),
    "interventions: kind": (lambda: memlens.interventions.from_dict({"kind": "drp"}), "closest: drop"),
    "interventions: no dict": (lambda: memlens.interventions.from_dict(3), "expected an object with a kind"),
    "interventions: file": (lambda: memlens.interventions.load_interventions("nowhere.json"), "nowhere.json"),
    "targets: number": (lambda run: memlens.interventions.random_targets(run, "ten"), "n is 'ten'"),
    "targets: a path": (lambda: memlens.interventions.random_targets("run", 10), "expected a Recording"),
    "recording: point": (lambda run: run["context.hook_slt"], "closest: context.hook_slot"),
    "recording: segment": (lambda run: run.segment("a"), "segment is 'a'"),
    "recording: beyond": (lambda run: run.segment(99), "segment 99 is not in"),
    "recording: table": (lambda run: run.to_dataframe("questons"), "closest: questions"),
    "config: key": (lambda: memlens.config.ModelConfig.parse({"d_modl": 3}), "closest: d_model"),
    "testing: path": (lambda: memlens.testing.planted_recording(3), "path is 3"),
}


@pytest.mark.parametrize(("call", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_call_is_one_typed_error(here: dict[str, Any], call: Call, said: str) -> None:
    names = call.__code__.co_varnames[: call.__code__.co_argcount]
    with pytest.raises(MemlensError) as caught:
        call(*(here[name] for name in names))
    assert said in str(caught.value)
    assert not here["out"].exists()


@pytest.mark.parametrize(
    ("room", "name", "closest"),
    [
        (memlens, "recrod", "record"),
        (memlens.analysis, "retenton", "retention"),
        (memlens.figures, "plot_retenton", "plot_retention"),
        (memlens.interventions, "Drp", "Drop"),
        (memlens.recording, "Recordng", "Recording"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_wrong_attribute_lists_the_closest(room: Any, name: str, closest: str) -> None:
    with pytest.raises(AttributeError, match=f"closest: .*{closest}"):
        getattr(room, name)
