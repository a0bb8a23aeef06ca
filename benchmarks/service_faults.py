"""What the service does when things go wrong; run by `benchmarks/service.py faults`.

Each fault is real: processes are killed with SIGKILL in the middle of what they do, PostgreSQL and the chain are
stopped and started, a disk is filled. What was acknowledged must be there afterwards, nothing may be minted twice,
and who asks meanwhile must be told in words.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from service import SERVER, running

Row = tuple[str, str, str]


class Forks:
    """Servers that are forked from one process with everything loaded, each killed by itself."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER), "--forks"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def start(self, folder: Path, *options: str) -> tuple[int, int]:
        """Start a server; return its process and port."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([str(folder), *options]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline().split()
        if len(line) != 2:
            raise SystemExit(f"the server did not start:\n{(folder / 'server.log').read_text()[-2000:]}")
        return int(line[0]), int(line[1])


def _kill(pid: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        while True:  # until it is gone
            os.kill(pid, 0)
            time.sleep(0.01)


def _until(count: int, happened: Callable[[], int], seconds: float = 30) -> None:
    """Wait until so much has happened, or for so long."""
    ends = time.monotonic() + seconds
    while happened() < count and time.monotonic() < ends:
        time.sleep(0.02)


def _say(done: int, times: int, seen: Seen) -> None:
    counts = ", ".join(f"{count:,} {what}" for what, count in seen.counts.items())
    print(f"{done} of {times}: {counts}; wrong: {seen.wrong or 'nothing'}", file=sys.stderr, flush=True)


@dataclass
class Postgres:
    """A PostgreSQL of our own that can be stopped and started."""

    url: str
    control: Callable[[str], None]


@contextlib.contextmanager
def postgresql() -> Iterator[Postgres]:
    """Yield a running PostgreSQL, reached by a socket in a folder."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = str(installed[-1]) if installed else shutil.which("initdb")
    if initdb is None:
        raise SystemExit("there is no PostgreSQL (Debian: apt install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="gatllm-pg-"))
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []  # it refuses to run as root
    if as_user:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    made = [*as_user, initdb, "-A", "trust", "-U", "gatllm", "-D", str(data)]
    subprocess.run(made, check=True, capture_output=True)
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}'"

    def control(what: str) -> None:
        command = [*as_user, str(Path(initdb).parent / "pg_ctl"), "-D", str(data), "-w", "-m", "immediate"]
        subprocess.run([*command, "-o", options, "-l", str(folder / "log"), what], check=True, capture_output=True)

    control("start")
    try:
        yield Postgres(f"postgresql://gatllm@/postgres?host={folder}", control)
    finally:
        control("stop")
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Seen:
    """What went wrong that must not, and how often things were tried."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def check(self, holds: bool, words: str) -> None:
        """Note what does not hold."""
        if not holds:
            self.wrong.append(words)

    def row(self, fault: str, times: int) -> Row:
        """Return the line of a table."""
        done = ", ".join(f"{count:,} {what}" for what, count in self.counts.items())
        return fault, str(times), f"{done}; {'; '.join(self.wrong[:5]) or 'all as it must be'}"


# ---- kill -9 while answers are streamed


def _ask(port: int, name: str, acknowledged: dict[str, str], finished: dict[str, str]) -> None:
    form = {"prompt": f"{name} 40 0.02"}
    headers = {"hx-request": "true"}
    with (
        contextlib.suppress(httpx.HTTPError),
        httpx.stream("POST", f"http://127.0.0.1:{port}/chat", data=form, headers=headers, timeout=30) as answer,
    ):
        text = ""
        for piece in answer.iter_text():
            text += piece
            if found := re.search(r'name="conversation" value="(\w+)"', text):
                acknowledged[name] = found[1]
        if "Nothing to review" in text:  # the last event: the turn as it stays
            finished[name] = acknowledged[name]


def streams(times: int) -> Row:
    """Kill the service while it answers; then look for each question and each finished answer."""
    from gatllm.service.accounts import Accounts
    from gatllm.service.conversations import Conversations
    from gatllm.service.database import open_database

    seen, chance = Seen(), random.Random(1)
    acknowledged: dict[str, str] = {}
    finished: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as place, Forks() as forks:
        folder = Path(place)
        for number in range(times):
            pid, port = forks.start(folder, "--slots", "8")
            readers = [
                threading.Thread(target=_ask, args=(port, f"s{number * 10 + at}", acknowledged, finished))
                for at in range(6)
            ]
            for reader in readers:
                reader.start()
            # A busy machine answers late: what has happened says when, not the clock alone.
            _until(len(acknowledged) + chance.randrange(0, 7), acknowledged.__len__)
            time.sleep(chance.uniform(0.05, 1.6))
            _kill(pid)
            for reader in readers:
                reader.join()
            seen.counts |= {"questions acknowledged": len(acknowledged), "answers finished": len(finished)}
            _say(number + 1, times, seen)
        database = open_database(folder / "service.db")
        me, talks = Accounts(database).local().account_id, Conversations(database)
        for name, talk in acknowledged.items():
            kept = talks.get(me, talk)
            seen.check(kept is not None and kept[1][0].prompt.startswith(f"{name} "), f"question {name} is lost")
            said = kept[1][0].text if kept else ""
            words = re.findall(r"(s\d+):(\d+):", said)
            right = all(word == (name, str(at)) for at, word in enumerate(words))
            seen.check(right, f"the answer to {name} is another's or has holes")
            seen.check(name not in finished or len(words) == 40, f"the finished answer to {name} is lost")
        database.close()
    return seen.row("kill -9 during streams", times)


# ---- kill -9 during uploads, jobs and mints


class _Actor:
    """A contributor with a wallet, who begins anew where the service was cut off; the mint is sent by the wallet."""

    def __init__(self, port: int, devnet: Any, seen: Seen) -> None:
        from eth_account import Account

        from gatllm.market import Chain
        from gatllm.proof import Key

        self.key = Key(Account.create())
        devnet.fund(self.key.address, 1000)
        self.web3 = Chain(devnet.url).web3
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        self.seen = seen
        self.minted: list[str] = []
        self.doing = ""  # upload, check, publish or mint

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask until somebody answers."""
        while True:
            try:
                return self.client.request(method, path, **more)
            except httpx.HTTPError:
                time.sleep(0.2)

    def sign_in(self) -> None:
        """Sign in with the wallet."""
        from eth_account.messages import encode_defunct

        message = self.call("POST", "/market/session/challenge", json={"address": self.key.address}).json()["message"]
        signature = "0x" + bytes(self.key.account.sign_message(encode_defunct(text=message)).signature).hex()
        answer = self.call("POST", "/market/session", json={"message": message, "signature": signature})
        self.client.headers["authorization"] = f"Bearer {answer.json()['token']}"
        self.client.cookies.clear()

    def contribute(self, number: int) -> None:
        """Bring one dataset from the upload to its token."""
        text = "".join(f"def add_{n}(a, b):\n    return a + b + {number * 1000 + n}\n\n\n" for n in range(60)).encode()
        self.doing = "upload"
        made = self.call("POST", "/contribute", data={"licence": "MIT"}, headers={"accept": "application/json"})
        if made.status_code != 201:
            self.seen.check(False, f"could not begin: {made.text[:200]}")
            return
        name = made.json()["id"]
        files = f"/contribute/{name}/files"
        size = 0
        while size < len(text):
            piece = text[size : size + 64]
            answer = self.call("PUT", files, params={"file": "a.py", "offset": size}, content=piece)
            now = int(answer.json().get("size", -1))
            self.seen.check(now >= size, f"an upload shrank from {size} to {now}: {answer.text[:100]}")
            size = max(now, size)
            self.seen.counts["pieces"] += 1
        self._until(name, "check", "Describe it", {})
        self._until(name, "publish", "Mint it with your wallet", {"title": f"Sums {number}"})
        self._mint(name)

    def _until(self, name: str, what: str, sign: str, form: dict[str, str]) -> None:
        ends = time.monotonic() + 1800
        self.doing = what
        while time.monotonic() < ends:
            page = self.call("GET", f"/contribute/{name}").text
            if sign in page:
                self.seen.counts[f"{what} done"] += 1
                return
            if 'id="job"' not in page:  # it waits for us: not begun, or given up after too many crashes
                self.call("POST", f"/contribute/{name}/{what}", data=form)
            time.sleep(0.3)
        self.seen.check(False, f"{what} of {name} does not end")

    def _mint(self, name: str) -> None:
        self.doing = "mint"
        while True:  # each kill begins it anew, and a hundred take as long as the machine makes them
            prepared = self.call("POST", f"/contribute/{name}/prepare")
            if prepared.status_code != 200:
                self.seen.check("minted" in prepared.text, f"prepare: {prepared.text[:100]}")
                break
            step = prepared.json()
            if step["commit"]:
                self._send(step["commit"])
            elif step["head"] + 1 >= step["ready"]:
                self._send(step["mint"])
                self.minted.append(step["token"])
                # Asked again at once, as an impatient page does: nothing may be prepared a second time.
                again = self.call("POST", f"/contribute/{name}/prepare")
                self.seen.check(again.status_code != 200, f"{name} could be minted twice")
                break
        page = self.call("GET", f"/contribute/{name}").text
        self.seen.check("Minted." in page, f"{name} was minted and its page does not say so")

    def _send(self, call: dict[str, str]) -> None:
        from gatllm.market import Chain

        fields: dict[str, Any] = {
            **call, "value": int(call["value"], 16), "chainId": 31337, "gas": 500_000,
            "nonce": self.web3.eth.get_transaction_count(Chain.checksum(self.key.address)),
            "maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9,
        }  # fmt: skip
        del fields["from"]
        raw = self.key.account.sign_transaction(fields).raw_transaction
        receipt = self.web3.eth.wait_for_transaction_receipt(self.web3.eth.send_raw_transaction(raw))
        self.seen.check(receipt["status"] == 1, "a prepared transaction was refused by the chain")


