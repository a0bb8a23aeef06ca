"""How often `review/meaning.py` is alarmed by functions that nobody touched, and what it finds of what it is for.

    python benchmarks/review_meaning.py [--show 10] [--part 1] [FOLDER …]

Untouched: all modules of the standard library and of this environment, or of the folders named. Beside it: the lines of
the same modules to which one such error was done (a result dropped, a call's brackets lost, `=` doubled, two arguments
exchanged), one in each module. Prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import site
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gatllm.review.critics import compile_error, quietly_parsed
from gatllm.review.edits import Change, rewrite
from gatllm.review.meaning import RULES, doubts


def modules(folders: list[Path], part: int) -> Iterator[tuple[Path, str]]:
    """Yield every ``part``-th of the modules below folders, in an order that no name tells."""
    files = sorted({file for folder in folders for file in folder.rglob("*.py")})
    random.Random(part).shuffle(files)
    for file in files[: len(files) // part]:
        try:
            yield file, file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue


def _offset(text: str, line: int, column: int) -> int:
    rows = text.split("\n")
    return sum(len(row) + 1 for row in rows[: line - 1]) + len(rows[line - 1].encode()[:column].decode(errors="ignore"))


def injected(text: str, tree: ast.Module, rng: random.Random) -> tuple[str, str, int] | None:
    """Return a text with one error of meaning, its rule and its line; None where there is no place for one."""
    places: list[tuple[str, Change, int]] = []
    single = {node.name: [one.arg for one in node.args.args] for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Call(args=[], keywords=[], func=ast.Attribute()) as call):
                end = _offset(text, call.end_lineno or 1, call.end_col_offset or 0)
                if text[end - 2 : end] == "()":
                    places.append(("method-not-called", Change(end - 2, end, ""), node.lineno))
            case ast.Assign(targets=[ast.Name() | ast.Attribute() as target], value=value):
                start = _offset(text, target.end_lineno or 1, target.end_col_offset or 0)
                end = _offset(text, value.lineno, value.col_offset)
                if text[start:end] == " = ":
                    places.append(("comparison-as-statement", Change(start, end, " == "), node.lineno))
                    match value:
                        case ast.Call(func=ast.Attribute(attr="strip" | "lower" | "replace" | "upper")):
                            begin = _offset(text, node.lineno, node.col_offset)
                            places.append(("unused-result", Change(begin, end, ""), node.lineno))
                        case ast.Call(func=ast.Name(id="sorted")):
                            begin = _offset(text, node.lineno, node.col_offset)
                            places.append(("unused-result", Change(begin, end, ""), node.lineno))
            case ast.Call(func=ast.Name(id=name), args=[ast.Name() as one, ast.Name() as other, *_]) if single.get(
                name, []
            )[:2] == [one.id, other.id]:
                start = _offset(text, one.lineno, one.col_offset)
                end = _offset(text, other.end_lineno or 1, other.end_col_offset or 0)
                places.append(("swapped-arguments", Change(start, end, f"{other.id}, {one.id}"), one.lineno))
    kinds = sorted({rule for rule, _, _ in places})
    if not kinds:
        return None
    kind = rng.choice(kinds)
    rule, change, line = rng.choice([one for one in places if one[0] == kind])
    broken = rewrite(text, [change])
    return (broken, rule, line) if compile_error(broken) is None else None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--show", type=int, default=0, help="print so many alarms of each rule")
    parser.add_argument("--part", type=int, default=1, help="only every so many-th module")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folders = options.folders or [Path(sysconfig.get_paths()["stdlib"]), *map(Path, site.getsitepackages())]
    rng, seen, functions, files, alarmed = random.Random(options.seed), set[str](), 0, 0, 0
    alarms: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for file, text in modules(folders, options.part):
        if text in seen:
            continue
        seen.add(text)
        tree = quietly_parsed(text)
        if tree is None:
            continue
        spans = [
            (node.lineno, node.end_lineno or node.lineno)
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        files, functions, own = files + 1, functions + len(spans), doubts(text)
        alarmed += len({min((s for s in spans if s[0] <= d.finding.line <= s[1]), default=(0, 0)) for d in own})
        for doubt in own:
            alarms[doubt.finding.code] += 1
            if alarms[doubt.finding.code] <= options.show:
                line = text.split("\n")[doubt.finding.line - 1].strip()
                print(f"{file}:{doubt.finding.line}: {doubt.finding.code}: {line}", file=sys.stderr)
        made = injected(text, tree, rng)
        if made is not None:
            broken, rule, line = made
            tried[rule] += 1
            known = {(one.finding.code, one.finding.message) for one in own}
            found[rule] += any(
                one.finding.line == line and one.finding.code == rule
                for one in doubts(broken)
                if (one.finding.code, one.finding.message) not in known or one.finding.line == line
            )
    print(f"{files} modules, {functions} functions; alarmed {alarmed} ({alarmed / max(functions, 1):.3%})")
    print(f"{'':26}{'alarms':>8}{'injected':>10}{'found':>8}")
    for rule in RULES:
        share = f"{found[rule] / tried[rule]:.1%}" if tried[rule] else "-"
        print(f"{rule:26}{alarms[rule]:8}{tried[rule]:10}{share:>8}")
    result = {"benchmark": "review_meaning", "modules": files, "functions": functions, "alarmed": alarmed}
    print(json.dumps(result | {"alarms": alarms, "injected": tried, "found": found}))


if __name__ == "__main__":
    main()
