"""Repair of injected errors against the grammar: the reviewer, the search alone, and peers, case by case."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from difflib import SequenceMatcher
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from review_cases import Case

from gatllm.review import Reviewer, compile_error, same_tree
from gatllm.review.careful import load_language_model
from gatllm.review.default import load_reviewer
from gatllm.tokenizers.lexing.lenient import lexemes

MODEL, CAREFUL, SEARCH = "gatllm fix", "fix --careful", "search alone"
PEERS = ("pyrepair", "autopep8")
Answer = tuple[str, float, float]  # the text, seconds, seconds of the processor


def answer(
    name: str, model: str | None, some: list[Case], processes: int, peers: Path | None, limit: float
) -> list[list[float]]:
    """Repair cases: for each whether it compiles, stays near, has the same tree; seconds, and those of the processor.

    A case is given up after ``limit`` seconds; a peer has all the time it wants.
    """
    foreign = name in PEERS and peers is not None
    answers = _peer(peers, name, some) if foreign and peers else _own(name, model, some, processes, limit)
    return [
        [*_judged(case, text), seconds, processor]
        for case, (text, seconds, processor) in zip(some, answers, strict=True)
    ]


def summary(some: list[Case], rows: list[list[float]]) -> dict[str, Any]:
    """Shares that parse and have the same tree, milliseconds a case and how many of them the processor was at work."""
    knowable = [row for row, case in zip(rows, some, strict=True) if case.knowable]
    by_family: dict[str, list[float]] = defaultdict(list)
    for row, case in zip(rows, some, strict=True):
        if len(case.families) == 1:
            by_family[case.families[0]].append(row[2])
    times = sorted(1000 * row[3] for row in rows)
    return {
        "cases": len(rows),
        "compiles": _share([row[0] for row in rows]),
        "parses": _share([row[1] for row in rows]),
        "same_tree": _share([row[2] for row in rows]),
        "knowable": len(knowable) / len(rows),
        "same_tree_knowable": _share([row[2] for row in knowable]),
        "median_ms": statistics.median(times),
        "p95_ms": times[int(len(times) * 0.95)],
        "median_processor_ms": statistics.median(1000 * row[4] for row in rows),
        "by_family": {name: [_share(flags), len(flags)] for name, flags in sorted(by_family.items())},
    }


def _share(flags: list[float]) -> float:
    return sum(flags) / max(len(flags), 1)


def _judged(case: Case, text: str) -> tuple[bool, bool, bool]:
    compiles = text != case.broken and compile_error(text) is None
    near = compiles and _distance(case.broken, text) <= 4 * case.errors
    return compiles, near, compiles and same_tree(text, case.text)


def _distance(first: str, second: str) -> int:
    """Token edits between two texts."""
    a = [piece.text for piece in lexemes(first) if piece.kind != "space"]
    b = [piece.text for piece in lexemes(second) if piece.kind != "space"]
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    a, b = a[start:], b[start:]
    while a and b and a[-1] == b[-1]:
        a.pop(), b.pop()
    script = SequenceMatcher(None, a, b, autojunk=False).get_opcodes() if len(a) * len(b) < 4_000_000 else []
    return sum(max(i2 - i1, j2 - j1) for kind, i1, i2, j1, j2 in script if kind != "equal")


def _own(name: str, model: str | None, some: list[Case], processes: int, limit: float) -> Iterator[Answer]:
    tasks = [(name, model, case.broken, limit) for case in some]
    if processes < 2:
        yield from _counted(map(_fix, tasks), len(some))
        return
    yield from _counted(_pool(processes).map(_fix, tasks, chunksize=4), len(some))


@lru_cache(maxsize=1)
def _pool(processes: int) -> ProcessPoolExecutor:
    """Processes that stay: each has to load the model once."""
    return ProcessPoolExecutor(processes, get_context("spawn"))


def _counted(answers: Iterator[Answer], total: int) -> Iterator[Answer]:
    for number, answer in enumerate(answers, 1):
        if number % 50 == 0 and sys.stderr.isatty():
            print(f"\r{number}/{total} ", end="", file=sys.stderr, flush=True)
        yield answer


@lru_cache(maxsize=3)
def _reviewer(name: str, model: str | None) -> Reviewer:
    import torch

    torch.set_num_threads(1)  # one process for each core
    if name == SEARCH:
        return Reviewer()
    reviewer = load_reviewer(model)
    return reviewer.careful(load_language_model()) if name == CAREFUL else reviewer


def _fix(task: tuple[str, str | None, str, float]) -> Answer:
    name, model, broken, limit = task
    reviewer = _reviewer(name, model)
    started, worked = time.perf_counter(), time.process_time()
    text = reviewer.fix(broken, seconds=limit).text
    return text, time.perf_counter() - started, time.process_time() - worked


def _peer(peers: Path, name: str, some: list[Case]) -> list[Answer]:
    """A peer in its own environment; all cases go to it at once, so that its start costs nothing."""
    command = [peers / "bin" / "python", Path(__file__).with_name("review_peers.py"), name]
    texts = json.dumps([case.broken for case in some])
    done = subprocess.run(command, input=texts, capture_output=True, text=True, timeout=3600, check=True)
    return [(str(text), float(seconds), float(seconds)) for text, seconds in json.loads(done.stdout)]
