"""Mutation tests of the code that must not be wrong: ``make mutants``, or ``python dev/mutants.py [TARGET …]``.

Each mutant is one small change (cosmic-ray's operators) to one module in a copy of the checkout; its tests must notice
it. A seeded sample bounds the time, results are kept in build/mutants and only what is missing is run, so that
it can be stopped and go on. Mutants that survive are listed; ``dev/mutants.md`` says of each why it may.

Each run is a fork of a process that has the heavy third-party packages loaded already, and nothing of gatllm: a mutant
costs its tests, not their imports.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).resolve().parent.parent
KEPT = HERE / "build" / "mutants"
REASONS = HERE / "dev" / "mutants.md"
LEAST = 0.85
SEED = 7
_WORD = "lost word"


@dataclass(frozen=True)
class Target:
    """Modules (with the names in them, where not all is meant), the tests that must notice, what to load before."""

    modules: dict[str, tuple[str, ...]]
    tests: tuple[str, ...]
    heavy: tuple[str, ...] = ("numpy", "hypothesis", "pydantic")
    seconds: float = 120.0  # a mutant that runs longer hangs, and is noticed
    sample: int = 40
    without: str = ""  # tests that take long and judge more than these modules
    words: bool = False  # also each word of a list of names in a text: here a call that is no longer refused


_PROOF = ("verification", "verdict", "signature", "inventory", "envelope")
TARGETS = {
    "records": Target(
        {f"src/gatllm/records/{name}.py": () for name in ("canonical", "folder", "log", "merkle")}, ("tests/records",)
    ),
    "gate": Target(
        {"src/gatllm/review/gate.py": ()},
        ("tests/review/test_gate_rules.py", "tests/review/test_gate.py"),
        without="reviewer or vanishes_or_appears or compilers_words or backticks or never_closed or long_text",
    ),
    "proof": Target(
        {f"src/gatllm/proof/{name}.py": () for name in _PROOF},
        ("tests/proof/test_verification.py", "tests/proof/test_verdict.py", "tests/proof/test_hostile.py",
         "tests/proof/test_envelope.py", "tests/proof/test_bundle.py", "tests/proof/test_edges.py",
         "tests/proof/test_attacks.py"),
        ("numpy", "hypothesis", "pydantic", "torch", "cryptography", "eth_account", "safetensors.torch", "tokenizers"),
        600.0,
    ),
    "paywall": Target(
        {"src/gatllm/service/market.py": ("paid_until", "session_of"), "src/gatllm/service/paywall.py": ()},
        ("tests/service/test_paywall.py", "tests/service/test_market.py"),
        ("numpy", "hypothesis", "pydantic", "torch", "web3", "fastapi", "fastapi.testclient", "sqlalchemy", "alembic"),
        300.0,
    ),
    "outbox": Target(
        {"src/gatllm/market/chain/outbox.py": ()},
        ("tests/market/chain/test_sending.py",),
        ("numpy", "hypothesis", "pydantic", "web3", "eth_account"),
        300.0,
    ),
    "filters": Target(
        {"src/gatllm/sandbox/filters.py": ()}, ("tests/sandbox/test_filters.py",), (), words=True, sample=120
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: an operator's n-th occurrence in a module; ``key`` holds as long as the module is the same."""

    module: str
    operator: str
    occurrence: int
    line: int
    key: str


