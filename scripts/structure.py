"""Print the structure of the package in figures, and exit with 1 where a figure breaks a rule.

    python scripts/structure.py

The rules: at most six modules beside the packages, no public class name in two modules, no module over 400 lines,
and no variable or argument whose name says nothing of what it holds.
"""

from __future__ import annotations

import ast
import collections
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "fillmask"

MOST_ROOT_MODULES = 6
MOST_LINES = 400
VAGUE_NAMES = frozenset(["asked", "found", "given", "heard", "me", "one", "said", "seen", "told", "whole", "wholes"])


def modules() -> dict[str, ast.Module]:
    """The parsed modules, by their paths inside the package."""
    return {
        path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text("utf-8")) for path in sorted(SOURCE.rglob("*.py"))
    }


def root_modules() -> list[str]:
    """Modules beside the packages."""
    return sorted(path.name for path in SOURCE.glob("*.py") if path.name not in ("__init__.py", "__main__.py"))


def repeated_classes() -> dict[str, list[str]]:
    """Public class names that stand in more than one module, with these modules."""
    places: dict[str, list[str]] = collections.defaultdict(list)
    for name, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(name)
    return {name: where for name, where in sorted(places.items()) if len(where) > 1}


def long_modules() -> dict[str, int]:
    """Modules with more than `MOST_LINES` lines, with their lengths."""
    lengths = {
        path.relative_to(SOURCE).as_posix(): len(path.read_text("utf-8").splitlines()) for path in SOURCE.rglob("*.py")
    }
    return {name: length for name, length in sorted(lengths.items()) if length > MOST_LINES}


def vague_names() -> dict[str, list[str]]:
    """Modules with names that say nothing, with these names."""
    return {name: sorted(set(_vague(tree))) for name, tree in modules().items() if any(_vague(tree))}


def _vague(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in VAGUE_NAMES:
            yield node.id
        elif isinstance(node, ast.arg) and node.arg in VAGUE_NAMES:
            yield node.arg


def main() -> int:
    roots, repeated, long, vague = root_modules(), repeated_classes(), long_modules(), vague_names()
    print(f"{len(roots)} root modules: {' '.join(roots)}")
    print(f"{len(repeated)} public class names in more than one module")
    for name, where in repeated.items():
        print(f"  {name}: {' '.join(where)}")
    print(f"{len(long)} modules over {MOST_LINES} lines")
    for name, length in long.items():
        print(f"  {name}: {length}")
    print(f"{len(vague)} modules with vague names")
    for name, names in vague.items():
        print(f"  {name}: {' '.join(names)}")
    broken = len(roots) > MOST_ROOT_MODULES or bool(repeated) or bool(long) or bool(vague)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
