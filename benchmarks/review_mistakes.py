"""Real mistakes, mined from the releases of held-out packages: who finds them, and how many alarms are for nothing.

Each mistake is a function as it was before a fix. Linters see the whole module of that release, put beside the newest
release of its package so that imports resolve; what they say inside the function counts. The reviewer sees the function
alone.
Precision is stated for one mistake in fifty functions: with recall r and a share a of untouched functions flagged,
r / (r + 49 a). Untouched functions are drawn from the newest releases of the same packages.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from review_detection import hits, wilson
from review_packages import newest, wheels

from gatllm.data import Dataset, functions, mine
from gatllm.data.mining.filters import wrong_path
from gatllm.data.verdicts.verdict import decode
from gatllm.review import Reviewer
from gatllm.review.measures import auroc

BALANCE = 50  # functions for one mistake
Findings = dict[Path, set[int]]  # file → lines
Keep = Callable[[str, Callable[[], Any]], Any]

# What says only that a dependency is not installed here, or that one has no types, is not a finding.
_NO_FAULT = frozenset({"reportMissingImports", "reportMissingModuleSource", "reportMissingTypeStubs"})


@dataclass(frozen=True)
class Snippet:
    """A function in a file: its first line and how many it has, its text, the lines of its mistake (from 1)."""

    file: Path
    first: int
    text: str
    wrong: frozenset[int] = frozenset()

    @property
    def lines(self) -> set[int]:
        """The lines of the file that are its own."""
        return set(range(self.first, self.first + self.text.count("\n")))


@dataclass(frozen=True)
class Pair:
    """A mistake before and after it was repaired, with its record."""

    broken: Snippet
    repaired: Snippet
    record: dict[str, Any]


def measure(reviewer: Reviewer, folder: Path, count: int, seed: str, keep: Keep) -> dict[str, Any]:
    """Everybody on the same mistakes and on ``count`` untouched functions; ``keep`` remembers what linters said."""
    dataset = _dataset(folder)
    with tempfile.TemporaryDirectory(prefix="gatllm-mistakes-") as place:
        tree = Path(place)
        modules = _unpack(folder, tree)
        pairs = [pair for record in dataset.records() if (pair := _pair(record, folder, tree)) is not None]
        untouched = _draw(modules, count, Random(seed))
        files = sorted({p.file for pair in pairs for p in (pair.broken, pair.repaired)} | {p.file for p in untouched})
        print(f"{len(pairs)} mistakes, {len(untouched)} untouched functions, {len(files)} files", file=sys.stderr)
        rows = _own(reviewer, pairs, untouched)
        for name, find in _linters():
            key = f"linters/{dataset.manifest.merkle_root[:16]}/{seed}/{count}/{name}"
            rows[name] = keep(key, lambda find=find: _row(find(files, tree), pairs, untouched))
    return {
        "mistakes": len(pairs),
        "untouched": len(untouched),
        "packages": len({pair.record["origin"].split(":")[1] for pair in pairs}),
        "balance": BALANCE,
        "kinds": dict(Counter(kind for pair in pairs for kind in set(pair.record["families"])).most_common()),
        "rows": rows,
    }


def _dataset(folder: Path) -> Dataset:
    place = folder / "mistakes"
    return Dataset.open(place) if (place / "manifest.json").is_file() else mine(folder / "held-out", place)


def _unpack(folder: Path, tree: Path) -> list[Path]:
    """Lay out the newest releases as site-packages would be; return their own modules."""
    found = []
    for wheel in newest("held-out", folder).values():
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith((".py", ".pyi", "py.typed")):
                    archive.extract(name, tree)
                    if name.endswith(".py") and not wrong_path(name):
                        found.append(tree / name)
    return found


def _pair(record: dict[str, Any], folder: Path, tree: Path) -> Pair | None:
    """Put both versions of the module beside the newest; None for what is not a function."""
    place, _, rest = record["origin"].partition("#")
    name, _, versions = rest.partition("@")
    _, package, path = place.split(":")
    if not name:
        return None
    sides = []
    for version in versions.split(".."):
        wheel = next(w for w in wheels(package, folder / "held-out") if w.name.split("-")[1] == version)
        with zipfile.ZipFile(wheel) as archive:
            text = decode(archive.read(path))
        file = tree / Path(path).parent / f"zz_{record['id']}_{len(sides)}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")
        one = next((f for f in functions(text) if f.name == name), None)
        if one is None:
            return None
        sides.append(Snippet(file, one.line, record["broken"] if not sides else one.text))
    at = {record["broken"].count("\n", 0, start) for start, _, _ in record["edits"]}
    first = sides[0].first
    broken = Snippet(sides[0].file, first, sides[0].text, frozenset(first + line for line in at))
    return Pair(broken, sides[1], record)


def _draw(modules: Iterable[Path], count: int, rng: Random) -> list[Snippet]:
    pieces = []
    for file in sorted(modules):
        try:
            text = decode(file.read_bytes())
        except (SyntaxError, ValueError, LookupError):
            continue
        pieces += [Snippet(file, f.line, f.text) for f in functions(text) if 4 <= f.text.count("\n") <= 150]
    return rng.sample(pieces, min(count, len(pieces)))


def _linters() -> Iterable[tuple[str, Callable[[Sequence[Path], Path], Findings]]]:
    yield "ruff E9,F", lambda files, _: _ruff(files, "E9,F")
    yield "ruff E9,F,B,PLE", lambda files, _: _ruff(files, "E9,F,B,PLE")
    for name, find in (("pyflakes", _pyflakes), ("pyright", _pyright)):
        if shutil.which(name, path=_PATH) is None:
            print(f"{name} is not installed and left out: pip install 'gatllm[benchmark]'", file=sys.stderr)
        else:
            yield name, find


_PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def _program(name: str) -> str:
    return shutil.which(name, path=_PATH) or name


def _ruff(files: Sequence[Path], rules: str) -> Findings:
    from ruff import find_ruff_bin

    command = [find_ruff_bin(), "check", "--isolated", "--no-cache", "--exit-zero", "--quiet", "--select", rules]
    done = subprocess.run([*command, "--output-format", "json", *map(str, files)], capture_output=True, check=True)
    found: Findings = defaultdict(set)
    for entry in json.loads(done.stdout):
        found[Path(entry["filename"])].add(entry["location"]["row"])
    return found


def _pyflakes(files: Sequence[Path], _: Path) -> Findings:
    done = subprocess.run([_program("pyflakes"), *map(str, files)], capture_output=True, text=True, check=False)
    found: Findings = defaultdict(set)
    for line in done.stdout.splitlines():
        name, _, rest = line.partition(".py:")
        if rest.partition(":")[0].isdigit():
            found[Path(f"{name}.py")].add(int(rest.partition(":")[0]))
    return found


def _pyright(files: Sequence[Path], tree: Path) -> Findings:
    """Errors in its basic mode."""
    settings = {"include": [str(file) for file in files], "extraPaths": [str(tree)], "typeCheckingMode": "basic"}
    (tree / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [_program("pyright"), "--outputjson", "--project", str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3600)
    found: Findings = defaultdict(set)
    for entry in json.loads(done.stdout)["generalDiagnostics"]:
        if entry["severity"] == "error" and entry.get("rule") not in _NO_FAULT:
            found[Path(entry["file"])].add(entry["range"]["start"]["line"] + 1)
    return found


def _row(findings: Findings, pairs: Sequence[Pair], untouched: Sequence[Snippet]) -> dict[str, Any]:
    def said(piece: Snippet) -> set[int]:
        return findings.get(piece.file, set()) & piece.lines

    return _figures(
        [bool(said(pair.broken)) for pair in pairs],
        [bool(said(pair.broken) & pair.broken.wrong) for pair in pairs],
        [bool(said(pair.repaired)) for pair in pairs],
        [bool(said(piece)) for piece in untouched],
    )


def _figures(flagged: list[bool], placed: list[bool], after: list[bool], alarms: list[bool]) -> dict[str, Any]:
    recall, fraction = sum(flagged) / len(flagged), sum(alarms) / len(alarms)
    return {
        "recall": recall,
        "recall_interval_95": wilson(sum(flagged), len(flagged)),
        "at_the_place": sum(placed) / len(placed),
        "still_flagged_when_repaired": sum(after) / len(after),
        "only_the_mistake": sum(a and not b for a, b in zip(flagged, after, strict=True)) / len(flagged),
        "false_alarms": fraction,
        "false_alarms_interval_95": wilson(sum(alarms), len(alarms)),
        "precision": precision(recall, fraction),
    }


def precision(recall: float, alarms: float) -> float | None:
    """The fraction of flagged functions that hold a mistake, at one mistake in `BALANCE` functions."""
    total = recall + (BALANCE - 1) * alarms
    return recall / total if total else None


def _own(reviewer: Reviewer, pairs: Sequence[Pair], untouched: Sequence[Snippet]) -> dict[str, Any]:
    """The model's verdict by itself, and what it would be at other thresholds."""
    if not reviewer.has_model:
        return {}
    broken, repaired, clean = (
        [review.probability or 0.0 for review in reviewer.check_all([piece.text for piece in side])]
        for side in ([p.broken for p in pairs], [p.repaired for p in pairs], list(untouched))
    )
    placed = [hits(reviewer, p.record["broken"], p.record["edits"])[1] for p in pairs]
    rows: dict[str, Any] = {}
    thresholds = [("gatllm, shipped threshold", reviewer.threshold)]
    thresholds += [
        (f"gatllm, {fraction:.0%} of untouched flagged", _quantile(clean, fraction)) for fraction in (0.01, 0.05)
    ]
    for name, threshold in thresholds:
        flags = [[value >= threshold for value in values] for values in (broken, repaired, clean)]
        here = [a and b for a, b in zip(flags[0], placed, strict=True)]
        rows[name] = _figures(flags[0], here, flags[1], flags[2]) | {"threshold": threshold}
    rows["gatllm, shipped threshold"] |= {
        "auroc_against_untouched": auroc([*clean, *broken], [False] * len(clean) + [True] * len(broken)),
        "auroc_against_repaired": auroc([*repaired, *broken], [False] * len(repaired) + [True] * len(broken)),
        "more_suspicious_than_when_repaired": sum(a > b for a, b in zip(broken, repaired, strict=True)) / len(pairs),
        "top1_line": sum(placed) / len(placed),
    }
    return rows


def _quantile(values: Sequence[float], fraction: float) -> float:
    """A threshold that ``fraction`` of the values reach at most."""
    return sorted(values, reverse=True)[int(fraction * len(values))] + 1e-12
