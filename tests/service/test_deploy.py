"""The deployment that `docs/deploy` describes: its file holds together, and what it starts works by hand."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import yaml  # type: ignore[import-untyped]

from gatllm.answering import Assistant, FakeGenerator
from gatllm.cli.frame import app as command_line
from gatllm.review import Reviewer
from gatllm.service import create_app, listen
from gatllm.service.accounts import Accounts
from gatllm.service.database import open_database
from tests.service.test_database import postgres  # noqa: F401  # a fixture

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy"
SET = {"PASSWORD": "secret", "SITE": "chat.example", "MODEL": "some/model"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+)\}", text)) == set(SET)  # what its head says that .env must set
    for name, value in SET.items():
        text = text.replace(f"${{{name}}}", value)
    parsed: dict[str, Any] = yaml.safe_load(text)
    return parsed


def _serving(service: dict[str, Any]) -> list[str]:
    """Return how a worker is started, as the command line takes it."""
    words = shlex.split(shlex.split(service["command"])[2])
    return words[words.index("gatllm") + 1 :]


def test_the_compose_file_names_what_there_is(compose: dict[str, Any]) -> None:
    services, volumes = compose["services"], set(compose["volumes"])
    assert set(services) == {"db", "engine", "worker-1", "worker-2", "proxy"}
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= set(services), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (DEPLOY / source).is_file() if source.startswith(".") else source in volumes, volume
    assert services["worker-1"] == services["worker-2"]
    assert "healthcheck" in services["db"]  # which the workers wait for


def test_workers_are_started_with_options_that_there_are(compose: dict[str, Any]) -> None:
    command, bound, *_ = command_line.parse_args(_serving(compose["services"]["worker-1"]), exit_on_error=False)
    given = bound.arguments
    assert command.__name__ == "serve"
    assert given["database"] == "postgresql://gatllm:secret@db/gatllm"
    assert given["model"] == ["http://engine:8000/v1"]
    assert given["allow_host"] == ["chat.example"]
    assert given["private"]
    grace = command_line.parse_args(["serve"], exit_on_error=False)[1].signature.parameters["grace"].default
    assert float(compose["services"]["worker-1"]["stop_grace_period"].rstrip("s")) > grace


def test_the_proxy_reaches_the_workers_and_asks_for_a_path_that_there_is(compose: dict[str, Any]) -> None:
    caddy = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    assert set(re.findall(r"(\S+):8000", caddy)) == {name for name in compose["services"] if name.startswith("worker")}
    [path] = re.findall(r"health_uri (\S+)", caddy)
    routes = create_app(Assistant(FakeGenerator("Hello."), Reviewer())).openapi()["paths"]
    assert path in routes


@pytest.fixture
def engine() -> Iterator[str]:
    """An engine that speaks OpenAI's API: another gatllm, with a generator that says one thing."""
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(create_app(Assistant(FakeGenerator("Four."), Reviewer())), log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    server.should_exit = True
    thread.join()


def _worker(number: int, engine: str, url: str, home: Path, *more: str) -> tuple[subprocess.Popen[bytes], str]:
    command = [sys.executable, "-m", "gatllm", "serve", "--port", "0", "--model", engine, "--database", url, *more]
    said = home / f"worker-{number}.log"
    with said.open("wb") as log:
        environment = {**os.environ, "XDG_DATA_HOME": str(home)}
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=home)
    while process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+", said.read_text(encoding="utf-8")):
            return process, found[0]
        time.sleep(0.1)
    raise AssertionError(f"it did not start: {said.read_text(encoding='utf-8')}")


@pytest.mark.slow
def test_two_workers_share_one_database(postgres: str, engine: str, tmp_path: Path) -> None:  # noqa: F811
    database = open_database(postgres)
    accounts = Accounts(database)
    key = accounts.new_key(accounts.add_user("deployed", "correct horse", "operator"), "test")
    database.close()
    headers = {"authorization": f"Bearer {key}"}
    body = {"model": "gatllm", "messages": [{"role": "user", "content": "two and two"}]}
    more = ("--private", "--slots", "4", "--rate", "1")
    workers = [_worker(number, engine, postgres, tmp_path, *more) for number in range(2)]
    try:

        def ask(at: int) -> httpx.Response:
            return httpx.post(f"{workers[at][1]}/v1/chat/completions", json=body, headers=headers, timeout=60)

        assert httpx.post(f"{workers[0][1]}/v1/chat/completions", json=body, timeout=60).status_code == 401
        answers = [ask(0), ask(1)]
        assert [answer.status_code for answer in answers] == [200, 429]  # whichever worker is asked
        assert answers[0].json()["choices"][0]["message"]["content"] == "Four."
        pages = [httpx.get(f"{site}/account", headers=headers, timeout=60).text for _, site in workers]
        assert all("correct" not in page and "test" in page for page in pages)
        talk = httpx.post(f"{workers[0][1]}/chat", data={"prompt": "hello"}, headers=headers, timeout=60)
        assert talk.status_code == 429  # the page counts with the API
        workers[0][0].send_signal(signal.SIGKILL)
        assert httpx.get(f"{workers[1][1]}/account", headers=headers, timeout=60).status_code == 200
    finally:
        for process, _ in workers:
            process.terminate()
            process.wait(60)
