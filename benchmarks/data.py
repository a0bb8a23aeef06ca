"""How quick data is: verdicts beside `ruff check` alone, corruption, tokenizers beside plain `tokenizers` and tiktoken.

    python benchmarks/data.py [--files 50000] [--repeat 3] [--pairs 3000] [--megabytes 8]
        [--only check,corrupt,tokenize]

The large tree is made of the source files of the installed packages, linked into a temporary folder (repeated under
other names where they are too few), a quarter of it measured first: the peak memory of both shows whether it grows.
Prints tables and one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from ruff import find_ruff_bin

from gatllm.data import corrupt, functions, texts
from gatllm.tokenizers import BytePair, train_bpe

CHECK = """
import json, resource, sys, time
from gatllm.data import Judge, check_paths
start = time.perf_counter()
files = bad = 0
verdicts = []
for verdict in check_paths([sys.argv[1]], judge=Judge(thorough=sys.argv[2] == "thorough")):
    files += 1
    bad += not verdict.good
    if sys.argv[3] == "list":
        verdicts.append(verdict.good)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"files": files, "bad": bad, "seconds": seconds, "peak_mb": peak, "verdicts": verdicts}))
"""


def processor_seconds() -> float:
    """Return the processor time of all children so far: on a busy machine it says more than the clock."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ruff_alone(tree: str) -> tuple[float, float]:
    """Return the seconds of `ruff check` on a tree, by the clock and of the processor."""
    options = [
        "--isolated",
        "--no-cache",
        "--quiet",
        "--exit-zero",
        "--select",
        "E9,F",
        "--output-format",
        "json-lines",
    ]
    # The standard library's own packages are not part of it.
    start, used = time.perf_counter(), processor_seconds()
    command = [find_ruff_bin(), "check", *options, "--exclude", "site-packages,__pycache__", tree]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start, processor_seconds() - used


def check(source: str, mode: str = "quick", what: str = "count") -> dict[str, Any]:
    """Run a check in a fresh interpreter and return its numbers."""
    command = [sys.executable, "-c", CHECK, source, mode, what]
    used = processor_seconds()
    result: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {**result, "processor": processor_seconds() - used}


def compare(name: str, source: str, tree: str, repeat: int) -> dict[str, Any]:
    """Measure ruff and us in turn on the same tree; the medians."""
    pairs = [(ruff_alone(tree), check(source)) for _ in range(repeat)]
    ruff = statistics.median(seconds for (seconds, _), _ in pairs)
    ruff_used = statistics.median(used for (_, used), _ in pairs)
    ours_used = statistics.median(numbers["processor"] for _, numbers in pairs)
    ours = statistics.median(numbers["seconds"] for _, numbers in pairs)
    numbers = pairs[0][1]
    row = {
        "tree": name,
        "files": numbers["files"],
        "ruff_files_per_second": round(numbers["files"] / ruff),
        "check_files_per_second": round(numbers["files"] / ours),
        "times_ruff": round(ours / ruff, 2),
        "times_ruff_processor": round(ours_used / ruff_used, 2),
        "peak_mb": round(max(entry["peak_mb"] for _, entry in pairs)),
    }
    print(
        f"{name:22} {row['files']:7,} files   ruff {row['ruff_files_per_second']:7,}/s   check "
        f"{row['check_files_per_second']:7,}/s   {row['times_ruff']:.2f} × ruff's time, "
        f"{row['times_ruff_processor']:.2f} × its processor time   "
        f"{row['peak_mb']} MB"
    )
    return row


def make_tree(folder: Path, count: int) -> int:
    """Link the installed packages' files into ``folder``, ``count`` of them, a hundred to a subfolder."""
    root = Path(sysconfig.get_paths()["purelib"])
    found = sorted(path for path in root.rglob("*.py") if path.is_file())
    for number in range(count):
        place = folder / f"package{number // 1000}" / f"part{number // 100 % 10}"
        place.mkdir(parents=True, exist_ok=True)
        os.link(found[number % len(found)], place / f"{number}_{found[number % len(found)].name}")
    return min(count, len(found))


