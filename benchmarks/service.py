"""The service under load and under faults.

    python benchmarks/service.py load [--streams 200] [--seconds 300] [--pace 0.25] [--workers 1] [--bare] [--code]
    python benchmarks/service.py generator [--streams 1 8] [--tokens 48] [--model NAME]
    python benchmarks/service.py faults [--times 100] [--only KIND]

``load``: so many streams are open at any moment. Every word is checked: whose it is, its number, and how long after it
was made it arrives (the generator's own clock is the machine's). ``--workers 2`` serves by two processes on one
PostgreSQL; ``--bare`` is the least program that streams the same words, ``--code`` ends each answer with code.

``generator``: `gatllm serve` as it is, with its own generator or another; as many questions at once as ``--streams``
says, one after the other kind. The service's own metrics say how long the first token took and how many there were.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx

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


QUESTION = "Explain in plain words, without code, what a {} is and when one would use it."
SUBJECTS = ("list", "dictionary", "generator", "decorator", "context manager", "closure", "set", "deque")


@contextlib.contextmanager
def _gatllm_serve(folder: Path, streams: int, model: str | None) -> Iterator[tuple[str, int]]:
    command = [sys.executable, "-m", "gatllm", "serve", "--port", "0", "--slots", str(streams), "--queue", "64"]
    command += ["--database", str(folder / "service.db"), *(["--model", model] if model else [])]
    with (folder / "serve.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "XDG_DATA_HOME": str(folder)})
    try:
        while not (found := re.search(r"chat: (http\S+?)/ ", said := (folder / "serve.log").read_text())):
            if process.poll() is not None:
                raise SystemExit(f"the service did not start:\n{said[-2000:]}")
            time.sleep(0.2)
        while httpx.get(f"{found[1]}/readyz", timeout=60).status_code != 200:
            time.sleep(0.5)
        yield found[1], process.pid
    finally:
        process.terminate()
        process.wait(60)


def _numbers(address: str) -> dict[str, float]:
    lines = httpx.get(f"{address}/metrics", timeout=60).text.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def generator(streams: int, tokens: int, model: str | None) -> list[tuple[str, str]]:
    """Ask so many questions at once; return the lines of a table."""
    with tempfile.TemporaryDirectory() as place, _gatllm_serve(Path(place), streams, model) as (address, pid):

        def ask(number: int) -> int:
            asked = [{"role": "user", "content": QUESTION.format(SUBJECTS[number % len(SUBJECTS)])}]
            body = {"model": "gatllm", "messages": asked, "max_tokens": tokens}
            return httpx.post(f"{address}/v1/chat/completions", json=body, timeout=1800).status_code

        ask(0)  # what is compiled or read at the first use is not part of it
        before, began, spent = _numbers(address), time.monotonic(), _usage(pid)[1]
        with ThreadPoolExecutor(streams) as pool:
            statuses = Counter(pool.map(ask, range(streams)))
        seconds, after, spent = time.monotonic() - began, _numbers(address), _usage(pid)[1] - spent
    more = {name: value - before.get(name, 0.0) for name, value in after.items()}
    first = "vllm:time_to_first_token_seconds"
    made = more["vllm:generation_tokens_total"]
    return [
        ("answers by status", ", ".join(f"{status}: {count}" for status, count in statuses.items())),
        ("to the first token, mean", f"{more[f'{first}_sum'] / max(1, more[f'{first}_count']):.2f} s"),
        ("tokens, a second, a second and stream", f"{made:.0f}, {made / seconds:.1f}, {made / seconds / streams:.1f}"),
        ("processor, seconds a token", f"{spent / max(1, made):.3f}"),
    ]


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
    own = kinds.add_parser("generator")
    own.add_argument("--streams", type=int, nargs="+", default=[1, 8])
    own.add_argument("--tokens", type=int, default=48)
    own.add_argument("--model")
    wrong = kinds.add_parser("faults")
    wrong.add_argument("--times", type=int, default=100)
    wrong.add_argument("--only", default="")
    given = parser.parse_args()
    if given.what == "load":
        how = f"{given.streams} streams, {1 / given.pace:g} words a second each, {given.workers} worker(s)"
        outcome = load(given)
        table(how, ("what", "value"), outcome.rows())
        wrong_seen = bool(outcome.problems) or not outcome.complete
    elif given.what == "generator":
        wrong_seen = False
        for streams in given.streams:
            rows = generator(streams, given.tokens, given.model)
            table(f"{streams} stream(s), {given.model or 'the default generator'}", ("what", "value"), rows)
            wrong_seen |= rows[0][1] != f"200: {streams}"
    else:
        from service_faults import faults

        seen_rows = faults(given.times, given.only)
        table("faults", ("fault", "times", "what was seen"), seen_rows)
        wrong_seen = any(not seen.endswith("all as it must be") for _, _, seen in seen_rows)
    sys.exit(wrong_seen)


if __name__ == "__main__":
    main()
