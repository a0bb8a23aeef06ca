"""Repair and detection on packages that no training data came from, beside the search alone and peers from PyPI.

    python benchmarks/review.py [--model RUN] [--functions 2000] [--modules 300] [--peers VENV]

Prints a table and one JSON line. A repair "parses" when it compiles, changes something and stays within 4 token edits
for each injected error; "same tree" is the syntax tree of the original. An error is "knowable" when what was lost
is punctuation, a keyword or white space, or was only moved: a deleted name or line can't be known.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import partial
from pathlib import Path
from random import Random

from gatllm.data import FAMILIES, corrupt, functions, open_source
from gatllm.data.functions import parse
from gatllm.review import Review, Reviewer, compile_error, same_tree
from gatllm.review.default import load_reviewer
from gatllm.review.measures import auroc, expected_calibration_error
from gatllm.review.region import place
from gatllm.review.tags import TAG_IDS, Tag
from gatllm.tokenizers.lexer import pieces

# Installed with gatllm, and left out of every training set (docs/review.md).
HELD_OUT = (
    *("rich", "jinja2", "fastapi", "starlette", "anyio", "httpx", "h11", "markdown-it-py", "networkx", "uvicorn"),
    *("cyclopts", "websockets", "httpcore", "import-linter", "prometheus_client"),
)
SYNTACTIC = [name for name, family in FAMILIES.items() if family.syntactic]
SEMANTIC = [name for name, family in FAMILIES.items() if not family.syntactic]
Fixer = Callable[[str], str]


@dataclass(frozen=True)
class Case:
    """Broken code, the original, how many errors, of which families, whether what was lost can be known."""

    broken: str
    text: str
    errors: int
    families: tuple[str, ...]
    knowable: bool


def texts(whole: bool) -> list[str]:
    """Real code of the held-out packages: functions, or whole modules of 20 to 1,500 lines."""
    found: dict[str, None] = {}
    for name in HELD_OUT:
        try:
            files = list(open_source(f"dist:{name}"))
        except Exception as error:  # a package that is not installed here
            print(f"left out: {error}", file=sys.stderr)
            continue
        for file in files:
            text = file.path.read_text(encoding="utf-8", errors="ignore")
            if parse(text) is None:
                continue
            if whole:
                found |= {text: None} if 20 <= text.count("\n") <= 1500 else {}
            else:
                found |= {f.text: None for f in functions(text) if 4 <= f.text.count("\n") <= 150}
    return list(found)


def _knowable(edits: tuple[tuple[int, int, str], ...], broken: str) -> bool:
    for start, end, lost in edits:
        for piece in pieces(lost):
            sayable = piece.kind in ("space", "line", "joined") or Tag("insert", piece.text) in TAG_IDS
            moved = piece.text in broken[max(start - 40, 0) : end + 40]
            if not sayable and not (end > start and moved) and not (end > start and len(lost) < 12):
                return False
    return True


def cases(pool: list[str], count: int, errors: str, rng: Random) -> list[Case]:
    """``count`` broken texts; ``errors`` is 1, 2 or 3-5."""
    levels = {"1": (1,), "2": (3,), "3-5": (4, 5)}[errors]
    out: list[Case] = []
    while len(out) < count:
        text = rng.choice(pool)
        made = corrupt(text, rng, rng.choice(levels), SYNTACTIC)
        if made is None or not made.syntactic or len(made.families) > 5:
            continue
        knowable = _knowable(made.edits, made.broken)
        out.append(Case(made.broken, text, len(made.families), made.families, knowable))
    return out


def _distance(first: str, second: str) -> int:
    """Token edits between two texts."""
    a = [piece.text for piece in pieces(first) if piece.kind != "space"]
    b = [piece.text for piece in pieces(second) if piece.kind != "space"]
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    a, b = a[start:], b[start:]
    while a and b and a[-1] == b[-1]:
        a.pop(), b.pop()
    script = SequenceMatcher(None, a, b, autojunk=False).get_opcodes() if len(a) * len(b) < 4_000_000 else []
    return sum(max(i2 - i1, j2 - j1) for kind, i1, i2, j1, j2 in script if kind != "equal")


def measure(fix: Fixer, some: list[Case]) -> dict[str, object]:
    """Shares that parse and have the same tree, and milliseconds a case."""
    rows = []
    for case in some:
        started = time.perf_counter()
        text = fix(case.broken)
        spent = time.perf_counter() - started
        compiles = text != case.broken and compile_error(text) is None
        near = compiles and _distance(case.broken, text) <= 4 * case.errors
        rows.append((near, compiles and same_tree(text, case.text), case.knowable, spent, case.families))
    knowable = [row for row in rows if row[2]]
    by_family: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        if len(row[4]) == 1:
            by_family[row[4][0]].append(row[1])
    times = sorted(1000 * spent for spent in (fix.seconds if isinstance(fix, Peer) else [row[3] for row in rows]))
    return {
        "cases": len(rows),
        "parses": sum(row[0] for row in rows) / len(rows),
        "same_tree": sum(row[1] for row in rows) / len(rows),
        "knowable": len(knowable) / len(rows),
        "same_tree_knowable": sum(row[1] for row in knowable) / max(len(knowable), 1),
        "median_ms": statistics.median(times),
        "p95_ms": times[int(len(times) * 0.95)],
        "by_family": {name: round(sum(flags) / len(flags), 3) for name, flags in sorted(by_family.items())},
    }


def by_model(reviewer: Reviewer, text: str) -> str:
    """The product: model, then search."""
    return reviewer.fix(text, seconds=3).text


class Peer:
    """A peer in its own environment; all cases go to it at once, so that its start costs nothing."""

    def __init__(self, python: Path, name: str, some: list[Case]) -> None:
        command = [python, Path(__file__).with_name("review_peers.py"), name]
        texts = json.dumps([case.broken for case in some])
        done = subprocess.run(command, input=texts, capture_output=True, text=True, timeout=1800, check=True)
        self.found = {case.broken: answer for case, answer in zip(some, json.loads(done.stdout), strict=True)}

    def __call__(self, text: str) -> str:
        return str(self.found[text][0])

    @property
    def seconds(self) -> list[float]:
        """What each case took."""
        return [float(answer[1]) for answer in self.found.values()]


def detection(reviewer: Reviewer, pool: list[str], modules: list[str], count: int, rng: Random) -> dict[str, object]:
    """AUROC and localisation on one error of meaning each; false alarms and calibration on untouched code."""
    good, bad = rng.sample(pool, min(count, len(pool) // 2)), []
    while len(bad) < len(good):
        made = corrupt(rng.choice(pool), rng, 2, SEMANTIC)
        if made is not None and not made.syntactic:
            bad.append(made)
    clean = [review.probability or 0.0 for review in reviewer.check_all(good)]
    broken = reviewer.check_all([made.broken for made in bad])
    files = reviewer.check_all(rng.sample(modules, min(count, len(modules))))
    scores = clean + [review.probability or 0.0 for review in broken]
    labels = [False] * len(clean) + [True] * len(broken)
    flagged = [(made, review) for made, review in zip(bad, broken, strict=True) if _alarm(reviewer, review)]
    hits = 0
    for made, review in flagged:
        lines = {place(made.broken, start)[0] for start, _, _ in made.edits}
        hits += bool(review.suspects) and review.suspects[0].line in lines
    return {
        "pairs": len(bad),
        "auroc": auroc(scores, labels),
        "flagged": len(flagged) / len(bad),
        "top1_line_of_flagged": hits / len(flagged) if flagged else None,
        "false_alarms_functions": sum(value >= reviewer.threshold for value in clean) / len(clean),
        "false_alarms_files": sum(_alarm(reviewer, review) for review in files) / max(len(files), 1),
        "ece": expected_calibration_error(scores, labels),
    }


def _alarm(reviewer: Reviewer, review: Review) -> bool:
    """The model's own verdict, without compiler and ruff."""
    return (review.probability or 0.0) >= reviewer.threshold


