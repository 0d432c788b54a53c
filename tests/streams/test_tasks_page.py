"""docs/tasks.md says what the tasks are: its table and its examples are made from the registry.

``python tests/streams/test_tasks_page.py`` writes both into the page, between its markers.
"""

import re
from pathlib import Path

import numpy as np
import pytest

from memlens.streams import TASKS, Statement, Task
from memlens.streams.facts import keys

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tasks.md"


def begin(name: str) -> str:
    return f"<!-- {name}: made by tests/streams/test_tasks_page.py -->\n"


END = "<!-- end -->"


def table() -> str:
    """One row a task."""
    lines = [
        "| task | what | positions | facts | filler | options | reference |",
        "|---|---|---|---|---|---|---|",
    ]
    for task in TASKS.values():
        match = re.fullmatch(r"(.*?)(?: \((.*\d{4}.*)\))?", task.summary)
        assert match is not None
        options = ", ".join(f"`{option}={default!r}`" for option, default in task.options.items())
        lines.append(
            f"| `{task.name}` | {match[1]} | {task.n_token:,} | {task.n_fact} | {task.filler} | {options} | {match[2] or ''} |"
        )
    return "\n".join(lines) + "\n"


def shown(statement: Statement) -> str:
    """A statement with its images and sounds as "(image)" and "(audio)"."""
    return "".join(
        value if kind == "text" else f" ({kind} {value})" if kind == "dna" else f" ({kind})"
        for kind, value in statement.pieces
    ).strip()


def example(task: Task) -> str:
    """A scene's question with the most support, and that support."""
    scene = task.draw(np.random.default_rng(0), "train", min(task.n_fact, 8))
    if not scene.queries:
        return ""
    query = max(scene.queries, key=lambda query: len(query.support))
    said = [f"said    {shown(scene.statements[i])}" for i in query.support]
    return "\n".join(["```text", *said, f"asked   {query.text}", f"answer  {query.answer}", "```"]) + "\n"


def parts() -> dict[str, str]:
    return {"table": table(), **{name: example(task) for name, task in TASKS.items() if example(task)}}


@pytest.mark.parametrize("name", parts())
def test_page_says_what_the_registry_says(name: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.count(begin(name)) == 1
    written = page.partition(begin(name))[2].partition(END)[0]
    assert written == parts()[name], "run `python tests/streams/test_tasks_page.py`"


def test_page_has_a_section_a_task() -> None:
    assert re.findall(r"^### `(\w+)`$", PAGE.read_text(encoding="utf-8"), re.M) == list(TASKS)


def test_page_knows_how_many_keys_there_are() -> None:
    sizes = ", ".join(f"{len(keys(split)):,} {split}" for split in ("train", "validation", "test"))
    assert sizes in " ".join(PAGE.read_text(encoding="utf-8").split())


def test_page_examples_run() -> None:
    blocks = re.findall(r"^```python runnable\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, "docs/tasks.md", "exec"), {"__name__": "docs/tasks.md"})


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    for name, text in parts().items():
        before, marker, rest = page.partition(begin(name))
        page = before + marker + text + END + rest.partition(END)[2]
    PAGE.write_text(page, encoding="utf-8")
