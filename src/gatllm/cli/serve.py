"""``gatllm serve``: the chat page and the OpenAI-compatible API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gatllm.cli.console import note, progress_report
from gatllm.cli.options import Version
from gatllm.errors import UsageError

if TYPE_CHECKING:
    from gatllm.service.access import Openness

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_FLAG = Parameter(negative=())


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    allow_host: list[str] | None = None,
    allow_origin: list[str] | None = None,
    private: Annotated[bool, _FLAG] = False,
    database: Annotated[str | None, Parameter(env_var="GATLLM_DATABASE")] = None,
    model: list[str] | None = None,
    small: Annotated[bool, _FLAG] = False,
    data: list[Path] | None = None,
    discriminator: Path | None = None,
    target_version: Version | None = None,
    max_tokens: int = 400,
    slots: int = 8,
    queue: int = 8,
    rate: float | None = None,
    grace: float = 10.0,
    wishes: Annotated[Path | None, Parameter(show=False)] = None,
    market: Annotated[bool, _FLAG] = False,
    paid: Annotated[bool, _FLAG] = False,
    free: int = 0,
    runs: list[Path] | None = None,
    rpc: Annotated[str | None, Parameter(env_var="GATLLM_RPC")] = None,
) -> None:
    """Serve the chat page and the OpenAI-compatible API until Ctrl-C.

    Args:
        host: the address to listen on; the default is reached from this machine only.
        port: the port; 0 takes a free one.
        allow_host: a name by which browsers reach the service, where it is not this machine's own; may be repeated.
        allow_origin: a web site whose pages may use the API, such as https://editor.example; may be repeated.
        private: answer only people who have an account (`gatllm service user add`) or an API key.
        database: where accounts and conversations are kept: a PostgreSQL URL or a SQLite file; by default a file in
            your data folder.
        model: see `gatllm ask`; or the address of an engine that speaks OpenAI's API (vLLM, llama.cpp, Ollama), such
            as http://localhost:8080/v1, in front of which gatllm reviews, traces and counts. May be repeated: people
            choose among several, the first is the default.
        small: see `gatllm ask`.
        data: see `gatllm ask`.
        discriminator: see `gatllm ask`.
        target_version: the oldest Python that written code is for (default: the one that runs here).
        max_tokens: the longest answer, where a request says nothing else.
        slots: how many answers are generated at once; those of a pretrained model grow in one batch.
        queue: how many more requests may wait; the next ones are told to come back later.
        rate: how many questions a minute one key, account or address may ask; by default 60 where others can reach the
            service, without end on this machine alone; 0: without end.
        grace: seconds that open answers get to end when the service is stopped.
        wishes: gone.
        market: also serve /market, where wallets sign in, pay, mint and unlock.
        paid: answer only those who have a subscription (with --market).
        free: how many questions a month a signed-in wallet may ask without a subscription (with --paid).
        runs: a folder of training runs, or one run, to show on the training page; may be repeated. By default `runs`
            here, and the run that --model names.
        rpc: RPC address of the market's chain; by default the local chain of `gatllm market devnet`.
    """
    if not 0 <= port < 65536:
        raise UsageError(f"there is no port {port}", "name one from 0 to 65535")
    if slots < 1 or queue < 0 or grace < 0:
        raise UsageError("--slots must be at least 1, --queue and --grace at least 0")
    if wishes is not None:
        raise UsageError("--wishes is gone: requests for data are kept in the database", "see them at /requests")
    if paid and not market:
        raise UsageError("--paid needs --market", "people must be able to pay somewhere")
    if free < 0 or (free and not paid):
        raise UsageError("--free needs --paid, and is not negative", "without --paid every question is free")
    from gatllm.answering.generators import load_generator
    from gatllm.answering.opening import open_assistant
    from gatllm.cli.market_options import open_market
    from gatllm.cli.service import default_database
    from gatllm.models import ChatOptions
    from gatllm.service import create_app, listen
    from gatllm.service import serve as run
    from gatllm.service.database import open_database

    listener = listen(host, port)  # first: a taken port is known before a model is loaded
    try:
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}"
        alone = host in LOOPBACK and not allow_host and not market
        openness: Openness = "private" if private else "local" if alone else "public"
        kept = open_database(database or default_database())
        site = f"https://{allow_host[0]}" if allow_host else address
        opened = open_market(rpc, site) if market else None
        with progress_report() as report:
            assistant = open_assistant(
                model=model[0] if model else None,
                small=small,
                data=data or [],
                discriminator=discriminator,
                target_version=target_version or "",
                options=ChatOptions(max_new_tokens=max_tokens),
                report=report,
            )
            others = [load_generator(other, report=report) for other in (model or [])[1:]]
        app = create_app(
            assistant,
            database=kept,
            openness=openness,
            slots=slots,
            queue=queue,
            rate=(0 if alone else 60) if rate is None else rate,
            hosts=[*LOOPBACK, host, *(allow_host or [])],
            origins=allow_origin or [],
            market=opened,
            paid=paid,
            free=free,
            runs=runs if runs is not None else [Path("runs"), *(Path(one) for one in model or [] if "://" not in one)],
            others=others,
            transcripts=default_database().parent / "transcripts",
        )
        note(f"chat: {address}/   API: {address}/v1   (Ctrl-C stops)")
        if openness == "public":
            note("whoever reaches this address may ask, each with their own history; --private asks for an account")
        run(app, listener, grace=grace)
    except KeyboardInterrupt:
        note("stopped")
    finally:
        listener.close()
