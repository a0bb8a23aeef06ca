"""The pay wall when it can't know: it refuses, and says what is away."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gatllm.errors import GatllmError
from gatllm.service import paywall
from gatllm.service.database import DatabaseError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DatabaseError("the database does not answer", "try again later"), "database_unavailable"),
        (GatllmError("the chain does not answer", "try again later"), "chain_unreachable"),
    ],
)
def test_nobody_is_let_in_while_something_is_away(monkeypatch: pytest.MonkeyPatch, error: Exception, code: str) -> None:
    reached: list[str] = []
    app = FastAPI()

    @app.post("/v1/chat/completions")
    def answer() -> dict[str, str]:
        reached.append("answer")
        return {}

    def away(*_: Any) -> str:
        raise error

    monkeypatch.setattr(paywall, "session_of", away)
    walled: Any = paywall.Paywall(app, object(), ("/v1/chat/completions",))  # type: ignore[arg-type]
    response = TestClient(walled).post("/v1/chat/completions", json={})
    assert (response.status_code, response.json()["error"]["code"]) == (503, code)
    assert reached == []
