"""Puts the service together."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import tempfile
import weakref
from collections.abc import AsyncIterator, Collection
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from gatllm import __version__
from gatllm.answering import Assistant
from gatllm.models import ChatGenerator
from gatllm.service import errors, health, metrics, openai, pages
from gatllm.service.access import Access, Openness
from gatllm.service.accounts import Accounts
from gatllm.service.attribution import Attribution
from gatllm.service.contributions import UPLOAD_BYTES
from gatllm.service.conversations import Conversations
from gatllm.service.data_requests import DataRequests
from gatllm.service.database import Database, DatabaseError, temporary_database
from gatllm.service.feedback import FeedbackBook
from gatllm.service.guard import Guard
from gatllm.service.health import Prober
from gatllm.service.jobs import Jobs
from gatllm.service.market import Market
from gatllm.service.metrics import Metrics
from gatllm.service.pages.rendering import message
from gatllm.service.parts import Parts
from gatllm.service.paywall import Paywall
from gatllm.service.personal_data import PersonalData
from gatllm.service.protocol import Patience
from gatllm.service.rates import Rates
from gatllm.service.sessions import Sessions
from gatllm.service.slots import Slots
from gatllm.service.training_runs import TrainingRuns
from gatllm.service.training_work import TrainingWork
from gatllm.service.usage import UsageBook

LARGEST_BODY = 2 << 20
_VERSIONED = re.compile(r"vendor/.+-\d+(\.\d+)+\.js")
_DAY = 24 * 3600


class _Static(StaticFiles):
    """Files of the page: those whose names hold a version are kept by browsers, the others are asked after."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file, and say for how long it holds."""
        answer = await super().get_response(path, scope)
        if answer.status_code in (200, 304):
            kept = "public, max-age=31536000, immutable" if _VERSIONED.fullmatch(path) else "no-cache"
            answer.headers["cache-control"] = kept
        return answer


