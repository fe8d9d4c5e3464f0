"""Imports go one way: a package imports only packages below it, and no module takes part in a circle."""

import ast
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"

# From the bottom to the top; packages of one line do not import each other.
LAYERS = (
    ("errors", "choices", "bars"),
    ("data",),
    ("tokenization",),
    ("models",),
    ("runtime",),
    ("tasks",),
    ("restore",),
    ("pipelines",),
    ("training", "batch"),
    ("server",),
    ("cli",),
    ("__main__",),
)
LAYER = {package: number for number, packages in enumerate(LAYERS) for package in packages}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    names = {}
    for path in (SOURCE / "fillmask").rglob("*.py"):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imports(path: Path, known: set[str]) -> set[tuple[str, bool]]:
    """The package's modules that a module imports, and whether that is when it is imported itself.

    Names in strings that are passed to `import_module` count too. `from fillmask import __version__` does not: the
    version is there before anything is imported.
    """
    found: set[tuple[str, bool]] = set()
    tree = ast.parse(path.read_text("utf-8"))
    late = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or _for_types_only(node)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name for name in submodules if name in known]
            if len(names) < len(submodules) and [alias.name for alias in node.names] != ["__version__"]:
                names.append(node.module)
        elif isinstance(node, ast.Call) and _name(node.func) == "import_module":
            names = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        found |= {(name, id(node) not in late) for name in names if name.split(".")[0] == "fillmask"}
    return found


def _for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and _name(node.test) == "TYPE_CHECKING"


def _name(node: ast.AST) -> str | None:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None


def _package(module: str) -> str:
    return ([*module.split("."), ""])[1]


def test_every_package_has_a_layer() -> None:
    assert {_package(name) for name in modules()} - {"", "bundled", "samples"} == set(LAYER)


def test_imports_go_downwards() -> None:
    known = modules()
    upward = []
    for name, path in known.items():
        package = _package(name)
        for imported, _ in imports(path, set(known)):
            other = _package(imported)
            if package and other != package and LAYER.get(other, len(LAYERS)) >= LAYER[package]:
                upward.append(f"{name} imports {imported}")
    assert not upward


def test_no_module_takes_part_in_a_circle() -> None:
    known = modules()
    graph = {
        name: {imported for imported, at_once in imports(path, set(known)) if at_once and imported in known}
        for name, path in known.items()
    }
    # What nothing imports, or imports nothing, is in no circle.
    while ends := [name for name, others in graph.items() if not others]:
        for name in ends:
            del graph[name]
        for others in graph.values():
            others.difference_update(ends)
    while starts := [name for name in graph if not any(name in others for others in graph.values())]:
        for name in starts:
            del graph[name]
    assert not graph
