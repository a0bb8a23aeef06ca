"""The pay wall when it can't know: it refuses, and says what is away."""

from __future__ import annotations

from types import SimpleNamespace
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


@pytest.mark.parametrize(
    ("free", "used", "paid", "status"),
    [(3, 2, False, 200), (3, 3, False, 402), (3, 4, False, 402), (None, 0, False, 402), (None, 9, True, 200)],
)
def test_free_questions_end_and_what_is_paid_does_not(
    monkeypatch: pytest.MonkeyPatch, free: int | None, used: int, paid: bool, status: int
) -> None:
    app = FastAPI()

    @app.post("/v1/chat/completions")
    def answer() -> dict[str, str]:
        return {}

    parts = SimpleNamespace(
        usage=SimpleNamespace(requests_this_month=lambda account: used), accounts=SimpleNamespace(wallet=str)
    )
    market: Any = SimpleNamespace(
        paid_until=lambda address: 2**40 if paid else 0, subscriptions=SimpleNamespace(price=lambda: 10**16)
    )
    monkeypatch.setattr(paywall, "session_of", lambda *_: "0xabc")
    monkeypatch.setattr(paywall, "parts_of", lambda request: parts)
    more = {} if free is None else {"free": free}
    walled: Any = paywall.Paywall(app, market, ("/v1/chat/completions",), **more)
    response = TestClient(walled).post("/v1/chat/completions", json={})
    assert response.status_code == status
    if status == 402:
        error = response.json()["error"]
        assert error["price_wei"] == str(10**16)
        assert ("free questions" in error["message"]) == (free is not None)
