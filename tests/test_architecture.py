"""docs/architecture.md says where everything stands: its floors are those of the import contract, and every room has its sentence."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def rooms_of_the_page() -> list[list[str]]:
    """Rooms of memlens, a list a floor, from the top."""
    floors: list[list[str]] = []
    for floor, room in re.findall(r"^\| ([^|`]*)\| `memlens/(\w+)(?:/|\.py)` \|", PAGE, re.MULTILINE):
        if floor.strip():
            floors.append([])
        floors[-1].append(room)
    return floors


def test_floors_are_those_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    told = [set(floor) for floor in rooms_of_the_page()]
    assert told == [set(re.findall(r"memlens\.(\w+)", layer)) for layer in layers]


def test_every_room_has_a_sentence() -> None:
    package = ROOT / "memlens"
    there = {path.stem for path in package.iterdir() if path.suffix == ".py" and not path.stem.startswith("__")}
    there |= {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    assert {room for floor in rooms_of_the_page() for room in floor} == there


def test_files_that_are_named_are_there() -> None:
    named = set(re.findall(r"`((?:memlens/)?[a-z_]+/[a-z_/]+\.py)`", PAGE))
    assert named
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "memlens" / name).exists(), name
