"""Why a contract refused, in words: custom errors decoded with the ABIs of all our contracts."""

from __future__ import annotations

from functools import cache
from typing import Any

from gatllm.errors import GatllmError
from gatllm.market.chain.artifacts import artifact

CONTRACTS = ("DatasetToken", "Subscription", "Splitter", "Rewards", "ProofRegistry")

# What the errors that users meet mean, and what to do; every other one is shown by its name.
_ADVICE = {
    "WrongValue": ("the payment is not the price", "ask for the price again"),
    "PriceAbove": ("the price rose above what you agreed to", "look at the new price, then subscribe again"),
    "WrongMonths": ("a subscription is 1 to 12 months", "choose 1 to 12 months"),
    "EnforcedPause": ("the subscription takes no payments at the moment", "try later; what you paid stays valid"),
    "CommitmentMissing": ("this mint was not announced by this account", "mint with the account that announced it"),
    "CommitmentTooYoung": ("the announcement of this mint is too young", "wait some blocks and mint again"),
    "AlreadyMinted": ("you minted this dataset already", "nothing is left to do"),
    "ERC721NonexistentToken": ("no such dataset was minted", "check the id, or mint it first"),
    "OwnerNeeded": ("the ownership can't be given up", "transfer it: the new owner accepts"),
    "NoSplitterAnnounced": ("no other splitter was announced", "announce it first, then wait 30 days"),
    "SplitterNotDue": ("the announced splitter may not take over now", "wait for its time, or announce it anew"),
    "NotOwner": ("the account does not own this token", "use the owner's account"),
    "AlreadyClaimed": ("this reward is claimed already", "nothing is left to do"),
    "WrongProof": ("this share is not in the published epoch", "take the share from the epoch's statement"),
    "EpochOver": ("the year to claim this epoch is over", "nothing can be claimed from it"),
    "AlreadyRegistered": ("this run is registered already", "look at it with: gatllm proof show"),
    "AlreadyCommitted": ("data and plan are committed to already", "train, then register the proof"),
    "AlreadyAnswered": ("this commitment was answered by another run", "one commitment has one result"),
    "SeedNotDrawn": ("the block that gives the seed is not over", "train with its hash, then register"),
    "UnknownCommitment": ("this account committed to no such run", "register with the account that did"),
    "NotEnough": ("the contract has less than that", "give it less, or wait for income"),
    "NothingDue": ("nothing is due to this payee", "wait for income"),
    "OwnableUnauthorizedAccount": ("only the contract's owner may do this", "use the owner's account"),
}


@cache
def _errors() -> dict[bytes, tuple[str, list[str], list[str]]]:
    from eth_utils.crypto import keccak

    table: dict[bytes, tuple[str, list[str], list[str]]] = {}
    for contract in CONTRACTS:
        for entry in artifact(contract).abi:
            if entry["type"] == "error":
                types = [item["type"] for item in entry["inputs"]]
                signature = f"{entry['name']}({','.join(types)})"
                table[keccak(text=signature)[:4]] = (entry["name"], types, [item["name"] for item in entry["inputs"]])
    return table


def revert_error(data: object, message: str = "") -> GatllmError:
    """Return the error that tells why a call was refused; ``data`` is what the contract returned."""
    from eth_abi.abi import decode

    try:
        raw = bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else b""
        name, types, names = _errors()[raw[:4]]
        values = decode(types, raw[4:])
    except (ValueError, KeyError, OverflowError):
        return GatllmError(f"the contract refused: {' '.join((message or 'no reason given').split())}")
    except Exception:  # eth_abi's own decoding errors: the name alone still helps
        return GatllmError(f"the contract refused: {name}")
    details = ", ".join(f"{key or 'value'} {_plain(value)}" for key, value in zip(names, values, strict=True))
    detail = f"{name}({details})"
    if name in _ADVICE:
        cause, cure = _ADVICE[name]
        return GatllmError(f"{cause} [{detail}]", cure)
    return GatllmError(f"the contract refused: {detail}")


def _plain(value: Any) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
