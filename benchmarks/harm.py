"""What `gatllm fix` writes that it should not: 10,000 slips injected into functions, and correct files that look odd.

    python benchmarks/harm.py [--cases 10000] [--files 1000] [--seed 7] [--minutes 60] [DISTRIBUTION …]

The functions come from installed distributions that nothing was trained on. The slips are made here, letter by letter,
not by `gatllm.data` that the discriminator learned from. Three ways in the same run: what is written (behind the gate),
the likeliest repair whether written or not (the gate taken away), and the search alone, ungated. Harm is a word,
number, operator or string that the original has and the written text lacks, or the other way round, told by Python's
own tokenizer. Collateral lines are those that differ from the original away from the line of the slip. Prints a table
and one JSON line.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import io
import itertools
import json
import keyword
import math
import sys
import time
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import distribution, distributions
from itertools import islice
from pathlib import Path
from random import Random

from gatllm.review import compile_error, same_tree, search
from gatllm.review.default import load_reviewer

UNSEEN = ("sphinx", "docutils", "babel", "beautifulsoup4", "soupsieve", "myst-parser", "snowballstemmer", "cyclopts")
_MARKS = "()[]{}:,"
# Pieces that are right where they are read, and no Python of up to 3.11.
ODD = {
    "quotes within quotes": 'label = f"{names["first"]} and {names["last"]}"',
    "backslash in a field": 'joined = f"{"\\n".join(names)}"',
    "field of several lines": 'label = f"{\n    names["first"]\n}"',
    "type statement": "type Pairs = list[tuple[int, str]]",
    "type parameters of a function": "def first[T](items: list[T]) -> T:\n    return items[0]",
    "type parameters of a class": "class Box[T: (int, str)]:\n    item: T",
    "default of a type parameter": "class Maybe[T = None]:\n    item: T",
    "template string": 'page = t"<b>{title}</b>"',
    "template of a project": "{% if cookiecutter.logs %}\nimport logging\n{% endif %}",
    "name in a template": "from {{ project }}.core import run",
    "value of a template": "VERSION = <%= version %>",
    "placeholder": "name = ${name}",
    "lines of a template": "% for row in rows:\nprint(row)\n% endfor",
    "Cython variable": "cdef int count = 0",
    "Cython function": "cpdef double area(double r):\n    return 3.14 * r * r",
    "Cython import": "from libc.math cimport sqrt",
    "Cython loop": "for i from 0 <= i < 10:\n    print(i)",
}
_LONGEST = 3000  # characters of a function
_LONGEST_FILE = 20_000  # and of a module


@dataclass
class Row:
    """Counts of one way of repairing."""

    written: int = 0
    same: int = 0
    harm: int = 0
    collateral: int = 0
    lines: int = 0
    seconds: list[float] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)


def sources(names: list[str]) -> list[str]:
    """The modules of distributions, as texts; one line says which are not installed."""
    known = {one.name.lower().replace("_", "-") for one in distributions() if one.name}
    if missing := [name for name in names if name.lower() not in known]:
        raise SystemExit(f"not installed: {', '.join(missing)}; pip install {' '.join(missing)}")
    texts = []
    for name in names:
        for file in distribution(name).files or []:
            if file.suffix == ".py":
                texts.append(Path(str(file.locate())).read_text(encoding="utf-8", errors="replace"))
    return texts


def functions(texts: list[str]) -> list[str]:
    """Top-level functions and classes of a size that people edit."""
    out = []
    for text in texts:
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError):
            continue
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                segment = ast.get_source_segment(text, node)
                if segment and segment.count("\n") > 2 and len(segment) <= _LONGEST:
                    out.append(segment + "\n")
    return out


def unusual(texts: list[str], rng: Random) -> Iterator[tuple[str, str]]:
    """Yield modules with a piece that this Python does not read between two statements, and what kind of piece."""
    for number in itertools.count():
        text, (kind, piece) = rng.choice(texts), list(ODD.items())[number % len(ODD)]
        if len(text) > _LONGEST_FILE or compile_error(text) is not None:
            continue
        lines, starts = text.split("\n"), [node.lineno - 1 for node in ast.parse(text).body[1:]]
        # A decorated definition begins above its line; a piece there would be wrong.
        free = [row for row in starts if not lines[row - 1].startswith("@") and not lines[row].startswith("@")]
        if not free:
            continue
        row = rng.choice(free)
        changed = "\n".join([*lines[:row], *piece.split("\n"), *lines[row:]])
        if compile_error(changed) is not None:
            yield kind, changed


def slip(text: str, rng: Random) -> tuple[str, int] | None:
    """One slip of the hand, and its line from 0."""
    kind = rng.choice(("lost", "lost", "lost", "doubled", "exchanged", "keyword", "indent", "quote", "break"))
    places = {
        "lost": [at for at, letter in enumerate(text) if letter in _MARKS],
        "doubled": [at for at, letter in enumerate(text) if letter in "()[]{}:"],
        "exchanged": [at for at, letter in enumerate(text) if letter in "()[]{}"],
        "quote": [at for at, letter in enumerate(text) if letter in "\"'"],
        "break": [at for at, letter in enumerate(text) if letter in ",("],
    }
    if kind == "keyword":
        return _misspelt(text, rng)
    if kind == "indent":
        return _shifted(text, rng)
    if not places[kind]:
        return None
    at = rng.choice(places[kind])
    if kind == "lost" and (text[at - 1] + text[at + 1 : at + 2]).isidentifier() and text[at + 1 : at + 2].strip():
        return None  # two words would run together: nobody can tell that they were two
    new = {
        "lost": "",
        "quote": "",
        "doubled": text[at] * 2,
        "exchanged": rng.choice([mark for mark in "()[]{}" if mark != text[at]]),
        "break": text[at] + "\n",
    }[kind]
    return text[:at] + new + text[at + 1 :], text.count("\n", 0, at)


def _misspelt(text: str, rng: Random) -> tuple[str, int] | None:
    words = [t for t in _tokens(text) if t.type == tokenize.NAME and keyword.iskeyword(t.string) and len(t.string) > 2]
    if not words:
        return None
    token = rng.choice(words)
    at = rng.randrange(len(token.string) - 1)
    letters = list(token.string)
    letters[at], letters[at + 1] = letters[at + 1], letters[at]
    lines = text.split("\n")
    row, column = token.start
    line = lines[row - 1]
    lines[row - 1] = line[:column] + "".join(letters) + line[column + len(letters) :]
    return "\n".join(lines), row - 1


def _shifted(text: str, rng: Random) -> tuple[str, int]:
    lines = text.split("\n")
    row = rng.choice([n for n, line in enumerate(lines) if line.strip()])
    lines[row] = lines[row][4:] if lines[row].startswith("    ") and rng.random() < 0.7 else "    " + lines[row]
    return "\n".join(lines), row


def _tokens(text: str) -> list[tokenize.TokenInfo]:
    try:
        return list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return []


def meaning(text: str) -> Counter[str]:
    """Words, numbers, strings and operators of a text that parses; brackets, commas, colons and layout aside."""
    kinds = (tokenize.NAME, tokenize.NUMBER, tokenize.STRING, tokenize.OP)
    form = {*"()[]{}:,;"}
    return Counter(token.string for token in _tokens(text) if token.type in kinds and token.string not in form)


def judge(row: Row, original: str, written: str | None, line: int, seconds: float) -> None:
    """Count one case; ``written`` is None where nothing was written."""
    row.seconds.append(seconds)
    if written is None:
        return
    row.written += 1
    if same_tree(written, original):
        row.same += 1
        return
    if meaning(written) != meaning(original):
        row.harm += 1
        change = difflib.unified_diff(original.split("\n"), written.split("\n"), "meant", "written", n=0, lineterm="")
        row.examples.append("\n".join(change))
    old, new = original.split("\n"), written.split("\n")
    away = [a for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b and abs(n - line) > 1]
    row.collateral += len(away) if len(old) == len(new) else 0
    row.lines += len(old)


def at_most(count: int, of: int) -> float:
    """Return the one-sided 95 % upper bound of a fraction (Clopper and Pearson), found by halving."""
    if count >= of:
        return 1.0
    low, high = count / of, 1.0
    ways = [math.lgamma(of + 1) - math.lgamma(n + 1) - math.lgamma(of - n + 1) for n in range(count + 1)]
    for _ in range(50):
        middle = (low + high) / 2
        one, none = math.log(middle), math.log1p(-middle)
        below = sum(math.exp(way + n * one + (of - n) * none) for n, way in enumerate(ways))
        low, high = (middle, high) if below > 0.05 else (low, middle)
    return high


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("distributions", nargs="*", default=list(UNSEEN))
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--minutes", type=float, default=1e6, help="judge what was reached by then")
    parser.add_argument("--show", type=int, default=0, help="print so many harmful repairs")
    options = parser.parse_args()
    texts, rng, reviewer = sources(options.distributions), Random(options.seed), load_reviewer(quick=True)
    pool = functions(texts)
    rows = {name: Row() for name in ("written", "likeliest, ungated", "search alone, ungated")}
    done, until = 0, time.monotonic() + 60 * options.minutes
    while done < options.cases and time.monotonic() < until:
        original = rng.choice(pool)
        made = slip(original, rng)
        if made is None or compile_error(made[0]) is None:
            continue
        broken, line = made
        start = time.perf_counter()
        repair = reviewer.fix(broken)
        took = time.perf_counter() - start
        judge(rows["written"], original, repair.text if repair.changed else None, line, took)
        judge(rows["likeliest, ungated"], original, repair.likeliest if repair.candidates else None, line, took)
        start = time.perf_counter()
        found = search(broken)
        judge(rows["search alone, ungated"], original, found, line, time.perf_counter() - start)
        done += 1
        if done % 500 == 0:
            print(f"  {done} of {options.cases}", file=sys.stderr, flush=True)
    odd = list(islice(unusual(texts, rng), options.files))
    touched = Counter(kind for kind, text in odd if reviewer.fix(text).changed)
    result: dict[str, object] = {"cases": done, "files": len(odd), "files touched": touched, "seed": options.seed}
    print(f"{'':24}{'written':>9}{'same tree':>11}{'harm':>8}{'collateral lines':>18}{'median ms':>11}")
    for name, row in rows.items():
        median = sorted(row.seconds)[len(row.seconds) // 2] * 1000
        figures = {
            "written": row.written / done,
            "same": row.same / done,
            "harm": row.harm / done,
            "collateral": row.collateral / max(row.lines, 1),
            "median": median,
        }
        bound = at_most(row.harm, done)
        print(f"{name}: harm {row.harm} of {done}, with 95 % confidence at most {bound:.2%}")
        figures["harm at most"] = bound
        result[name] = {key: round(value, 5) for key, value in figures.items()}
        print(
            f"{name:24}{figures['written']:>9.1%}{figures['same']:>11.1%}{figures['harm']:>8.2%}"
            f"{figures['collateral']:>18.2%}{median:>11.1f}"
        )
        for text in row.examples[: options.show]:
            print("----", name, text, sep="\n")
    told = "".join(f", {kind} {count}" for kind, count in touched.items())
    print(f"files that look odd and are right, changed: {touched.total()} of {len(odd)}{told}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
