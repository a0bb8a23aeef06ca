"""A service with a fake generator; everything else is real."""

import inspect
import textwrap
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from gatllm.answering import Assistant, ConfidenceModel, FakeGenerator, Library
from gatllm.models import ChatOptions, Message
from gatllm.review import Reviewer
from gatllm.service import create_app
from tests.answering import conftest as answering

# Its fixtures. (`pytest_plugins` may stand in the topmost conftest only: pytest refuses the whole run.)
dataset, library, confidence = answering.dataset, answering.library, answering.confidence

REPLY = "Here it is:\n\n```python\ndef double(x)\n    return 2 * x\n```\n\nThat is all."
# Code that the library holds, so that an answer has a source.
QUOTE = f"The library has:\n\n```python\n{inspect.getsource(textwrap.indent)}```\n\n"
REPAIRED = REPLY.replace("(x)\n", "(x):\n")


class SlowGenerator(FakeGenerator):
    """Takes its time, and knows how many of it are at work."""

    def __init__(self, *replies: str, pause: float = 0.02) -> None:
        super().__init__(*replies)
        self.pause = pause
        self.working = 0
        self.most = 0
        self.said = 0

    def stream(self, messages: Sequence[Message], options: ChatOptions):  # type: ignore[no-untyped-def]
        import time

        self.working += 1
        self.most = max(self.most, self.working)
        try:
            for piece in super().stream(messages, options):
                time.sleep(self.pause)
                self.said += 1
                yield piece
        finally:
            self.working -= 1


Connect = Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def connect() -> Connect:
    @asynccontextmanager
    async def open_client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client

    return open_client


@pytest.fixture
def app() -> FastAPI:
    return create_app(Assistant(FakeGenerator(REPLY), Reviewer()))


@pytest.fixture
def informed(library: Library, confidence: ConfidenceModel) -> FastAPI:
    return create_app(Assistant(FakeGenerator(REPLY), Reviewer(), library, confidence=confidence))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small run and its proof."""
    from eth_account import Account

    from gatllm.proof import Key, write_proof
    from gatllm.training import Recipe, train

    folder = tmp_path_factory.mktemp("training") / "runs"
    recipe = Recipe.load("alphabetize", {"train.steps": 6, "train.batch": 4, "train.threads": 1, "model.width": 16})
    write_proof(train(recipe, folder / "tiny").path, Key(Account.create()))
    return folder