def fixers(reviewer: Reviewer, peers: Path | None, some: list[Case]) -> Iterator[tuple[str, Fixer]]:
    """Name and fixer."""
    if reviewer.has_model:
        yield "gatllm fix (model, then search)", partial(by_model, reviewer)
    yield "search alone", partial(by_model, Reviewer())
    for name in ("pyrepair", "autopep8") if peers is not None else ():
        yield name, Peer(peers / "bin" / "python", name, some)


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--functions", type=int, default=2000)
    parser.add_argument("--modules", type=int, default=300)
    parser.add_argument("--detection", type=int, default=1000)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rng = Random(options.seed)
    reviewer = load_reviewer(options.model)
    pool, modules = texts(whole=False), texts(whole=True)
    print(f"{len(pool)} functions and {len(modules)} modules of {len(HELD_OUT)} held-out packages", file=sys.stderr)
    sets = [
        (f"{size} error{'s' if size != '1' else ''}, {kind}", cases(source, count, size, rng))
        for kind, source, count in (("functions", pool, options.functions), ("modules", modules, options.modules))
        for size in ("1", "2", "3-5")
        if count
    ]
    result: dict[str, object] = {"packages": HELD_OUT, "seed": options.seed, "model": reviewer.name}
    print(f"{'':26} {'':32} {'parses':>7} {'same':>7} {'knowable':>9} {'of those':>9} {'median':>9} {'95 %':>9}")
    for label, some in sets:
        for name, fix in fixers(reviewer, options.peers, some):
            row = measure(fix, some)
            result[f"{label}/{name}"] = row
            print(
                f"{label:26} {name:32} {row['parses']:7.1%} {row['same_tree']:7.1%} {row['knowable']:9.1%}"
                f" {row['same_tree_knowable']:9.1%} {row['median_ms']:6.1f} ms {row['p95_ms']:6.1f} ms",
                flush=True,
            )
    if reviewer.has_model and options.detection:
        result["detection"] = detection(reviewer, pool, modules, options.detection, rng)
        print("errors of meaning:", json.dumps(result["detection"]))
    line = json.dumps(result)
    print(line)
    if options.out:
        options.out.write_text(line + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