def main() -> int:
    """Run what is missing of the targets' samples and tell how much was killed; 1 if one is below `LEAST`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)} (default: all)")
    parser.add_argument("--sample", type=int, help="mutants a target (0: all; default: 40)")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long; the same command goes on")
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes
    below = False
    for name in options.targets or TARGETS:
        done = _run_target(name, TARGETS[name], options.sample, until)
        killed = sum(one["killed"] for one in done)
        fraction = killed / len(done) if done else 0.0
        excused = _excused()
        survivors = [one for one in done if not one["killed"]]
        print(f"{name}: {killed} of {len(done)} mutants killed ({fraction:.1%})")
        for one in survivors:
            known = "" if one["key"] in excused else "  (no reason in dev/mutants.md)"
            print(f"  survives {one['key']} {one['module']}:{one['line']} {one['operator']}{known}")
        below |= fraction < LEAST
    return int(below)


def _excused() -> set[str]:
    text = REASONS.read_text(encoding="utf-8") if REASONS.is_file() else ""
    return {word.strip("`") for word in text.split() if word.startswith("`") and word.endswith("`")}


def _run_target(name: str, target: Target, sample: int | None, until: float) -> list[dict[str, Any]]:
    """Return the results of the target's sample, as far as there was time."""
    mutants = [one for module, names in target.modules.items() for one in _mutants(module, names)]
    mutants += [one for module in target.modules if target.words for one in _lost_words(module)]
    most = target.sample if sample is None else sample
    Random(SEED).shuffle(mutants)
    # What is not Python any more says nothing of the tests (cosmic-ray takes the star of a signature for an operator).
    chosen = list(islice((one for one in mutants if _compiles(one)), most or None))
    KEPT.mkdir(parents=True, exist_ok=True)
    kept = KEPT / f"{name}.jsonl"
    tests = _digest(target.tests)
    lines = kept.read_text(encoding="utf-8").splitlines() if kept.is_file() else []
    known = {one["key"]: one for one in map(json.loads, lines)}
    # Who was killed stays dead while the module is the same; a survivor is tried again when its tests have changed.
    known = {key: one for key, one in known.items() if one["killed"] or one["tests"] == tests}
    missing = [one for one in chosen if one.key not in known]
    if missing:
        for package in target.heavy:
            importlib.import_module(package)
        copy = _copy(KEPT / f"copy-{name}")
        if not _notices(copy, target):
            print(f"{name}: {len(mutants)} mutants, {len(missing)} of a sample of {len(chosen)} to run", flush=True)
        else:
            raise SystemExit(f"{name}: the tests fail without any mutant; see {copy / 'mutant.log'}")
    for number, one in enumerate(missing):
        if time.monotonic() > until:
            break
        started = time.monotonic()
        path = copy / one.module
        original = (HERE / one.module).read_text(encoding="utf-8")
        changed = _mutate(original, one)
        _write(path, changed)
        killed = _notices(copy, target)
        _write(path, original)
        difference = list(unified_diff(original.splitlines(), changed.splitlines(), n=0, lineterm=""))[3:]
        result = {**vars(one), "killed": killed, "tests": tests, "change": difference}
        result["seconds"] = round(time.monotonic() - started, 1)
        known[one.key] = result
        with kept.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        print(f"  {number + 1}/{len(missing)} {'killed' if killed else 'SURVIVES'} {one.key} {one.module}:{one.line} "
              f"{' '.join(difference)[:150]} ({result['seconds']} s)", flush=True)  # fmt: skip
    return [known[one.key] for one in chosen if one.key in known]


def _digest(tests: Sequence[str]) -> str:
    paths = [
        path for test in tests for path in sorted((HERE / test).rglob("*.py") if "." not in test else [HERE / test])
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths if path.is_file())).hexdigest()[:12]


def _mutants(module: str, names: Sequence[str]) -> Iterator[Mutant]:
    """Yield every mutant of a module but those that can't matter: of annotations, and of names not asked for."""
    from cosmic_ray import plugins
    from cosmic_ray.ast import ast_nodes, get_ast

    source = (HERE / module).read_text(encoding="utf-8")
    tree, skipped, meant = ast.parse(source), [], []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = [
                *node.args.posonlyargs,
                *node.args.args,
                *node.args.kwonlyargs,
                node.args.vararg,
                node.args.kwarg,
            ]
            skipped += [each.annotation for each in arguments if each and each.annotation]
            skipped += [node.returns] if node.returns else []
        elif isinstance(node, ast.AnnAssign):
            skipped.append(node.annotation)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            skipped += node.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name in names:
            meant.append(node)
    spans = [((each.lineno, each.col_offset), (each.end_lineno, each.end_col_offset)) for each in skipped]
    nodes = list(ast_nodes(get_ast(source)))
    for operator in sorted(plugins.operator_names()):
        kind = plugins.get_operator(operator)
        if kind.arguments():
            continue
        positions = [span for node in nodes for span in kind().mutation_positions(node)]
        for occurrence, (start, _) in enumerate(positions):
            if any(first <= tuple(start) < last for first, last in spans):
                continue
            if names and not any(each.lineno <= start[0] <= each.end_lineno for each in meant):
                continue
            text = f"{source}\0{operator}\0{occurrence}"
            short = operator.removeprefix("core/")
            yield Mutant(module, short, occurrence, start[0], hashlib.sha256(text.encode()).hexdigest()[:8])


