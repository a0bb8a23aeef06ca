"""How quick the reviewer is: a file checked warm, a check from the shell, files a minute."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from review_cases import Code

from gatllm.review import Reviewer
from gatllm.review.default import load_reviewer


def measure(model: str | None, code: Code, files: int, repeat: int) -> dict[str, Any]:
    """Medians of ``repeat`` readings; throughput over ``files`` modules. Load average says who else was at work."""
    near = sorted(code.modules, key=lambda pair: abs(pair[1].count("\n") - 200))[: max(repeat, 5)]
    reviewer = load_reviewer(model)
    quick = load_reviewer(model, quick=True)
    texts = [text for _, text in code.modules[:files]]
    return {
        "load": os.getloadavg()[0],
        "processors": os.cpu_count(),
        "check_200_lines_ms": _warm(reviewer, [text for _, text in near]),
        "check_200_lines_quick_ms": _warm(quick, [text for _, text in near]),
        "cold_shell_s": _cold(near[0][1], repeat, model),
        "files_a_minute": _throughput(reviewer, texts),
        "files": len(texts),
        "lines_a_file": statistics.mean(text.count("\n") for text in texts),
        "files_a_minute_shell": _shell(texts, model),
    }


def _warm(reviewer: Reviewer, texts: list[str]) -> float:
    reviewer.check(texts[0])
    times = []
    for text in texts:
        started = time.perf_counter()
        reviewer.check(text)
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def _cold(text: str, repeat: int, model: str | None) -> float:
    times = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "module.py"
        file.write_text(text, encoding="utf-8")
        for _ in range(repeat):
            started = time.perf_counter()
            _run([str(file)], model)
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def _run(arguments: list[str], model: str | None) -> None:
    command = [sys.executable, "-m", "gatllm", "check", *arguments, *(["--model", model] if model else [])]
    subprocess.run(command, capture_output=True, check=False)


def _throughput(reviewer: Reviewer, texts: list[str]) -> float:
    started = time.perf_counter()
    for start in range(0, len(texts), 64):
        reviewer.check_all(texts[start : start + 64])
    return 60 * len(texts) / (time.perf_counter() - started)


def _shell(texts: list[str], model: str | None) -> float:
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(texts):
            (Path(folder) / f"m{number}.py").write_text(text, encoding="utf-8")
        started = time.perf_counter()
        _run(["--all", folder], model)
        return 60 * len(texts) / (time.perf_counter() - started)
