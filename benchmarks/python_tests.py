"""Repairs on texts that CPython's own tests hold: Python 2 with what its fixers make of it, and what must not compile.

    python benchmarks/python_tests.py [--show]

Nobody made these texts for gatllm, and nothing is trained on them. `lib2to3` (Python 3.11 and 3.12) states what each
text of Python 2 becomes: the same tree, another text that compiles, or nothing is counted for what `fix` writes, for
the likeliest repair with the gate taken away, and for the search alone. The doctests of `test_syntax` and other tests
have no right answer: how many are written is counted, and `--show` prints them to be read. Prints a table and one JSON
line.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import doctest
import importlib.util
import json
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gatllm.review import compile_error, same_tree, search
from gatllm.review.default import load_reviewer

REFUSED = (
    "syntax",
    "exceptions",
    "fstring",
    "named_expressions",
    "positional_only_arg",
    "unpack_ex",
    "patma",
    "compile",
    "codeop",
    "global",
    "generators",
    "genexps",
    "keywordonlyarg",
    "except_star",
    "grammar",
    "dataclasses",
)
_LONGEST = 1500


def _tree(module: str) -> ast.Module | None:
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    path = Path(spec.origin) if spec is not None and spec.origin else None
    return ast.parse(path.read_text(encoding="utf-8", errors="replace")) if path is not None else None


def fixed_by_lib2to3() -> list[tuple[str, str]]:
    """Texts of Python 2 that Python 3 does not compile, and what they become."""
    tree = _tree("lib2to3.tests.test_fixers")
    found: dict[str, str] = {}
    for function in ast.walk(tree) if tree is not None else ():
        if not isinstance(function, ast.FunctionDef):
            continue
        named: dict[str, str] = {}
        for statement in function.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str() as text)):
                    named[name] = text
                case ast.Expr(value=ast.Call(func=ast.Attribute(attr="check" | "warns"), args=[old, new, *_])):
                    before, after = (_text(one, named) for one in (old, new))
                    if compile_error(before) is not None and compile_error(after) is None:
                        found.setdefault(before, after)
    return sorted(found.items())


def _text(node: ast.expr, named: dict[str, str]) -> str:
    text = node.value if isinstance(node, ast.Constant) else named.get(getattr(node, "id", ""), "")
    return textwrap.dedent(str(text)).strip("\n") + "\n"


def refused() -> Iterator[str]:
    """Texts in doctests that do not compile."""
    known: set[str] = set()
    for name in REFUSED:
        tree = _tree(f"test.test_{name}")
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and ">>>" in node.value:
                for example in _examples(node.value):
                    if example not in known and len(example) < _LONGEST and compile_error(example) is not None:
                        known.add(example)
                        yield example


def _examples(text: str) -> list[str]:
    try:
        return [example.source for example in doctest.DocTestParser().get_examples(text)]
    except ValueError:
        return []


def _change(old: str, new: str) -> str:
    lines = list(difflib.unified_diff(old.split("\n"), new.split("\n"), n=0, lineterm=""))[2:]
    return "\n".join(line for line in lines if not line.startswith("@@"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print what is written, to be read")
    options = parser.parse_args()
    reviewer = load_reviewer(quick=True)
    counts = {name: Counter[str]() for name in ("written", "likeliest, ungated", "search alone, ungated")}
    pairs = fixed_by_lib2to3()
    for before, after in pairs:
        repair = reviewer.fix(before)
        sides = (
            repair.text if repair.changed else None,
            repair.likeliest if repair.candidates else None,
            search(before),
        )
        for name, text in zip(counts, sides, strict=True):
            counts[name]["nothing" if text is None else "same" if same_tree(text, after) else "other"] += 1
        if options.show and repair.changed and not same_tree(repair.text, after):
            print("---- lib2to3 writes", after, "---- gatllm", repair.text, sep="\n")
    print(f"{len(pairs)} texts of Python 2{'':8}{'same tree':>11}{'other':>8}{'nothing':>9}")
    for name, count in counts.items():
        print(f"{name:30}{count['same']:>11}{count['other']:>8}{count['nothing']:>9}")
    texts, written = list(refused()), 0
    for text in texts:
        repair = reviewer.fix(text)
        written += repair.changed
        if options.show and repair.changed:
            print("----", _change(text, repair.text), sep="\n")
    print(f"doctests that do not compile: {written} of {len(texts)} written")
    print(json.dumps({"pairs": len(pairs), **counts, "refused": len(texts), "refused and written": written}))


if __name__ == "__main__":
    main()
