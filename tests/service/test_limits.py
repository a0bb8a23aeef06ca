"""No request, however large, slow or rude, keeps others from theirs."""

import asyncio
import socket
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from gatllm.answering import Assistant, FakeGenerator
from gatllm.models import ChatOptions, Message
from gatllm.review import Reviewer
from gatllm.service import create_app, listen, protocol, slots
from gatllm.service.protocol import TimedProtocol
from gatllm.service.slots import BusyError, Slots, TooLongError
from tests.service.conftest import REPLY, Connect, SlowGenerator

BODY: dict[str, Any] = {"model": "gatllm", "messages": [{"role": "user", "content": "go"}]}


class Reads(Assistant):
    """Remembers which prompts were read."""

    def __init__(self, generator: FakeGenerator) -> None:
        super().__init__(generator, Reviewer())
        self.read: list[str] = []

    def stream(self, prompt: str, *more: Any, **options: Any) -> Any:
        self.read.append(prompt)
        return super().stream(prompt, *more, **options)


def test_a_prompt_that_is_too_long_is_refused_unread(connect: Connect) -> None:
    assistant = Reads(FakeGenerator(REPLY, context=1000))
    app = create_app(assistant)

    async def go() -> None:
        async with connect(app) as client:
            for content in ("x" * 1_000_000, "def f(:\n" * 100_000):
                long = BODY | {"messages": [{"role": "user", "content": content}]}
                response = await client.post("/v1/chat/completions", json=long)
                assert response.status_code == 400
                assert response.json()["error"]["code"] == "context_length_exceeded"

    asyncio.run(go())
    assert assistant.read == []


def test_tokens_are_counted_before_anything_reads_the_prompt(connect: Connect) -> None:
    class Counting(FakeGenerator):
        def count_tokens(self, messages: Sequence[Message]) -> int:
            return sum(len(message["content"].split()) for message in messages)

    assistant = Reads(Counting(REPLY, context=50))
    app = create_app(assistant)

    async def go() -> None:
        async with connect(app) as client:
            long = BODY | {"messages": [{"role": "user", "content": "word " * 60}]}
            error = (await client.post("/v1/chat/completions", json=long)).json()["error"]
            assert (error["code"], error["n_prompt_tokens"], error["n_ctx"]) == ("context_length_exceeded", 60, 50)

    asyncio.run(go())
    assert assistant.read == []


def test_readiness_does_not_wait_for_a_slot(connect: Connect) -> None:
    goes_on = threading.Event()

    class Stuck(FakeGenerator):
        def stream(self, messages: Sequence[Message], options: ChatOptions) -> Any:
            goes_on.wait()
            yield from super().stream(messages, options)

    app = create_app(Assistant(Stuck(REPLY), Reviewer()), slots=1)

    async def go() -> None:
        async with connect(app) as client:
            asked = asyncio.create_task(client.post("/v1/chat/completions", json=BODY))
            while not app.state.slots.running:
                await asyncio.sleep(0.01)
            response = await asyncio.wait_for(client.get("/readyz"), 10)
            assert response.json()["status"] == "busy"
            goes_on.set()
            assert (await asked).status_code == 200

    asyncio.run(go())


def _busy() -> Generator[int, None, None]:
    while True:
        time.sleep(0.01)
    yield 0


def test_work_that_says_nothing_for_too_long_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "PATIENCE", 0.05)
    monkeypatch.setattr(slots, "PING", 0.02)

    async def go() -> None:
        place = Slots(step_seconds=0.1)
        ticket = place.enter()
        with pytest.raises(TooLongError):
            async for _ in ticket.run(_busy):
                pass
        await ticket.leave()
        assert place.running == 0

    asyncio.run(go())
    # The slot is free before the thread has said its last word: it ends by itself, at once or a moment later.
    for thread in [thread for thread in threading.enumerate() if thread.name == "answer"]:
        thread.join(timeout=60)
        assert not thread.is_alive()


def test_who_leaves_stops_the_work_in_the_middle_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "PATIENCE", 0.05)

    async def go() -> None:
        place = Slots()
        ticket = place.enter()
        reading = asyncio.create_task(anext(ticket.run(_busy)))
        await asyncio.sleep(0.05)
        reading.cancel()
        await asyncio.wait([reading])
        await ticket.leave()
        assert place.running == 0

    asyncio.run(go())


def test_a_slot_survives_that_its_release_is_cancelled() -> None:
    stop, inside = threading.Event(), threading.Event()

    def work() -> Generator[int, None, None]:
        yield 1
        inside.set()
        stop.wait()
        yield 2

    async def go() -> None:
        place = Slots()
        ticket = place.enter()
        items = ticket.run(work)
        assert await anext(items) == 1
        while not inside.is_set():
            await asyncio.sleep(0.01)
        leaving = asyncio.create_task(ticket.leave())
        await asyncio.sleep(0.01)
        leaving.cancel()
        await asyncio.wait([leaving])
        assert place.running == 1  # the work is not over
        stop.set()
        while place.running:
            await asyncio.sleep(0.01)
        again = place.enter()
        assert await again.wait(1)
        await again.leave()

    asyncio.run(go())