def _lost_words(module: str) -> Iterator[Mutant]:
    """Yield a mutant for each word of the module's texts of several lines: without it."""
    source = (HERE / module).read_text(encoding="utf-8")
    texts = [each.value for each in ast.parse(source).body if isinstance(each, ast.Assign)]
    for text in texts:
        if isinstance(text, ast.Constant) and isinstance(text.value, str) and "\n" in text.value:
            lines = source.splitlines(keepends=True)
            first = sum(map(len, lines[: text.lineno - 1])) + text.col_offset
            for word in re.finditer(r"\w+", ast.get_source_segment(source, text) or ""):
                at = first + word.start()
                key = hashlib.sha256(f"{source}\0word\0{at}".encode()).hexdigest()[:8]
                yield Mutant(module, _WORD, at, source.count("\n", 0, at) + 1, key)


def _mutate(source: str, mutant: Mutant) -> str:
    if mutant.operator == _WORD:
        return re.sub(r"\w+", "", source[mutant.occurrence :], count=1).join([source[: mutant.occurrence], ""])
    from cosmic_ray import plugins
    from cosmic_ray.mutating import mutate_code

    operator = plugins.get_operator(f"core/{mutant.operator}")()
    changed = mutate_code(source, operator, mutant.occurrence)
    assert changed is not None  # noqa: S101  # it was counted in this very source
    return str(changed)


def _compiles(mutant: Mutant) -> bool:
    try:
        compile(_mutate((HERE / mutant.module).read_text(encoding="utf-8"), mutant), mutant.module, "exec")
    except SyntaxError:
        return False
    return True


def _copy(target: Path) -> Path:
    """Return a copy of the checkout with what set-up built; files are hard links, replaced when they change."""
    shutil.rmtree(target, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=HERE, capture_output=True, text=True, check=True
    )
    built = [str(path.relative_to(HERE)) for folder in ("src/gatllm/market/abi", "src/gatllm/service/static/vendor")
             for path in (HERE / folder).rglob("*") if path.is_file()]  # fmt: skip
    for name in {*listed.stdout.splitlines(), *built}:
        if (HERE / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(HERE / name, target / name)
            except OSError:
                shutil.copy2(HERE / name, target / name)
    return target


def _write(path: Path, text: str) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        compiled.unlink()


def _notices(copy: Path, target: Target) -> bool:
    """Run the target's tests in a fork, and tell whether they fail or hang."""
    child = os.fork()
    if child == 0:
        _child(copy, target)
    deadline = time.monotonic() + target.seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) != 0
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def _child(copy: Path, target: Target) -> None:
    code = 1
    try:
        os.setsid()
        os.chdir(copy)
        log = os.open(copy / "mutant.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.path[:0] = [str(copy / "src"), str(copy)]
        os.environ |= {"PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        os.environ["XDG_CACHE_HOME"] = str(copy / "build" / "cache")
        sys.dont_write_bytecode = True
        import pytest
        from hypothesis import settings

        settings.register_profile("mutants", max_examples=25, deadline=None, derandomize=True)
        settings.load_profile("mutants")
        arguments = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow", "--no-header"]
        arguments += ["-k", f"not ({target.without})"] if target.without else []
        arguments += ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
        code = int(pytest.main([*arguments, *(test for test in target.tests if (copy / test).exists())]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