class _BodyLimits:
    """ASGI middleware: bodies are small, but for uploads that a page without script sends at once."""

    def __init__(self, app: ASGIApp) -> None:
        self._small = RequestBodyLimitMiddleware(app, max_body_size=LARGEST_BODY)
        self._large = RequestBodyLimitMiddleware(app, max_body_size=UPLOAD_BYTES + LARGEST_BODY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on under its limit."""
        upload = scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", "/contribute")
        await (self._large if upload else self._small)(scope, receive, send)


def create_app(
    assistant: Assistant,
    *,
    database: Database | None = None,
    openness: Openness | None = None,
    slots: int = 1,
    queue: int = 8,
    rate: float = 0,
    hosts: Collection[str] | None = None,
    origins: Collection[str] = (),
    market: Market | None = None,
    paid: bool = False,
    free: int = 0,
    runs: Collection[Path] = (),
    others: Collection[ChatGenerator] = (),
    transcripts: Path | None = None,
) -> FastAPI:
    """Return the web application: chat page, OpenAI-compatible API, health.

    Args:
        assistant: who answers; its requests for data go into the database from now on.
        database: where accounts and conversations are kept; None: in a temporary file, gone with the app.
        openness: see `Access`; None: ``public`` with a market, else ``local``.
        slots: how many answers are generated at once.
        queue: how many more requests may wait; beyond, they get 429.
        rate: how many questions a minute one key, account or address may ask; 0: any number.
        hosts: the names by which the service is reached; None: only this machine's own, empty: any.
        origins: the web sites whose pages may use the API (CORS).
        market: what the market's pages work on; None: there are none.
        paid: answer only those who have a subscription.
        free: how many questions a month a signed-in wallet may ask without one.
        runs: run folders, or folders of them, that the training page shows; new runs go into the first such folder.
        others: more generators to choose from; what they write is reviewed and traced by the same assistant.
        transcripts: where transcripts of answers are kept, of people who agreed to that; None: nowhere.
    """
    openness = openness or ("public" if market is not None else "local")
    app = FastAPI(
        title="gatllm", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False, lifespan=_lifespan
    )
    kept = database or _temporary(app)
    accounts = Accounts(kept)
    # Several clients share the queue, so that none may fill it; one person's own programs need not be kept apart.
    share = None if openness == "local" else max(1, (slots + queue + 1) // 2)
    library = assistant.library
    assistant.data_requests = data_requests = DataRequests(kept)
    waiting = Slots(slots, queue, share)
    training_runs = TrainingRuns(list(runs), [Path(dataset.path) for dataset in library.datasets] if library else [])
    parts = app.state.parts = Parts(
        assistant=assistant,
        slots=waiting,
        prober=Prober(waiting, assistant.generator),
        metrics=Metrics(),
        rates=Rates(kept, "questions", rate),
        tries=Rates(kept, "sign-in", a_minute=10, burst=10),
        database=kept,
        accounts=accounts,
        access=Access(accounts, openness),
        conversations=Conversations(kept),
        data_requests=data_requests,
        feedback=FeedbackBook(kept),
        personal_data=PersonalData(kept),
        usage=UsageBook(kept),
        jobs=Jobs(kept, market.work.handlers if market is not None else None),
        attribution=Attribution(kept, transcripts),
        tokens_of=market.catalogue.tokens_of if market is not None else None,
        training_runs=training_runs,
        training=TrainingWork(kept, training_runs.place) if training_runs.place is not None else None,
        models={one.generator.name: one for one in [assistant, *(assistant.beside(other) for other in others)]},
        market=market,
    )
    app.state.slots = waiting
    errors.install(app, message)
    app.add_middleware(_BodyLimits)
    if market is not None:
        market.sessions = Sessions(accounts)
        app.state.market = market
        app.include_router(pages.market_router)
        if paid:
            app.add_middleware(Paywall, market=market, paths=PAID, free=free)
    app.add_middleware(Patience)
    if origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(origins), allow_methods=["GET", "POST"], expose_headers=["x-request-id"],
            allow_headers=["authorization", "content-type", "x-request-id", "x-stainless-*"], max_age=600,
        )  # fmt: skip
    app.add_middleware(Guard, hosts=hosts, origins=origins, metrics=parts.metrics)
    for router in (openai.router, health.router, metrics.router, pages.router):
        app.include_router(router)
    app.mount("/static", _Static(directory=Path(__file__).parent / "static"), name="static")
    return app


# What costs: answers, however they are asked for.
PAID = (
    "/chat",
    *(f"/v1/{name}" for name in ("chat/completions", "completions", "responses", "embeddings", "review", "fix")),
)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    parts.prober.state()  # begin to find out whether the model answers before anyone asks
    if isinstance(parts.market, Market):
        with contextlib.suppress(DatabaseError):  # whoever looks at their contribution queues it then
            await asyncio.to_thread(parts.market.work.resume, parts.jobs, parts.accounts.wallet)
        parts.jobs.start()
    if parts.training is not None:
        parts.training.jobs.start()
    tidying = asyncio.create_task(_tidy(parts))
    yield
    tidying.cancel()
    await asyncio.to_thread(parts.jobs.stop)
    if parts.training is not None:
        await asyncio.to_thread(parts.training.jobs.stop)
    if parts.saving:
        await asyncio.wait(parts.saving, timeout=5)


async def _tidy(parts: Parts) -> None:
    while True:
        with contextlib.suppress(Exception):  # tomorrow again
            await asyncio.to_thread(parts.personal_data.forget_visitors)
        await asyncio.sleep(_DAY)


def _temporary(app: FastAPI) -> Database:
    folder = tempfile.mkdtemp(prefix="gatllm-service-")
    database = temporary_database(Path(folder) / "service.db")

    def remove() -> None:
        database.close()
        shutil.rmtree(folder, ignore_errors=True)

    weakref.finalize(app, remove)
    return database
