"""How many untrusted programs a second, beside a bare interpreter that protects nothing and Monty, a Python subset.

    python benchmarks/sandbox.py [--runs 500] [--mbpp FILE]

With ``--mbpp`` (JSONL with `code` and `test_list`) it also judges every reference solution of the form
`f(literals) == literal`, with the sandbox and with Monty. Prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gatllm.errors import GatllmError
from gatllm.sandbox import Case, Job, Runner

CODE = "def add(a, b):\n    return a + b\n"
JOB = Job(CODE, "add", (Case((1, 2), 3),))


def rate(run: Callable[[], object], runs: int) -> dict[str, float]:
    """Return runs a second and the median milliseconds of one."""
    taken = []
    began = time.perf_counter()
    for _ in range(runs):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return {"per_second": runs / (time.perf_counter() - began), "median_ms": 1000 * statistics.median(taken)}


def cpu() -> float:
    """Return the processor seconds of this process and of all its ended children."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def cpu_below(process: int) -> float:
    """Return the processor seconds of all living descendants of a process, and of the children they have seen end."""
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        parents[int(stat.parent.name)] = int(fields[1])
        seconds[int(stat.parent.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    below = {process}
    while new := {child for child, parent in parents.items() if parent in below} - below:
        below |= new
    return sum(seconds[child] for child in below - {process})


def cpu_of_sandbox(runs: int) -> float:
    """Return processor milliseconds for one run, parent included, the server's start not."""
    with Runner(workers=1) as runner:
        runner.check(JOB)
        before = cpu() + cpu_below(os.getpid())
        for _ in range(runs):
            runner.check(JOB)
        return 1000 * (cpu() + cpu_below(os.getpid()) - before) / runs


def bare() -> None:
    subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)


def monty() -> Callable[[], object] | None:
    try:
        import pydantic_monty
    except ImportError:
        return None
    pool = pydantic_monty.Monty().__enter__()

    def run() -> None:
        with pool.checkout() as session:
            session.feed_run(CODE)
            assert session.feed_run("add(1, 2)") == 3

    return run


def jobs_of(path: Path) -> list[Job]:
    """Read the problems whose tests are all `f(literals) == literal`."""
    jobs = []
    for line in path.read_text(encoding="utf-8").splitlines():
        problem = json.loads(line)
        names: set[str] = set()
        cases: list[Case] = []
        for test in problem["test_list"]:
            tree = ast.parse(test).body[0]
            if not (isinstance(tree, ast.Assert) and isinstance(tree.test, ast.Compare)):
                break
            call, (expected,) = tree.test.left, tree.test.comparators
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and not call.keywords):
                break
            try:
                cases.append(Case(tuple(map(ast.literal_eval, call.args)), ast.literal_eval(expected)))
            except ValueError:
                break
            names.add(call.func.id)
        else:
            if len(names) == 1:
                jobs.append(Job(problem["code"].replace("\t", "    "), names.pop(), tuple(cases)))
    return jobs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--mbpp", type=Path)
    options = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    with Runner(workers=1) as runner:
        protections = runner.protections
        runner.check(JOB)
        found["sandbox, 1 worker"] = rate(lambda: runner.check(JOB), options.runs)
        assert runner.check(JOB).passed
    # The processor's own count does not depend on what else the machine does.
    found["sandbox, 1 worker"]["cpu_ms"] = cpu_of_sandbox(options.runs)
    with Runner() as runner:
        list(runner.check_all([JOB] * runner.workers * 4))
        began = time.perf_counter()
        assert all(verdict.passed for verdict in runner.check_all([JOB] * options.runs))
        found[f"sandbox, {runner.workers} workers"] = {"per_second": options.runs / (time.perf_counter() - began)}
    try:
        with Runner(workers=1, quick=True) as runner:
            runner.check(JOB)
            found["sandbox, quick tier first"] = rate(lambda: runner.check(JOB), options.runs)
    except GatllmError as error:
        print(error)
    before = cpu()
    name, count = "python -I -S -c pass (no walls)", max(20, options.runs // 10)
    found[name] = rate(bare, count)
    found[name]["cpu_ms"] = 1000 * (cpu() - before) / count
    if run := monty():
        found["Monty session"] = rate(run, options.runs)
    solved: dict[str, float] = {}
    if options.mbpp:
        jobs = jobs_of(options.mbpp)
        with Runner() as runner:
            began = time.perf_counter()
            verdicts = list(runner.check_all(jobs, tolerance=1e-6))
            seconds = time.perf_counter() - began
        solved = {
            "problems": len(jobs),
            "passed": sum(verdict.passed for verdict in verdicts),
            "per_second": len(jobs) / seconds,
        }
    print(f"walls: {protections.backend}; {protections.missing_text()}; {os.cpu_count()} cores")
    print(f"{'way':<34} {'runs/s':>8} {'median ms':>10} {'CPU ms':>8}")
    for name, numbers in found.items():
        median, used = (numbers.get(key, float("nan")) for key in ("median_ms", "cpu_ms"))
        print(f"{name:<34} {numbers['per_second']:>8.0f} {median:>10.2f} {used:>8.2f}")
    if solved:
        print(
            f"MBPP reference solutions: {solved['passed']} of {solved['problems']} pass, {solved['per_second']:.0f}/s"
        )
    print(json.dumps({"rates": found, "mbpp": solved, "walls": protections.backend}))


if __name__ == "__main__":
    main()
