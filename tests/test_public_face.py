"""The public face: ``import memlens`` is enough, ``dir`` shows what is public, and wrong calls end in one typed error."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import memlens

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


def test_a_wrong_name_lists_the_closest() -> None:
    with pytest.raises(AttributeError, match="module 'memlens' has no attribute 'recrod'; closest: record"):
        memlens.recrod  # noqa: B018
