"""The service under load and under faults.

    python benchmarks/service.py load [--streams 200] [--seconds 300] [--pace 0.25] [--workers 1] [--bare] [--code]
    python benchmarks/service.py faults [--times 100] [--only KIND]

``load``: so many streams are open at any moment. Every word is checked: whose it is, its number, and how long after it
was made it arrives (the generator's own clock is the machine's). ``--workers 2`` serves by two processes on one
PostgreSQL; ``--bare`` is the least program that streams the same words, ``--code`` ends each answer with code.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gatllm.cli.console import table

SERVER = Path(__file__).with_name("service_server.py")
_WORD = re.compile(rb"([a-z]\d+):(\d+):([\d.]+) ")


@dataclass
class Outcome:
    """What the readers saw."""

    delays: list[float] = field(default_factory=list)  # seconds from a word's making to its arrival
    first: list[float] = field(default_factory=list)  # seconds from a question to its first word, less the pace
    problems: Counter[str] = field(default_factory=Counter)
    complete: int = 0
    memory: list[tuple[float, float]] = field(default_factory=list)  # (seconds, MB of all workers)
    processor: float = 0.0  # seconds of processor time of all workers
    starved: float = 0.0  # seconds for which the workers' event loops were ready to run and had no processor
    seconds: float = 0.0

    def rows(self) -> list[tuple[str, str]]:
        """Return them for people."""
        ordered = sorted(self.delays)
        at = {share: ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000 for share in (0.5, 0.95, 0.99)}
        kept = [size for when, size in self.memory if when > self.seconds / 5]
        flat = f"{kept[0]:.0f} → {kept[-1]:.0f}, most {max(kept):.0f}" if kept else "too short to tell"
        return [
            ("complete answers", f"{self.complete:,}"),
            ("problems", ", ".join(f"{what}: {count}" for what, count in self.problems.items()) or "none"),
            ("words, a second", f"{len(ordered):,}, {len(ordered) / self.seconds:,.0f}"),
            ("added to a word, ms (p50, p95, p99, most)",
             f"{at[0.5]:.1f}, {at[0.95]:.1f}, {at[0.99]:.1f}, {ordered[-1] * 1000:.0f}"),
            ("to the first word, ms (p50)", f"{statistics.median(self.first) * 1000:.0f}"),
            ("processor seconds a second", f"{self.processor / self.seconds:.2f}"),
            ("event loop ready, but without a processor", f"{self.starved / self.seconds:.1%} of the time"),
            ("memory, MB (after a fifth of the time → at the end)", flat),
        ]  # fmt: skip


@contextlib.contextmanager
def running(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Yield a server's process and port."""
    command = [sys.executable, str(SERVER), str(folder), *options]
    with (folder / "server.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout
        try:
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"the server did not start:\n{(folder / 'server.log').read_text()[-2000:]}")
            yield process, int(line)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(30)
            process.stdout.close()


def _request(name: str, words: int, pace: float, code: bool) -> bytes:
    content = f"{name} {words} {pace}{' code' if code else ''}"
    body = json.dumps({"model": "gatllm", "stream": True, "messages": [{"role": "user", "content": content}]})
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}connection: close\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


async def _answer(port: int, name: str, words: int, pace: float, outcome: Outcome, *, code: bool) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began, seen, done, ended = time.monotonic(), 0, False, False
    try:
        writer.write(_request(name, words, pace, code))
        status = await reader.readline()
        if b" 200 " not in status:
            outcome.problems[f"status {status.split()[1].decode()}"] += 1
            return
        while line := await reader.readline():
            if not line.startswith(b"data: "):
                continue
            now = time.monotonic()
            for found in _WORD.finditer(line):
                if found[1].decode() != name:
                    outcome.problems["mixed"] += 1
                if int(found[2]) != seen:
                    outcome.problems["lost or out of order"] += 1
                if not seen:
                    outcome.first.append(now - began - pace)
                seen += 1
                outcome.delays.append(now - float(found[3]))
            done |= b'"finish_reason": "stop"' in line
            ended |= line.startswith(b"data: [DONE]")
            if b'"error"' in line:
                outcome.problems["error event"] += 1
    finally:
        writer.close()
    if seen != words or not done or not ended:
        outcome.problems["cut short"] += 1
    else:
        outcome.complete += 1