def contributions(times: int) -> Row:
    """Kill the service so often during uploads, during jobs and during mints; then count tokens."""
    from gatllm.market import Chain, DatasetTokens, Devnet, deploy

    seen, chance, over = Seen(), random.Random(2), threading.Event()
    with tempfile.TemporaryDirectory() as place, Devnet(Path(place) / "chain") as devnet, Forks() as forks:
        folder = Path(place) / "market"
        folder.mkdir()
        deployment = deploy(Chain(devnet.url, devnet.accounts(1)[0]), folder)
        options = ("--slots", "2", "--rpc", devnet.url)
        pid, port = forks.start(folder, *options)
        actor = _Actor(port, devnet, seen)

        def act() -> None:
            actor.sign_in()
            number = 0
            while not over.is_set():
                actor.contribute(number)
                number += 1

        worker = threading.Thread(target=act)
        worker.start()
        left = Counter({"upload": times, "check": times - times // 2, "publish": times // 2, "mint": times})
        while left.total():
            # What is being done says when, so that each kind gets its kills; how far it is then, chance.
            while not left[actor.doing]:
                time.sleep(0.01)
            worker.join(chance.uniform(0, 1.5))
            killed = actor.doing
            _kill(pid)
            pid, _ = forks.start(folder, *options, "--port", str(port))
            left[killed] -= bool(left[killed])
            seen.counts[f"kills during {killed}"] += 1
            _say(3 * times - left.total(), 3 * times, seen)
        over.set()
        worker.join()
        _kill(pid, signal.SIGTERM)
        tokens = [one.id for one in DatasetTokens(Chain(devnet.url), deployment).list()]
        seen.check(len(tokens) == len(set(tokens)), "a token was minted twice")
        seen.check(set(tokens) == set(actor.minted), f"{len(actor.minted)} were minted, the chain has {len(tokens)}")
        seen.counts["tokens"] = len(tokens)
    return seen.row("kill -9 during uploads, jobs and mints", 3 * times)


# ---- kill -9 during training


def training(times: int) -> Row:
    """Kill the service while it trains, and every other time the training itself; the run must end whole."""
    from gatllm.service.database import open_database
    from gatllm.service.training_work import TrainingWork
    from gatllm.training import Run

    seen, chance = Seen(), random.Random(3)
    with tempfile.TemporaryDirectory() as place, Forks() as forks:
        folder = Path(place)
        runs, options = folder / "runs", ("--slots", "2", "--runs", str(folder / "runs"))
        log = runs / "killed" / "log.jsonl"
        pid, port = forks.start(folder, *options)
        form = {"recipe": "alphabetize", "run": "killed", "steps": str(100 * (times + 2))}
        begun = httpx.post(f"http://127.0.0.1:{port}/training/~begin", data=form, timeout=60)
        seen.check(begun.status_code == 303, f"could not begin: {begun.text[:200]}")
        for number in range(times):
            before = log.stat().st_size if log.exists() else 0
            while not log.exists() or log.stat().st_size == before:  # until it goes on
                time.sleep(0.05)
            time.sleep(chance.uniform(0, 2))
            if number % 2:
                for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                    _kill(int(child))
            _kill(pid)
            pid, port = forks.start(folder, *options)
            seen.counts["updates"] = log.read_text().count('"event":"step"')
            _say(number + 1, times, seen)
        work = TrainingWork(open_database(folder / "service.db"), runs)
        while work.active("killed") is not None:
            time.sleep(0.5)
        [job] = work.all()
        run = Run.open(runs / "killed")
        steps = [entry["step"] for entry in run.events("step")]
        seen.check(job.state == "done" and run.complete, f"the run did not end: {job.state} {job.error}")
        seen.check(steps == list(range(1, len(steps) + 1)), "updates are lost or done twice")
        seen.counts |= {"updates": len(steps), "times gone on with": len(run.events("resume"))}
        _kill(pid, signal.SIGTERM)
    return seen.row("kill -9 during training", times)


# ---- what is gone for a while


def _told(port: int, seen: Seen, *, down: str, wanted: str) -> None:
    """Ask by program and by page while something is down: the status and the words must say so."""
    base = f"http://127.0.0.1:{port}"
    answer = httpx.post(f"{base}/chat", data={"prompt": "s1 2 0"}, headers={"hx-request": "true"}, timeout=60)
    seen.check(wanted in answer.text, f"{down}: the page says {answer.status_code} {answer.text[:120]!r}")
    seen.counts["told on the page"] += wanted in answer.text
    seen.check(httpx.get(f"{base}/healthz", timeout=60).status_code == 200, f"{down}: the process is gone")


def _completed(port: int, seen: Seen, when: str) -> None:
    body = {"model": "gatllm", "messages": [{"role": "user", "content": "s1 2 0"}]}
    answer = httpx.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body, timeout=60)
    seen.check(answer.status_code == 200, f"{when}: {answer.status_code} {answer.text[:200]}")
    seen.counts["answers by the API"] += answer.status_code == 200


def database(times: int) -> Row:
    """Stop PostgreSQL at once and start it again."""
    seen = Seen()
    with contextlib.ExitStack() as stack:
        place, postgres = stack.enter_context(tempfile.TemporaryDirectory()), stack.enter_context(postgresql())
        _, port = stack.enter_context(running(Path(place), "--slots", "8", "--database", postgres.url))
        acknowledged: dict[str, str] = {}
        finished: dict[str, str] = {}
        for number in range(times):
            _ask(port, f"s{number}", acknowledged, finished)
            postgres.control("stop")
            _told(port, seen, down="database gone", wanted="database can&#39;t be reached")
            _completed(port, seen, "an answer by the API needs no database")
            postgres.control("start")
            _completed(port, seen, "database back")
        seen.check(len(finished) == times, f"only {len(finished)} answers were finished")
        for name, talk in finished.items():
            page = httpx.get(f"http://127.0.0.1:{port}/chat/{talk}").text
            seen.check(f"{name}:39:" in page, f"the answer to {name} is lost")
    return seen.row("database gone and back", times)


def chain(times: int) -> Row:
    """Stop the chain and start it again."""
    from gatllm.market import Chain, Devnet, deploy

    seen = Seen()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "market"
        folder.mkdir()
        devnet = Devnet(Path(place) / "chain").start()
        at = int(devnet.url.rpartition(":")[2])
        deploy(Chain(devnet.url, devnet.accounts(1)[0]), folder)
        try:
            with running(folder, "--slots", "2", "--rpc", devnet.url) as (_, port):
                base = f"http://127.0.0.1:{port}"
                for _ in range(times):
                    for path in ("/market", "/datasets"):
                        seen.check(httpx.get(base + path, timeout=60).status_code == 200, f"{path} with the chain")
                    devnet.stop()
                    time.sleep(2.1)  # what was just read from the chain is shown for two seconds
                    for path in ("/market", "/datasets", "/market/status"):
                        answer = httpx.get(base + path, timeout=60)
                        told = answer.status_code == 503 and "chain" in answer.text
                        seen.check(told, f"{path} without the chain: {answer.status_code} {answer.text[:120]!r}")
                        seen.counts["told"] += told
                    _completed(port, seen, "an answer needs no chain")
                    devnet = Devnet(Path(place) / "chain", port=at).start()
        finally:
            devnet.stop()
    return seen.row("chain gone and back", times)


def full_disk(times: int) -> Row:
    """Fill the disk that the database lies on, and free it."""
    seen = Seen()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "disk"
        folder.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(folder)], check=False)
        if mounted.returncode:
            return "full disk", "0", "needs the right to mount a small disk"
        try:
            with running(folder, "--slots", "2") as (_, port):
                acknowledged: dict[str, str] = {}
                finished: dict[str, str] = {}
                for number in range(times):
                    _ask(port, f"s{number}", acknowledged, finished)
                    filler = folder / "filler"
                    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                        while file.write(b"\0" * 4096):
                            pass
                    _told(port, seen, down="disk full", wanted="disk is full")
                    _completed(port, seen, "an answer by the API needs no disk")
                    filler.unlink()
                _completed(port, seen, "disk free again")
                seen.check(len(finished) == times, f"only {len(finished)} answers were finished")
                for name, talk in finished.items():
                    page = httpx.get(f"http://127.0.0.1:{port}/chat/{talk}").text
                    seen.check(f"{name}:39:" in page, f"the answer to {name} is lost")
        finally:
            subprocess.run(["umount", str(folder)], check=False)
    return seen.row("full disk", times)


