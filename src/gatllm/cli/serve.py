"""``gatllm serve``: the chat page and the OpenAI-compatible API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from gatllm.cli.console import note, progress_report
from gatllm.errors import UsageError

_FLAG = Parameter(negative=())


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    allow_host: list[str] | None = None,
    model: str | None = None,
    small: Annotated[bool, _FLAG] = False,
    data: list[Path] | None = None,
    discriminator: Path | None = None,
    max_tokens: int = 400,
    slots: int = 1,
    queue: int = 8,
    grace: float = 10.0,
    wishes: Path = Path("wishes.jsonl"),
    market: Annotated[bool, _FLAG] = False,
    paid: Annotated[bool, _FLAG] = False,
    rpc: Annotated[str | None, Parameter(env_var="GATLLM_RPC")] = None,
) -> None:
    """Serve the chat page and `POST /v1/chat/completions` until Ctrl-C.

    Args:
        host: the address to listen on; the default is reached from this machine only.
        port: the port; 0 takes a free one.
        allow_host: a name by which browsers reach the service, where it is not this machine's own; may be repeated.
        model: see `gatllm ask`.
        small: see `gatllm ask`.
        data: see `gatllm ask`.
        discriminator: see `gatllm ask`.
        max_tokens: the longest answer, where a request says nothing else.
        slots: how many answers are generated at once.
        queue: how many more requests may wait; the next ones are told to come back later.
        grace: seconds that open answers get to end when the service is stopped.
        wishes: the log in which prompts below the threshold are kept.
        market: also serve /market, where wallets sign in, pay, mint and unlock.
        paid: answer only those who have a subscription (with --market).
        rpc: RPC address of the market's chain; by default the local chain of `gatllm market devnet`.
    """
    if not 0 <= port < 65536:
        raise UsageError(f"there is no port {port}", "name one from 0 to 65535")
    if slots < 1 or queue < 0 or grace < 0:
        raise UsageError("--slots must be at least 1, --queue and --grace at least 0")
    from gatllm.answering.opening import open_assistant
    from gatllm.cli.market_setting import open_market
    from gatllm.models import ChatOptions
    from gatllm.service import create_app, listen
    from gatllm.service import serve as run
    from gatllm.service.guard import LOOPBACK

    if paid and not market:
        raise UsageError("--paid needs --market", "people must be able to pay somewhere")
    listener = listen(host, port)  # first: a taken port is known before a model is loaded
    try:
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}"
        hosts = _hosts(host, allow_host or [])
        site = f"https://{allow_host[0]}" if allow_host else address
        opened = open_market(rpc, site) if market else None
        with progress_report() as report:
            assistant = open_assistant(
                model=model,
                small=small,
                data=data or [],
                discriminator=discriminator,
                wishes=wishes,
                options=ChatOptions(max_new_tokens=max_tokens),
                report=report,
            )
        app = create_app(assistant, slots=slots, queue=queue, hosts=hosts, market=opened, paid=paid)
        note(f"chat: {address}/   API: {address}/v1   (Ctrl-C stops)")
        if host not in LOOPBACK:
            note("others can reach this machine's service; it asks for no password, and --allow-host adds host names")
        run(app, listener, grace=grace)
    except KeyboardInterrupt:
        note("stopped")
    finally:
        listener.close()


def _hosts(host: str, named: list[str]) -> list[str]:
    from gatllm.service.guard import LOOPBACK

    return [*LOOPBACK, host, *named]