async def _reader(at: int, ports: list[int], given: argparse.Namespace, outcome: Outcome, until: float) -> None:
    words, number = max(1, round(10 / given.pace)), 0  # answers of ten seconds
    await asyncio.sleep(10 * at / given.streams)  # not all begin in one moment, and so none ends in one
    while time.monotonic() < until:
        name = f"s{at * 10_000 + number}"
        try:
            await _answer(ports[at % len(ports)], name, words, given.pace, outcome, code=given.code)
        except OSError as error:
            outcome.problems[type(error).__name__] += 1
        number += 1


def _usage(pid: int) -> tuple[float, float, float]:
    """Return the memory of a process (MB), its processor time (s), and how long its first thread waited for one."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    waited = int(Path(f"/proc/{pid}/schedstat").read_text(encoding="utf-8").split()[1]) / 1e9
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024, (int(ticks[11]) + int(ticks[12])) / 100, waited


async def _load(ports: list[int], pids: list[int], given: argparse.Namespace) -> Outcome:
    outcome, began = Outcome(), time.monotonic()
    before = [_usage(pid) for pid in pids]
    readers = [
        asyncio.create_task(_reader(at, ports, given, outcome, began + given.seconds)) for at in range(given.streams)
    ]
    while not all(reader.done() for reader in readers):
        await asyncio.wait(readers, timeout=2)
        outcome.memory.append((time.monotonic() - began, sum(_usage(pid)[0] for pid in pids)))
    await asyncio.gather(*readers)
    after = [_usage(pid) for pid in pids]
    outcome.processor = sum(two[1] - one[1] for one, two in zip(before, after, strict=True))
    outcome.starved = sum(two[2] - one[2] for one, two in zip(before, after, strict=True))
    outcome.seconds = time.monotonic() - began
    return outcome


def load(given: argparse.Namespace) -> Outcome:
    """Keep so many streams open for so long."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        options = ["--slots", str(-(-given.streams // given.workers))]
        if given.workers > 1:
            from service_faults import postgresql

            options += ["--database", stack.enter_context(postgresql()).url]
        options += ["--bare"] if given.bare else []
        servers = [stack.enter_context(running(folder, *options)) for _ in range(given.workers)]
        ports, pids = [port for _, port in servers], [process.pid for process, _ in servers]
        time.sleep(2)  # the first probe of the model is over
        return asyncio.run(_load(ports, pids, given))


def main() -> None:
    """Run one of them."""
    parser = argparse.ArgumentParser()
    kinds = parser.add_subparsers(dest="what", required=True)
    heavy = kinds.add_parser("load")
    heavy.add_argument("--streams", type=int, default=200)
    heavy.add_argument("--seconds", type=float, default=300)
    heavy.add_argument("--pace", type=float, default=0.25, help="seconds between two words of a stream")
    heavy.add_argument("--workers", type=int, default=1)
    heavy.add_argument("--bare", action="store_true")
    heavy.add_argument("--code", action="store_true")
    wrong = kinds.add_parser("faults")
    wrong.add_argument("--times", type=int, default=100)
    wrong.add_argument("--only", default="")
    given = parser.parse_args()
    if given.what == "load":
        how = f"{given.streams} streams, {1 / given.pace:g} words a second each, {given.workers} worker(s)"
        outcome = load(given)
        table(how, ("what", "value"), outcome.rows())
        wrong_seen = bool(outcome.problems) or not outcome.complete
    else:
        from service_faults import faults

        rows = faults(given.times, given.only)
        table("faults", ("fault", "times", "what was seen"), rows)
        wrong_seen = any(not seen.endswith("all as it must be") for _, _, seen in rows)
    sys.exit(wrong_seen)


if __name__ == "__main__":
    main()