def measure_check(files: int, repeat: int) -> dict[str, Any]:
    """Compare with ruff on the standard library, and on a tree of a quarter of ``files`` and of all of them."""
    rows = [compare("standard library", "stdlib", sysconfig.get_paths()["stdlib"], repeat)]
    with tempfile.TemporaryDirectory(dir=sysconfig.get_paths()["purelib"], prefix=".benchmark-") as place:
        for name, count in (("packages, a quarter", files // 4), ("packages", files)):
            tree = Path(place) / f"tree{count}"
            distinct = make_tree(tree, count)
            rows.append(compare(name, str(tree), str(tree), max(1, repeat - (count == files))))
            rows[-1]["distinct_files"] = distinct
    quick, thorough = (check("stdlib", mode, "list") for mode in ("quick", "thorough"))
    differing = sum(a != b for a, b in zip(quick["verdicts"], thorough["verdicts"], strict=True))
    print(f"with CPython compiling every file: {thorough['seconds'] / quick['seconds']:.2f} × the time, "
          f"{differing} of {quick['files']:,} verdicts differ")  # fmt: skip
    return {"trees": rows, "thorough_times": round(thorough["seconds"] / quick["seconds"], 2), "differing": differing}


def measure_corruption(limit: int) -> dict[str, Any]:
    """Return pairs a second on one core, the fraction refused, and what the errors are."""
    pieces = [one.text for text in texts("stdlib") for one in functions(text) if len(one.text) >= 40]
    pieces = Random(0).sample(pieces, min(limit, len(pieces)))
    result: dict[str, Any] = {}
    for level in (1, 3, 5):
        rng = Random(level)
        start = time.process_time()
        made = [corrupt(piece, rng, level) for piece in pieces]
        seconds = time.process_time() - start
        good = [one for one in made if one is not None]
        families = Counter(name for one in good for name in one.families)
        messages = Counter(re.sub(r" \(.*| on line.*", "", one.message) or "still parses" for one in good)
        row = {
            "pairs_per_second": round(len(good) / seconds),
            "refused": round(1 - len(good) / len(made), 4),
            "syntactic": round(sum(one.syntactic for one in good) / len(good), 3),
            "far": round(sum(one.distance > 0 for one in good if one.syntactic) / len(good), 3),
        }
        print(f"level {level}: {row['pairs_per_second']:,} pairs/s of processor time, {row['refused']:.2%} refused, "
              f"{row['syntactic']:.0%} do not parse, {row['far']:.0%} reported on another line")  # fmt: skip
        print("  families: " + ", ".join(f"{name} {count}" for name, count in families.most_common()))
        print("  parser: " + ", ".join(f"{name} {count}" for name, count in messages.most_common(8)))
        result[str(level)] = {**row, "families": dict(families), "parser": dict(messages.most_common(20))}
    return result


def measure_tokenizers(megabytes: float) -> dict[str, Any]:
    """Return megabytes a second of training and encoding, ours beside plain `tokenizers` and tiktoken."""
    pieces, size = [], 0
    for text in texts("stdlib"):
        pieces.append(text)
        size += len(text.encode())
        if size > megabytes * 1e6:
            break

    def rate(run: Any) -> float:
        start = time.perf_counter()
        run()
        return round(size / 1e6 / (time.perf_counter() - start), 2)

    ours = train_bpe(pieces, 4096)
    numbers = {
        "train, gatllm": rate(lambda: train_bpe(pieces, 4096)),
        "train, tokenizers": rate(lambda: train_plain(pieces)),
        "encode one by one, gatllm": rate(lambda: [ours.encode(text) for text in pieces]),
        "encode in batches, gatllm": rate(lambda: ours.encode_batch(pieces)),
    }
    plain = train_plain(pieces)
    numbers["encode one by one, tokenizers"] = rate(lambda: [plain.encode(text).ids for text in pieces])
    numbers["encode in batches, tokenizers"] = rate(lambda: [one.ids for one in plain.encode_batch_fast(pieces)])
    try:
        import tiktoken
    except ImportError:
        print("tiktoken is not installed: not compared")
    else:
        encoding = tiktoken.Encoding("ours", pat_str=PATTERN, mergeable_ranks=ranks(ours), special_tokens={})
        assert encoding.encode_ordinary(pieces[0]) == [index - len(ours.specials) for index in ours.encode(pieces[0])]
        numbers["encode one by one, tiktoken"] = rate(lambda: [encoding.encode_ordinary(text) for text in pieces])
        numbers["encode in batches, tiktoken"] = rate(lambda: encoding.encode_ordinary_batch(pieces, num_threads=2))
    for name, value in numbers.items():
        print(f"{name:32} {value:8.2f} MB/s")
    return numbers


PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def ranks(tokenizer: BytePair) -> dict[bytes, int]:
    """Return our tokens as tiktoken's ranks: the order in which they were learnt."""
    first = len(tokenizer.specials)
    return {tokenizer.token_bytes(index): index - first for index in range(first, tokenizer.size)}


def train_plain(pieces: list[str]) -> Any:
    """Train what a user of `tokenizers` would: a byte-level BPE of the same size."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    engine = Tokenizer(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    trainer = trainers.BpeTrainer(
        vocab_size=4096, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    engine.train_from_iterator(pieces, trainer)
    return engine


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--megabytes", type=float, default=8.0)
    parser.add_argument("--only", default="check,corrupt,tokenize")
    arguments = parser.parse_args()
    result: dict[str, Any] = {
        "cpus": os.cpu_count(),
        "python": sys.version.split()[0],
        "load": round(os.getloadavg()[0], 1),
    }
    parts = arguments.only.split(",")
    if "check" in parts:
        result["check"] = measure_check(arguments.files, arguments.repeat)
    if "corrupt" in parts:
        result["corrupt"] = measure_corruption(arguments.pairs)
    if "tokenize" in parts:
        result["tokenize"] = measure_tokenizers(arguments.megabytes)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