def damaged(times: int) -> Row:
    """Start with a model whose file was cut off, one that holds other bytes, and a damaged database."""
    del times
    seen = Seen()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model = folder / "model"
        model.mkdir()
        config = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_embd": 8, "n_head": 2, "n_layer": 1}
        (model / "config.json").write_text(json.dumps(config))
        (model / "model.safetensors").write_bytes(b'\x80\x01\0\0\0\0\0\0{"cut')
        (folder / "noise.gguf").write_bytes(b"GGUF" + os.urandom(2000))
        (folder / "bad.db").write_bytes(os.urandom(8192))
        for options in (
            ["--model", str(model)],
            ["--model", str(folder / "noise.gguf")],
            ["--discriminator", str(model)],
            ["--database", str(folder / "bad.db")],
        ):
            command = [sys.executable, "-m", "gatllm", "serve", "--port", "0", *options]
            ended = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=1800,  # of a busy machine
                check=False,
                env={**os.environ, "XDG_DATA_HOME": place},
            )
            lines = [line for line in ended.stderr.splitlines() if line.strip()]
            clear = ended.returncode == 1 and "Traceback" not in ended.stderr and bool(lines)
            seen.check(clear, f"{options[0]}: exit {ended.returncode}, {ended.stderr[-200:]!r}")
            seen.counts["told"] += clear
    return seen.row("damaged model, discriminator and database", 4)


def faults(times: int, only: str = "") -> list[Row]:
    """Run all faults, or one; return the lines of a table."""
    few = max(1, times // 10)
    kinds: list[tuple[Callable[[int], Row], int]] = [
        (streams, times), (contributions, times), (training, few), (database, few), (chain, few), (full_disk, few),
        (damaged, 1),
    ]  # fmt: skip
    return [kind(count) for kind, count in kinds if only in ("", kind.__name__)]
