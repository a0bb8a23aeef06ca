"""Sources: is the record that an answer was made from found, is nothing shown where nothing is owed, how fast.

    python benchmarks/sources.py [--megabytes 200] [--cases 200] [--folder CODE]

The index holds installed packages (or ``--data``, a dataset). Planted: functions of the index as a generator would give
them back (renamed, no docstring, laid out anew). Strangers: functions of the standard library's own tests, which no
package holds. Baselines: the record whose words are nearest (what was shown before), and any line of 24 characters that
stands in the data verbatim.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import sysconfig
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

from gatllm.answering.library import Library
from gatllm.answering.library.rarity import background
from gatllm.answering.sources import find_sources
from gatllm.data import Dataset
from gatllm.data.dataset import DatasetWriter
from gatllm.errors import GatllmError


def functions(code: str) -> Iterator[str]:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return
    lines = code.splitlines()
    for node in tree.body:  # whole files are walked in no time only at their top
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            for each in [node] if isinstance(node, ast.FunctionDef) else node.body:
                if isinstance(each, ast.FunctionDef) and len(each.body) > 2:
                    text = textwrap.dedent("\n".join(lines[each.lineno - 1 : each.end_lineno]))
                    if 300 < len(text) < 3000:
                        yield text


def as_answer(code: str) -> str | None:
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return None
    function = tree.body[0]
    if not isinstance(function, ast.FunctionDef):
        return None
    function.name = "answer"
    if ast.get_docstring(function):
        function.body = function.body[1:] or [ast.Pass()]
    text = ast.unparse(tree)
    return f"You can do it like this:\n\n```python\n{text}\n```\n" if len(text) > 250 else None


def write_dataset(folder: Path, code: Path, most: int) -> int:
    written = 0
    folder.mkdir(parents=True)
    with DatasetWriter(folder, "positive", "packages") as writer:
        for path in sorted(code.rglob("*.py")):
            try:
                text = path.read_text("utf-8")
                writer.add({"id": str(written), "origin": str(path.relative_to(code)), "licence": "", "text": text})
            except (UnicodeDecodeError, GatllmError):  # not UTF-8, or a lone surrogate
                continue
            written += len(text.encode())
            if written >= most:
                break
        writer.finish()
    return written


def chosen(files: list[tuple[str, str]], count: int, seed: int) -> list[tuple[str, str]]:
    rng = random.Random(seed)
    rng.shuffle(files)
    found: list[tuple[str, str]] = []
    for origin, text in files:
        candidates = [answer for code in functions(text) if (answer := as_answer(code))]
        if candidates:
            found.append((origin, rng.choice(candidates)))
        if len(found) == count:
            break
    return found


def has_line(text: bytes, answer: str) -> bool:
    lines = [line.strip() for line in answer.splitlines()]
    return any(len(line) >= 24 and text.find(line.encode()) >= 0 for line in lines if not line.startswith("You can"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=200)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=Path(sysconfig.get_paths()["purelib"]))
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        data = options.data or root / "data"
        if options.data is None:
            write_dataset(data, options.folder, int(options.megabytes * 1e6))
        size = sum(shard.bytes for shard in Dataset.open(data).manifest.shards)
        began, worked = time.perf_counter(), time.process_time()
        Library.open([data], root / "index")
        built, busy = time.perf_counter() - began, time.process_time() - worked
        began = time.perf_counter()
        library = Library.open([data], root / "index")
        opened = time.perf_counter() - began
        background()
        texts = [(library.record(number).origin, library.text(number).decode()) for number in range(len(library))]
        planted = chosen(texts, options.cases, 1)
        tests = sorted((Path(sysconfig.get_paths()["stdlib"]) / "test").rglob("test_*.py"))
        strangers = chosen([(path.name, path.read_text("utf-8", "replace")) for path in tests], options.cases, 2)
        taken: list[float] = []
        figures: dict[str, float] = {"megabytes": size / 1e6, "build_mb_s": size / 1e6 / built}
        figures |= {"build_mb_cpu_s": size / 1e6 / busy, "open_ms": 1e3 * opened}
        first = shown = 0
        for origin, answer in planted:
            began = time.perf_counter()
            found = find_sources(library, answer)
            taken.append(1e3 * (time.perf_counter() - began))
            first += bool(found) and found[0].origin == origin
        for _, answer in strangers:
            began = time.perf_counter()
            shown += bool(find_sources(library, answer))
            taken.append(1e3 * (time.perf_counter() - began))
        taken.sort()
        figures |= {"right_first": first / len(planted), "stranger_shown": shown / len(strangers)}
        figures |= {"ms_median": taken[len(taken) // 2], "ms_p99": taken[int(0.99 * len(taken))]}
        near = [library.nearest(answer, 1) for _, answer in planted]
        hits = sum(
            bool(each) and library.record(each[0].document).origin == origin
            for each, (origin, _) in zip(near, planted, strict=True)
        )
        figures |= {"nearest_right_first": hits / len(planted), "nearest_stranger_shown": 1.0}
        text = (next((root / "index").iterdir()) / "text.bin").read_bytes()
        few = strangers[:40]
        figures["line_stranger_shown"] = sum(has_line(text, answer) for _, answer in few) / len(few)
    for name, value in figures.items():
        print(f"{name:24} {value:10.3f}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
