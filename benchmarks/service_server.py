"""A service with a generator that keeps time, for `benchmarks/service.py`: all of it is real but the words.

python benchmarks/service_server.py FOLDER [--slots 200] [--database URL] [--rpc URL] [--bare] [--port N]
python benchmarks/service_server.py --forks

It says the port that it listens on as its first line. Each word carries the name that its prompt begins with, its
number and the moment at which it was made: a reader can tell what is lost, what is another's and how late it comes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from gatllm.models import ChatOptions, Completion, Message

CODE = "\n```python\ndef area(width, height):\n    return width * height\n```\n"


class PacedGenerator:
    """Says as many words as the prompt asks for, one every so many seconds: ``NAME WORDS SECONDS [code]``."""

    name, context = "paced", 100_000

    def stream(self, messages: Sequence[Message], options: ChatOptions) -> Iterator[str | Completion]:
        """Yield words in their time."""
        asked = str(messages[-1]["content"]).split()
        name, words, pace = (asked[0], int(asked[1]), float(asked[2])) if len(asked) > 2 else ("probe", 1, 0.0)
        text, due = "", time.monotonic()
        for number in range(words):
            due += pace
            time.sleep(max(0.0, due - time.monotonic()))
            text += (piece := f"{name}:{number}:{time.monotonic():.6f} ")
            yield piece
        if "code" in asked:
            text += CODE
            yield CODE
        yield Completion(text, "stop", 3, words)

    def generate(self, conversations: Sequence[Sequence[Message]], options: ChatOptions) -> list[Completion]:
        """Answer one after the other."""
        return [[*self.stream(messages, options)][-1] for messages in conversations]  # type: ignore[misc]


def bare_app() -> Any:
    """Return the least that streams the same words: what the framework alone costs."""
    app = FastAPI()

    @app.post("/v1/chat/completions")
    async def answer(request: Request) -> StreamingResponse:
        name, words, pace = (await request.json())["messages"][-1]["content"].split()[:3]

        async def chunks() -> AsyncIterator[bytes]:
            due = time.monotonic()
            for number in range(int(words)):
                due += float(pace)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                yield b'data: {"content": "%s:%d:%.6f "}\n\n' % (name.encode(), number, time.monotonic())
            yield b'data: {"finish_reason": "stop"}\n\ndata: [DONE]\n\n'

        return StreamingResponse(chunks(), media_type="text/event-stream")

    return app


def _market(rpc: str, folder: Path, port: int) -> Any:
    from gatllm.market import (
        Chain,
        DatasetTokens,
        KeyVault,
        LocalStore,
        Policy,
        SignIn,
        Subscriptions,
        load_deployment,
    )
    from gatllm.service.market import Market

    chain = Chain(rpc)
    chain.policy = Policy(confirmations=1, poll=0.05)
    deployment = load_deployment(folder, chain.chain_id)
    site = f"http://127.0.0.1:{port}"
    signin = SignIn(folder / "nonces", domain=f"127.0.0.1:{port}", uri=f"{site}/market", chain_id=chain.chain_id)
    return Market(
        tokens=DatasetTokens(chain, deployment), subscriptions=Subscriptions(chain, deployment), deployment=deployment,
        vault=KeyVault(folder / "keys"), signin=signin, store=LocalStore(folder / "store"), state_dir=folder,
    )  # fmt: skip


def main() -> None:
    """Serve until a signal; with ``--forks`` serve as each line of standard input says, in a process of its own."""
    if sys.argv[1:] == ["--forks"]:
        _fork()
    else:
        _serve(sys.argv[1:])


def _fork() -> None:
    """Load everything once: a hundred kills cost a hundred kills then, not a hundred starts."""
    for name in ("gatllm.market", "gatllm.proof", "gatllm.service.app", "uvicorn"):
        import_module(name)
    from gatllm.review.default import load_reviewer

    reviewer = load_reviewer()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who was killed leaves nothing behind
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            arguments = json.loads(line)
            with Path(arguments[0], "server.log").open("a", encoding="utf-8") as log:
                os.dup2(log.fileno(), 2)
            print(os.getpid(), end=" ")
            _serve(arguments, reviewer)
            os._exit(0)


def _serve(arguments: list[str], reviewer: Any = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slots", type=int, default=200)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--database")
    parser.add_argument("--rpc")
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--bare", action="store_true")
    given = parser.parse_args(arguments)
    from gatllm.service import listen, serve

    listener = listen("127.0.0.1", given.port)
    port = listener.getsockname()[1]
    if given.bare:
        import uvicorn

        print(port, flush=True)
        uvicorn.Server(uvicorn.Config(bare_app(), log_level="error", http="h11")).run(sockets=[listener])
        return
    from gatllm.answering import Assistant
    from gatllm.review.default import load_reviewer
    from gatllm.service import create_app
    from gatllm.service.database import open_database

    database = open_database(given.database or given.folder / "service.db")
    market = _market(given.rpc, given.folder, port) if given.rpc else None
    assistant = Assistant(PacedGenerator(), reviewer or load_reviewer())
    app = create_app(
        assistant,
        database=database,
        openness="public" if market else "local",
        slots=given.slots,
        market=market,
        runs=[given.runs] if given.runs else [],
    )
    print(port, flush=True)
    serve(app, listener, grace=5)


if __name__ == "__main__":
    main()
