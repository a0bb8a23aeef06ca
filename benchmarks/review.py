"""Repair, detection and speed on packages that nothing was trained on, beside the search alone, peers and linters.

    python benchmarks/review_packages.py DIR --part held-out        # once: fetches the wheels
    python benchmarks/review.py --packages DIR [--functions 2000] [--careful] [--out FOLDER] [--peers VENV]

Prints tables and one JSON line. A repair "parses" when it compiles, changes something and stays within 4 token edits
for each injected error; "same" is the syntax tree of the original. An error is "knowable" when what was lost is
punctuation, a keyword or white space, or was only moved: a deleted name or line can't be known. A "slip" is one that
a mark, a keyword or four columns undo: the easier mix that edit taggers are measured on. With --out what is finished
is kept in FOLDER, and a run that was stopped resumes there; result.json and reliability.png lie beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import review_detection
import review_mistakes
import review_repair
import review_speed
from review_cases import SIZES, SLIP, Code, cases, read

from gatllm import review
from gatllm.records import digest, file_sha256
from gatllm.review.default import find_run, load_reviewer

_TOGETHER = 100  # cases that are one entry of the file of rows
PARTS = ("repair", "detection", "mistakes", "speed")


class Rows:
    """Rows that are done, by a key that says all that they depend on; kept in a file where one is named."""

    def __init__(self, folder: Path | None) -> None:
        self._file = folder / "rows.jsonl" if folder is not None else None
        self._rows: dict[str, Any] = {}
        if self._file is not None and self._file.is_file():
            for line in self._file.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                self._rows[entry["key"]] = entry["row"]

    def get(self, key: str, make: Callable[[], Any]) -> Any:
        """Return the row of ``key``, made where it is not known yet."""
        if key not in self._rows:
            self._rows[key] = make()
            if self._file is not None:
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"key": key, "row": self._rows[key]}) + "\n")
        return self._rows[key]


def repair(options: argparse.Namespace, code: Code, rows: Rows, about: str, has_model: bool) -> dict[str, Any]:
    """The repair table: 1, 2 and 3-5 errors in functions and modules."""
    heads = ("cases", "parses", "same", "knowable", "of those", "median", "95 %")
    print(
        f"{'':39}" + "".join(f"{head:>{width}}" for head, width in zip(heads, (7, 8, 8, 10, 10, 10, 10), strict=True))
    )
    result: dict[str, Any] = {}
    families: dict[str, dict[str, tuple[float, int]]] = {}
    for label, size, kind, count in _sets(options):
        pool = code.functions if kind == "functions" else [text for _, text in code.modules]
        some = cases(pool, count, size, f"{options.seed}:{label}")
        for name in _fixers(options, has_model):
            key = f"{about}/{label}/{options.seconds}/{name}"
            answers: list[list[float]] = []
            for start in range(0, count, _TOGETHER):
                part = some[start : start + _TOGETHER]
                answers += rows.get(
                    f"{key}/{start}+{len(part)}",
                    lambda name=name, part=part: review_repair.answer(
                        name, options.model, part, options.processes, options.peers, options.seconds
                    ),
                )
            measured = review_repair.summary(some, answers)
            result[f"{label}/{name}"] = measured
            if size == "1":
                families[f"{name}, {kind}"] = measured["by_family"]
            print(
                f"{label:24} {name:14} {measured['cases']:6} {measured['parses']:7.1%} {measured['same_tree']:7.1%}"
                f" {measured['knowable']:9.1%} {measured['same_tree_knowable']:9.1%}"
                f" {measured['median_ms']:6.1f} ms {measured['p95_ms']:6.1f} ms",
                flush=True,
            )
    show_families(families)
    return result


def show_families(found: dict[str, dict[str, tuple[float, int]]]) -> None:
    """Print how often each way of repairing finds the tree of the original, by the family of the one error."""
    print(f"\n{'same tree, by family':24} {'cases':>6}" + "".join(f"{name:>26}" for name in found))
    for family in sorted({one for shares in found.values() for one in shares}):
        shares = [some.get(family) for some in found.values()]
        cells = "".join(f"{'-':>26}" if one is None else f"{one[0]:26.1%}" for one in shares)
        print(f"{family:24} {max(one[1] for one in shares if one is not None):6}{cells}")


def _sets(options: argparse.Namespace) -> Iterator[tuple[str, str, str, int]]:
    if options.functions:
        yield "1 slip, functions", SLIP, "functions", options.functions
    for kind, count in (("functions", options.functions), ("modules", options.modules)):
        for size in SIZES if count else ():
            yield f"{size} error{'s' if size != '1' else ''}, {kind}", size, kind, count


def _fixers(options: argparse.Namespace, has_model: bool) -> list[str]:
    own = [review_repair.MODEL] if has_model else []
    own += [review_repair.CAREFUL] if options.careful else []
    return [*own, review_repair.SEARCH, *(review_repair.PEERS if options.peers else ())]


def show_detection(found: dict[str, Any]) -> None:
    """Print what the detection of injected errors of meaning came to, by family."""
    print(f"\n{'error of meaning':18} {'pairs':>6} {'AUROC':>7} {'flagged':>8} {'top-1 token':>12} {'top-1 line':>11}")
    for family, row in [*found["families"].items(), ("all", found)]:
        print(
            f"{family:18} {row['pairs']:6} {row['auroc']:7.3f} {row['flagged']:8.1%}"
            f" {row['top1_token']:12.1%} {row['top1_line']:11.1%}"
        )
    print(f"untouched functions flagged {found['false_alarms']:.2%}; ECE {found['ece']:.3f}", flush=True)


def show_mistakes(found: dict[str, Any]) -> None:
    """Print who finds real mistakes."""
    print(
        f"\n{found['mistakes']} real mistakes, {found['untouched']} untouched functions;"
        f" precision at 1 mistake in {found['balance']} functions\n"
        f"{'':34} {'recall':>7} {'in its line':>12} {'only broken':>12} {'false alarms':>13} {'precision':>10}"
    )
    for name, row in found["rows"].items():
        shown = "-" if row["precision"] is None else f"{row['precision']:.1%}"
        print(
            f"{name:34} {row['recall']:7.1%} {row['at_the_place']:12.1%} {row['only_the_mistake']:12.1%}"
            f" {row['false_alarms']:13.2%} {shown:>10}"
        )


def show_speed(found: dict[str, Any]) -> None:
    """Print the speeds."""
    print(
        f"\ncheck of 200 lines, warm {found['check_200_lines_ms']:.0f} ms;"
        f" from the shell, cold {found['cold_shell_s']:.2f} s;"
        f" {found['files_a_minute']:.0f} files a minute ({found['files_a_minute_shell']:.0f} from the shell),"
        f" {found['lines_a_file']:.0f} lines each; load {found['load']:.1f} on {found['processors']} processors"
    )


def main() -> None:
    """Measure, print."""
    options = _options()
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
    rows = Rows(options.out)
    reviewer = load_reviewer(options.model)
    run = find_run() if options.model is None else Path(options.model)
    weights = file_sha256(run / "model.safetensors")[:16] if run is not None and reviewer.has_model else "none"
    code = read(options.set, options.packages, options.against)
    sources = sorted(Path(review.__file__).parent.glob("*.py"))
    version = digest([file.read_text(encoding="utf-8") for file in sources])[:12]  # a row is that of this code
    about = f"{options.set}/{weights}/{version}/{options.seed}/{len(code.functions)}+{len(code.modules)}"
    print(
        f"{len(code.functions):,} functions and {len(code.modules):,} modules of {len(code.packages)} packages"
        f" ({options.set}); weights {weights}",
        file=sys.stderr,
    )
    result: dict[str, Any] = {
        "set": options.set, "packages": code.packages, "functions": len(code.functions), "modules": len(code.modules),
        "seed": options.seed, "weights": weights, "processes": options.processes,
    }  # fmt: skip
    if "repair" in options.parts:
        result["repair"] = repair(options, code, rows, about, reviewer.has_model)
    if "detection" in options.parts and reviewer.has_model:
        plot = (options.out or Path()) / "reliability.png"
        result["detection"] = rows.get(
            f"{about}/detection/{options.detection}",
            lambda: review_detection.injected(reviewer, code, options.detection, str(options.seed), plot),
        )
        show_detection(result["detection"])
        result["false_alarms"] = rows.get(
            f"{about}/alarms/{options.files}",
            lambda: review_detection.false_alarms(reviewer, code, options.files, str(options.seed)),
        )
        alarms = result["false_alarms"]
        print(f"{alarms['alarms']} of {alarms['files']} untouched files flagged ({alarms['fraction']:.2%})", flush=True)
    if "mistakes" in options.parts and options.set == "held-out":
        key = f"{about}/mistakes/{options.untouched}"
        seed = str(options.seed)
        result["mistakes"] = rows.get(
            key, lambda: review_mistakes.measure(reviewer, options.packages, options.untouched, seed, rows.get)
        )
        show_mistakes(result["mistakes"])
    if "speed" in options.parts:
        result["speed"] = review_speed.measure(options.model, code, options.speed_files, repeat=7)
        show_speed(result["speed"])
    line = json.dumps(result)
    print(line)
    if options.out is not None:
        (options.out / "result.json").write_text(line + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--packages", type=Path, default=Path("datasets/review"), help="what review_packages.py fetched"
    )
    parser.add_argument(
        "--set", choices=["held-out", "tuned"], default="held-out", help="tuned: looked at while tuning"
    )
    parser.add_argument("--careful", action="store_true", help="also the careful tier (with its weights in the cache)")
    parser.add_argument("--against", type=Path, help="dataset that was trained on: what it holds is left out")
    parser.add_argument("--model", help="run folder; the shipped one by default")
    parser.add_argument("--functions", type=int, default=2000)
    parser.add_argument("--modules", type=int, default=300)
    parser.add_argument("--detection", type=int, default=2000)
    parser.add_argument("--files", type=int, default=1000, help="untouched modules looked at for false alarms")
    parser.add_argument("--untouched", type=int, default=5000)
    parser.add_argument("--speed-files", type=int, default=300)
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--seconds", type=float, default=30.0, help="a case is given up then, as a safety")
    parser.add_argument("--peers", type=Path, help="environment with the peers of review_peers.py")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
