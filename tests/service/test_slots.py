"""Slots come back whatever happens; the queue is bounded; who leaves stops the work; the end is orderly."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from gatllm.answering import Assistant, FakeGenerator
from gatllm.errors import GatllmError
from gatllm.review import Reviewer
from gatllm.service import create_app, health, listen
from gatllm.service.slots import BusyError, Slots, StoppingError
from tests.service.conftest import REPLY, Connect, SlowGenerator

LONG = "word " * 400
BODY: dict[str, Any] = {"model": "gatllm", "messages": [{"role": "user", "content": "go"}]}


def test_first_come_first_served_and_then_full() -> None:
    async def go() -> None:
        slots = Slots(size=1, queue=2)
        first, second, third = slots.enter(), slots.enter(), slots.enter()
        with pytest.raises(BusyError):
            slots.enter()
        assert await first.wait(0)
        assert not await third.wait(0.01)
        await first.leave()
        assert await second.wait(0.01)
        assert not await third.wait(0.01)
        await second.leave()
        assert await third.wait(0.01)
        await third.leave()
        assert (slots.running, len(slots.waiting)) == (0, 0)

    asyncio.run(go())


def test_who_leaves_the_queue_does_not_keep_a_slot() -> None:
    async def go() -> None:
        slots = Slots(size=1, queue=2)
        first, second, third = slots.enter(), slots.enter(), slots.enter()
        await second.leave()
        await first.leave()
        await first.leave()  # twice is once
        assert await third.wait(0.01)
        await third.leave()
        fourth, fifth = slots.enter(), slots.enter()
        await fourth.leave()  # hands its slot to the fifth, which leaves without having looked
        await fifth.leave()
        assert (slots.running, len(slots.waiting)) == (0, 0)

    asyncio.run(go())


def test_who_is_cancelled_while_it_leaves_gives_the_slot_back() -> None:
    async def go() -> None:
        slots = Slots(size=1, queue=1)
        first, second = slots.enter(), slots.enter()
        going = threading.Event()

        def work() -> Generator[int, None, None]:
            try:
                yield 1
            finally:
                going.wait(5)  # it takes its time to stop, and the slot is not free before

        items = first.run(work)
        assert await anext(items) == 1
        leaving = asyncio.create_task(first.leave())
        await asyncio.sleep(0.05)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert not second.has_slot
        going.set()
        assert await second.wait(5)
        await second.leave()
        await items.aclose()
        assert (slots.running, len(slots.waiting)) == (0, 0)

    asyncio.run(go())


def test_all_slots_work_at_once_however_few_threads_the_loop_has() -> None:
    async def go() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        slots = Slots(size=12, queue=0)
        together = threading.Barrier(12)

        def work() -> Generator[int, None, None]:
            yield together.wait(10)  # broken, unless all twelve are there

        async def one() -> int:
            ticket = slots.enter()
            numbers = [number async for number in ticket.run(work) if number is not None]
            await ticket.leave()
            return numbers[0]

        assert sorted(await asyncio.gather(*(one() for _ in range(12)))) == list(range(12))
        assert slots.running == 0

    asyncio.run(go())


def test_who_waits_is_told_about_the_end() -> None:
    async def go() -> None:
        slots = Slots(size=1, queue=2)
        first, second = slots.enter(), slots.enter()
        slots.begin_stop(5)
        with pytest.raises(StoppingError):
            await second.wait(1)
        with pytest.raises(StoppingError):
            slots.enter()
        await second.leave()
        await first.leave()
        assert slots.running == 0

    asyncio.run(go())


def test_more_than_the_queue_holds_is_told_to_come_back(connect: Connect) -> None:
    generator = SlowGenerator("word " * 10)
    app = create_app(Assistant(generator, Reviewer()), slots=1, queue=1)

    async def go() -> None:
        async with connect(app) as client:
            asked = [client.post("/v1/chat/completions", json=BODY) for _ in range(5)]
            responses = await asyncio.gather(*asked)
        assert sorted(response.status_code for response in responses) == [200, 200, 429, 429, 429]
        refused = next(response for response in responses if response.status_code == 429)
        assert refused.headers["retry-after"] == "5"
        assert refused.json()["error"]["type"] == "rate_limit_error"

    asyncio.run(go())
    assert generator.most == 1
    assert app.state.slots.running == 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The real server in a process of its own, with a slow generator."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = f"""
