"""``gatllm node`` and ``gatllm verify``: a member of a council, and the check of what a council decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from gatllm.cli.console import note, print_json, progress_report
from gatllm.errors import UsageError


def node(
    *,
    role: Literal["both", "generator", "reviewer"] = "both",
    host: str = "127.0.0.1",
    port: int = 8100,
    key: Path | None = None,
    name: str | None = None,
    model: str | None = None,
    small: Annotated[bool, Parameter(negative=())] = False,
    discriminator: Path | None = None,
    seed: int = 0,
) -> None:
    """Run a council node over HTTP until Ctrl-C; `gatllm ask --council ADDRESS` asks it.

    Everything it says is signed with its key. With GATLLM_COUNCIL_PASSWORD it answers only who sends that password (set
    it where you ask, too); on another address than this machine's own it has to be set. Over open networks put a proxy
    with TLS in front.

    Args:
        role: propose (generator), criticise (reviewer) or both; every member votes.
        host: the address to listen on.
        port: the port; 0 takes a free one.
        key: the file of the member's key; made where there is none (default: in the user's cache folder).
        name: what the member is called (default: its model).
        model: see `gatllm ask`.
        small: see `gatllm ask`.
        discriminator: see `gatllm ask`.
        seed: what sets its proposals apart from those of members with the same model.
    """
    if not 0 <= port < 65536:
        raise UsageError(f"there is no port {port}", "name one from 0 to 65535")
    from gatllm.answering.council import Identity, Node, NodeServer
    from gatllm.answering.generators import load_generator
    from gatllm.answering.library import store_folder
    from gatllm.answering.opening import open_sandbox
    from gatllm.review.default import load_reviewer

    identity = Identity.load(key or store_folder().parent / "node.pem")
    with progress_report() as report:
        generator = load_generator(model, small=small, report=report) if role != "reviewer" else None
    reviewer = load_reviewer(discriminator) if role != "generator" else None
    title = name or (generator.name if generator else "reviewer")
    runner = open_sandbox() if role != "generator" else None
    server = NodeServer(Node(title, identity, generator, reviewer, seed, runner), host, port)
    note(f"{title} listens at {identity.public}@{server.address}   (Ctrl-C stops)")
    try:
        server.run()
    except KeyboardInterrupt:
        note("stopped")


def verify(transcript: Path, *, json: Annotated[bool, Parameter(negative=())] = False) -> None:
    """Check a transcript of `gatllm ask --transcript`: hashes, and each council's signatures, commitments and count.

    Args:
        transcript: the file.
        json: print what was found as JSON.
    """
    from gatllm.answering.council import verify_transcript

    found = verify_transcript(transcript)
    if json:
        print_json(found)
        return
    print(f"{found['entries']} entries, each follows from the one before; head {found['head']}")
    for each in found["councils"]:
        outcome = f"agreed on the answer of {each['by']}" if each["agreed"] else "did not agree"
        print(f"the council {outcome}: {each['messages']} signed messages, every commitment kept, the count is right")
