"""The house is in order: no import circles, files and functions that fit, public functions whose arguments are documented."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import networkx as nx

ROOT = Path(__file__).resolve().parents[1]
#: Packages that are held to the rules, and where their files are.
ROOMS = ("memlens", "analyses", "dashboard")
MAX_LINES_OF_FILE = 400
MAX_LINES_OF_FUNCTION = 80
#: Share of public functions with two arguments or more whose docstring says what it has to.
DOCUMENTED = 0.9

Function = ast.FunctionDef | ast.AsyncFunctionDef


def files() -> dict[str, Path]:
    """Dotted name of every module -> its file."""
    found: dict[str, Path] = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(module: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Modules of the house that a module imports at run time: also inside of functions, not for type checking only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unread = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(tree):
        if id(node) in unread:
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in known)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for name in node.names:
                inner = f"{base}.{name.name}"
                if inner in known or base in known:
                    yield inner if inner in known else base


def circles(edges: list[tuple[str, str]]) -> list[list[str]]:
    """Groups of modules that import each other."""
    graph = nx.DiGraph(edges)
    return sorted(sorted(group) for group in nx.strongly_connected_components(graph) if len(group) > 1)


def functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Every function and method with its dotted name."""

    def inside(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function):
                yield prefix + child.name, child
                yield from inside(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                yield from inside(child, f"{prefix}{child.name}.")
            else:
                yield from inside(child, prefix)

    yield from inside(tree, "")


def arguments(function: Function) -> list[str]:
    """Names of the arguments, without ``self`` and ``cls``."""
    taken = function.args
    names = [arg.arg for arg in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)]
    names += [arg.arg for arg in (taken.vararg, taken.kwarg) if arg is not None]
    return [name for name in names if name not in ("self", "cls")]


def sections(docstring: str) -> dict[str, str]:
    """Sections of a docstring in numpy's form: title -> text."""
    parts = re.split(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", docstring, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def raises(function: Function) -> bool:
    """Whether the function's own lines raise something."""
    inner = {
        id(n)
        for child in ast.walk(function)
        if child is not function and isinstance(child, Function)
        for n in ast.walk(child)
    }
    return any(isinstance(n, ast.Raise) and n.exc is not None and id(n) not in inner for n in ast.walk(function))


def missing(function: Function) -> list[str]:
    """What the docstring of a function does not say: sections, and arguments that have no line."""
    told = sections(ast.get_docstring(function) or "")
    lines = re.findall(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: :.*)?$", told.get("Parameters", ""), re.MULTILINE)
    named = {name.strip("* ") for line in lines for name in line.split(",")}
    lacking = [name for name in arguments(function) if name not in named]
    returns = function.returns is not None and ast.unparse(function.returns) not in ("None", "NoReturn")
    if returns and not {"Returns", "Yields"} & set(told):
        lacking.append("Returns")
    if raises(function) and "Raises" not in told:
        lacking.append("Raises")
    return lacking


def public_functions() -> dict[str, list[str]]:
    """Public functions of memlens with two arguments or more -> what their docstrings do not say."""
    found: dict[str, list[str]] = {}
    for module, path in files().items():
        if not module.startswith("memlens") or any(part.startswith("_") for part in module.split(".")):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        whole = dict(functions(tree))
        nested = {name for name in whole if name.rpartition(".")[0] in whole}
        for name, function in whole.items():
            if name in nested or any(part.startswith("_") for part in name.split(".")) or len(arguments(function)) < 2:
                continue
            found[f"{module}.{name}"] = missing(function)
    return found


def test_no_import_circles() -> None:
    known = files()
    edges = [
        (module, other) for module, path in known.items() for other in imported(module, path, known) if other != module
    ]
    assert circles(edges) == []


def test_an_import_circle_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f():\n    from b import x\n")
    (tmp_path / "b.py").write_text("import a\nfrom c import y\n")
    (tmp_path / "c.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import b\n")
    known = {name: tmp_path / f"{name}.py" for name in "abc"}
    edges = [(module, other) for module, path in known.items() for other in imported(module, path, known)]
    assert circles(edges) == [["a", "b"]]


def test_files_and_functions_fit() -> None:
    long_files = {
        module: n
        for module, path in files().items()
        if (n := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES_OF_FILE
    }
    long_functions = {
        f"{module}.{name}": n
        for module, path in files().items()
        for name, function in functions(ast.parse(path.read_text(encoding="utf-8")))
        if (n := function.end_lineno - function.lineno + 1) > MAX_LINES_OF_FUNCTION
    }
    assert (long_files, long_functions) == ({}, {})


def test_arguments_are_documented() -> None:
    lacking = public_functions()
    silent = {name: what for name, what in lacking.items() if what}
    share = 1 - len(silent) / len(lacking)
    told = "\n".join(f"  {name}: {', '.join(what)}" for name, what in sorted(silent.items()))
    assert share >= DOCUMENTED, (
        f"{share:.1%} of {len(lacking)} functions say what they take, return and raise; these do not:\n{told}"
    )


def test_what_a_docstring_lacks_is_found() -> None:
    source = '''
def f(a, b, *, c) -> int:
    """Do.

    Parameters
    ----------
    a, b : float [slot]
        Two.
    """
    if a:
        raise ValueError("no")
    return 1
'''
    assert missing(next(functions(ast.parse(source)))[1]) == ["c", "Returns", "Raises"]
