"""The architecture holds: subpackages import only lower layers, and each says what it is for."""

import ast
import subprocess
import sys
from pathlib import Path

import grimp

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "gatllm"


def test_subpackages_import_only_lower_layers() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_no_file_is_longer_than_600_lines() -> None:
    long = [str(path) for path in PACKAGE.rglob("*.py") if len(path.read_text().splitlines()) > 600]
    assert long == []


def test_commands_are_thin() -> None:
    long = {path.name: len(path.read_text().splitlines()) for path in (PACKAGE / "cli").glob("*.py")}
    assert {name: lines for name, lines in long.items() if lines > 300} == {}


def test_no_modules_import_each_other_in_a_circle() -> None:
    # Imports for type checkers count, too: a circle of meaning is a circle.
    graph = grimp.build_graph("gatllm", exclude_type_checking_imports=False, cache_dir=None)
    importing = {module: graph.find_modules_directly_imported_by(module) for module in sorted(graph.modules)}
    packages = {module for module in importing if graph.find_children(module)}  # a package's face imports its insides
    circles = [
        sorted(circle)
        for circle in _strongly_connected({m: {i for i in s if i not in packages} for m, s in importing.items()})
        if len(circle) > 1
    ]
    assert circles == []


def _strongly_connected(edges: dict[str, set[str]]) -> list[set[str]]:
    """Return the sets of modules that reach each other."""
    reach = {start: _reachable(edges, start) for start in edges}
    found: list[set[str]] = []
    for module, seen in reach.items():
        if not any(module in circle for circle in found):
            found.append({module, *(other for other in seen if module in reach[other])})
    return found


def _reachable(edges: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for module in edges.get(waiting.pop(), set()) - seen:
            seen.add(module)
            waiting.append(module)
    return seen