import sys
from tests.service.conftest import SlowGenerator
from gatllm.answering import Assistant
from gatllm.review import Reviewer
from gatllm.service import create_app, listen, serve
generator = SlowGenerator({LONG!r}, pause=0.02)
app = create_app(Assistant(generator, Reviewer()), slots=2, queue=4)
app.add_api_route("/said", lambda: generator.said)
serve(app, listen("127.0.0.1", {port}), grace=1.5)
print("ended well")
"""
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            httpx.get(f"{address}/healthz")
            break
        except httpx.TransportError:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            time.sleep(0.1)
    yield process, address
    process.kill()
    process.communicate()


def test_clients_that_leave_free_their_slots_and_stop_the_work(server: tuple[subprocess.Popen[str], str]) -> None:
    _, address = server

    async def impatient(client: httpx.AsyncClient, stream: bool) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.post("/v1/chat/completions", json=BODY | {"stream": stream})

    async def go() -> None:
        async with httpx.AsyncClient(base_url=address) as client:
            await asyncio.gather(*(impatient(client, stream) for stream in (True, False) * 3))
            for _ in range(100):
                state = (await client.get("/readyz")).json()
                if state["running"] == state["waiting"] == 0:
                    break
                await asyncio.sleep(0.1)
            assert (state["running"], state["waiting"]) == (0, 0)
            before = (await client.get("/said")).json()
            await asyncio.sleep(0.3)
            assert (await client.get("/said")).json() == before
            answer = await client.post("/v1/chat/completions", json=BODY | {"max_tokens": 3}, timeout=20)
            assert answer.status_code == 200

    asyncio.run(go())


def test_on_sigterm_open_streams_end_with_an_event_and_the_process_ends_well(
    server: tuple[subprocess.Popen[str], str],
) -> None:
    process, address = server
    lines: list[str] = []
    with httpx.stream("POST", f"{address}/v1/chat/completions", json=BODY | {"stream": True}, timeout=30) as response:
        for line in response.iter_lines():
            lines.append(line)
            if len(lines) == 4:
                process.send_signal(signal.SIGTERM)
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    assert json.loads(data[-2])["error"]["code"] == "shutting_down"
    out, err = process.communicate(timeout=20)
    assert process.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in err
    assert out.strip() in ("ended well", "")


def test_while_it_stops_it_is_not_ready(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            assert (await client.get("/healthz")).json() == {"status": "ok"}
            assert (await client.get("/readyz")).status_code == 200
            app.state.slots.begin_stop(1)
            assert (await client.get("/readyz")).status_code == 503
            response = await client.post("/v1/chat/completions", json=BODY)
            assert response.status_code == 503
            assert response.json()["error"]["code"] == "shutting_down"
            assert (await client.get("/healthz")).status_code == 200

    asyncio.run(go())


def test_work_that_begins_after_a_long_rest_has_not_been_silent(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        app.state.slots.last_sign -= 3600
        held = app.state.slots.enter()
        async with connect(app) as client:
            response = await client.get("/readyz")
        assert (response.status_code, response.json()["status"]) == (200, "busy")
        await held.leave()

    asyncio.run(go())


def test_a_model_that_makes_no_token_is_not_ready(connect: Connect) -> None:
    class Broken(FakeGenerator):
        def generate(self, conversations: Any, options: Any) -> Any:
            raise RuntimeError

    app = create_app(Assistant(Broken(REPLY), Reviewer()))

    async def go() -> None:
        async with connect(app) as client:
            response = await client.get("/readyz")
            assert response.status_code == 503
            assert response.json()["status"] == "no token: RuntimeError"
            assert response.json()["running"] == 0

    asyncio.run(go())


def test_a_probe_that_hangs_keeps_its_slot_until_it_ends(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_FIRST_SECONDS", 0.05)
    monkeypatch.setattr(health, "_FRESH_SECONDS", 0)
    goes_on = threading.Event()

    class Hanging(FakeGenerator):
        def generate(self, conversations: Any, options: Any) -> Any:
            goes_on.wait()
            return super().generate(conversations, options)

    app = create_app(Assistant(Hanging(REPLY), Reviewer()), queue=0)
    app.state.slots.step_seconds = 0.5

    async def go() -> None:
        async with connect(app) as client:
            try:
                for _ in range(2):  # the second one asks while the first one hangs
                    response = await client.get("/readyz")
                    assert (response.status_code, response.json()["status"]) == (503, "starting")
                    assert response.json()["running"] == 1
                assert (await client.post("/v1/chat/completions", json=BODY)).status_code == 429
                await asyncio.sleep(2.5)  # it is looked after once a second
                assert (await client.get("/readyz")).json()["status"] in ("no token: TooLongError", "no sign of life")
                assert app.state.slots.running == 1
            finally:
                goes_on.set()
            while app.state.slots.running:
                await asyncio.sleep(0.01)
            for _ in range(100):
                if (await client.get("/readyz")).status_code == 200:
                    break
                await asyncio.sleep(0.01)
            assert (await client.get("/readyz")).status_code == 200

    asyncio.run(go())


def test_numbers_for_monitoring(app: FastAPI, connect: Connect) -> None:
    async def go() -> None:
        async with connect(app) as client:
            await client.post("/v1/chat/completions", json=BODY)
            text = (await client.get("/metrics")).text
        assert 'vllm:request_success_total{finished_reason="stop"} 1' in text
        assert "vllm:num_requests_running 0" in text
        assert "vllm:time_to_first_token_seconds_count 1" in text
        assert 'gatllm_http_responses_total{status="2xx"}' in text

    asyncio.run(go())


def test_a_taken_port_is_one_clear_line() -> None:
    taken = listen("127.0.0.1", 0)
    try:
        with pytest.raises(GatllmError, match="address already in use") as caught:
            listen("127.0.0.1", taken.getsockname()[1])
        assert "--port" in caught.value.cure
    finally:
        taken.close()


@pytest.mark.parametrize("host", ["203.0.113.1", "no-such-host.invalid", "x" * 70])
def test_an_address_of_another_machine_is_one_clear_line(host: str) -> None:
    with pytest.raises(GatllmError, match=f"can't listen on {re.escape(host)}") as caught:
        listen(host, 0)
    assert "--host" in caught.value.cure
    assert "--port" not in caught.value.cure
