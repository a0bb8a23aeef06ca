"""``gatllm market``: from a token to its dataset, and the keys of sealed ones from seller to buyer."""

from __future__ import annotations

from pathlib import Path

from gatllm.cli.console import note, progress_report
from gatllm.cli.market_options import OPTIONS, MarketOptions, file_of, print_path
from gatllm.errors import UsageError


def unlock(
    token: str,
    *,
    out: Path | None = None,
    server: str | None = None,
    wrapped: Path | None = None,
    setting: MarketOptions = OPTIONS,
) -> None:
    """Fetch a dataset by its token, open it if it is sealed, and check it against the token.

    The content's key is kept in --state-dir afterwards, so that you can wrap it for your buyer.

    Parameters
    ----------
    token
        The token's id, or its dataset's Merkle root.
    out
        The dataset folder to make; datasets/TOKEN by default.
    server
        Address of the service that keeps the content's key; by default the key is looked for in --state-dir, where
        it opens for the token's owner only.
    wrapped
        The file in which the seller wrapped the content's key for you (`gatllm market wrap`).
    """
    from gatllm.market import unlock_dataset

    if server is not None and wrapped is not None:
        raise UsageError("the key comes from one place", "give --server or --wrapped")
    tokens = setting.tokens()
    found = tokens.get(token)
    target = out or Path("datasets") / found.id[:16]
    with progress_report() as report:
        dataset = unlock_dataset(
            tokens,
            found.id,
            setting.open_store(),
            setting.vault(),
            target,
            key=setting.account(),
            server=server,
            wrapped=file_of(wrapped) if wrapped else None,
            report=report,
        )
    note(f"verified: {len(dataset):,} records with the Merkle root {found.root}")
    print_path(target)


def card(*, out: Path = Path("key-card.json"), setting: MarketOptions = OPTIONS) -> None:
    """Write your key card: with it the seller of a sealed dataset can wrap its key for you, without a server.

    Parameters
    ----------
    out
        The file to write; send it to the seller, it holds no secret.
    """
    from gatllm.market import KeyCard
    from gatllm.records import write_file

    made = KeyCard.of(setting.account())
    write_file(out, made.to_bytes())
    note(f"the key card of {made.owner}")
    print_path(out)


def wrap(token: str, card: Path, *, out: Path | None = None, setting: MarketOptions = OPTIONS) -> None:
    """Wrap a sealed dataset's key for the token's owner, who then needs no server to unlock it.

    Parameters
    ----------
    token
        The token's id, or its dataset's Merkle root.
    card
        The owner's key card (`gatllm market card`).
    out
        The file to write; wrapped-TOKEN.json by default. Nobody but the owner can open it.
    """
    from gatllm.market import KeyCard
    from gatllm.market import wrap as wrap_key
    from gatllm.records import write_file

    given = KeyCard.from_bytes(file_of(card))
    tokens = setting.tokens(account=False)
    found = tokens.get(token)
    file = out or Path(f"wrapped-{found.id[:16]}.json")
    write_file(file, wrap_key(tokens, found.id, setting.vault().get(found.id), given))
    note(f"only {given.owner} can open it: gatllm market unlock {found.id} --wrapped {file}")
    print_path(file)


COMMANDS = {"unlock": unlock, "card": card, "wrap": wrap}