def test_every_slot_works_however_many_there_are() -> None:
    """The event loop's own threads are few: work beyond them must not wait behind the queue's back."""
    count = 40
    together = threading.Barrier(count, timeout=20)

    def work() -> Generator[int, None, None]:
        together.wait()
        yield 1

    async def one(place: Slots) -> list[int | None]:
        ticket = place.enter()
        try:
            return [item async for item in ticket.run(work) if item]
        finally:
            await ticket.leave()

    async def go() -> None:
        place = Slots(size=count)
        assert await asyncio.gather(*(one(place) for _ in range(count))) == [[1]] * count

    asyncio.run(go())


def test_one_client_cannot_fill_the_queue_and_others_are_served_in_turn() -> None:
    async def go() -> None:
        place = Slots(size=1, queue=6, share=4)
        greedy = [place.enter("a") for _ in range(4)]
        with pytest.raises(BusyError, match="4 of your requests"):
            place.enter("a")
        other = place.enter("b")
        await greedy[0].leave()
        assert await other.wait(0.01)  # though three came before
        await other.leave()
        assert await greedy[1].wait(0.01)
        for ticket in greedy:
            await ticket.leave()
        assert (place.running, place.waiting) == (0, [])

    asyncio.run(go())


@pytest.mark.parametrize("text", ["\\ud800", "a\\udfffb"])
@pytest.mark.parametrize("where", ["content", "model", "stop", "key"])
def test_half_a_character_is_refused(app: FastAPI, connect: Connect, text: str, where: str) -> None:
    bodies = {
        "content": '{"model": "gatllm", "messages": [{"role": "user", "content": "%s"}]}',
        "model": '{"model": "%s", "messages": [{"role": "user", "content": "x"}]}',
        "stop": '{"model": "gatllm", "stop": ["%s"], "messages": [{"role": "user", "content": "x"}]}',
        "key": '{"model": "gatllm", "%s": 1, "messages": [{"role": "user", "content": "x"}]}',
    }

    async def go() -> None:
        async with connect(app) as client:
            headers = {"content-type": "application/json"}
            response = await client.post("/v1/chat/completions", content=bodies[where] % text, headers=headers)
            assert response.status_code == 400
            assert response.json()["error"]["message"]

    asyncio.run(go())


@pytest.mark.parametrize("content", [b"prompt=%ED%A0%80", b"prompt=a%00b", b"prompt=%ff%fe", b"conversation=%ED%A0%80"])
def test_half_a_character_in_a_form_is_no_failure(app: FastAPI, connect: Connect, content: bytes) -> None:
    async def go() -> None:
        async with connect(app) as client:
            headers = {"content-type": "application/x-www-form-urlencoded"}
            response = await client.post("/chat", content=content, headers=headers)
            assert response.status_code < 500

    asyncio.run(go())


@pytest.fixture
def served() -> Iterator[tuple[FastAPI, int, SlowGenerator]]:
    generator = SlowGenerator("word " * 100_000, pause=0)
    app = create_app(Assistant(generator, Reviewer()))
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, http=TimedProtocol, log_level="critical"))
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
    thread.start()
    yield app, listener.getsockname()[1], generator
    server.should_exit = server.force_exit = True
    thread.join()
    listener.close()


def _read(connection: socket.socket) -> bytes:
    connection.settimeout(20)
    said = b""
    while piece := connection.recv(65536):
        said += piece
    return said


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b""),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n", b""),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea", b"200 OK"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{", b"408"),
        (b"POST /chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n"
         b"Content-Type: application/x-www-form-urlencoded\r\n\r\nprompt", b"408"),
    ],
)  # fmt: skip
def test_what_is_sent_by_half_is_given_up(
    served: tuple[FastAPI, int, SlowGenerator], monkeypatch: pytest.MonkeyPatch, sent: bytes, answer: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", served[1])) as connection:
        connection.sendall(sent)
        said = _read(connection)  # it ends: the server closed
    assert answer in said.split(b"\r\n", 1)[0]


def test_a_client_that_does_not_read_loses_its_slot(
    served: tuple[FastAPI, int, SlowGenerator], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, port, generator = served
    monkeypatch.setattr(protocol, "READER_SECONDS", 0.3)
    request = (
        b'{"model": "gatllm", "stream": true, "max_tokens": 100000, "messages": [{"role": "user", "content": "x"}]}'
    )
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {len(request)}\r\n\r\n".encode() + request)
        for _ in range(1000):
            if generator.said and not app.state.slots.running:
                break
            time.sleep(0.02)
    assert generator.said
    assert app.state.slots.running == 0
