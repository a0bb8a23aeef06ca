"""What a node's errors mean: in words, and whether they prove anything about a transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from gatllm.errors import GatllmError
from gatllm.market.chain.reverts import revert_error


class ChainUnavailableError(GatllmError):
    """The node did not answer, or not now: the same question may be answered later."""


class Refusal(Enum):
    """What a node's refusal of a signed transaction says about it."""

    KNOWN = "the node has it already"
    LATER = "the node may take it later"
    USED = "its nonce is used, by itself or by another"
    NEVER = "no node takes it as it is"


# Parts of the messages of geth, erigon, nethermind, besu, reth, anvil and the large public endpoints, in lower case.
# The order matters: "nonce too low" comes with the words of other lists in some nodes.
_MEANING: tuple[tuple[Refusal, tuple[str, ...]], ...] = (
    (Refusal.KNOWN, ("already known", "alreadyknown", "already imported", "known transaction", "already in mempool")),
    (Refusal.USED, ("nonce too low", "noncetoolow", "oldnonce", "nonce is too low", "nonce_too_low")),
    (
        Refusal.NEVER,
        (
            "insufficient funds",
            "insufficientfunds",
            "upfront cost exceeds",
            "intrinsic gas",
            "intrinsicgas",
            "exceeds block gas limit",
            "gas limit too high",
            "gaslimitexceeded",
            "tip higher than",
            "priority fee per gas higher than",
            "invalid sender",
            "invalid chain id",
            "wrong chain",
            "oversized data",
            "size limit",
            "init code size",
            "not supported",
            "exceeds the configured cap",
            "gas uint64 overflow",
            "rlp",
        ),
    ),
)
_LATER_CODES = {429, -32005, -32016, -32029, -32002}


def classify_refusal(message: str) -> Refusal:
    """Return what a node's answer to a signed transaction says; what is not known here proves nothing."""
    text = message.lower()
    return next((kind for kind, parts in _MEANING if any(part in text for part in parts)), Refusal.LATER)


@contextmanager
def translated_rpc_errors(rpc_url: str) -> Iterator[None]:
    """Turn what web3 raises into errors of ours.

    Raises:
        ChainUnavailableError: the node does not answer, or asks to come back later.
        GatllmError: the chain or a contract refuses.
    """
    from requests import RequestException
    from web3.exceptions import (
        BadFunctionCallOutput,
        BlockNotFound,
        ContractLogicError,
        TransactionNotFound,
        Web3Exception,
    )

    try:
        yield
    except RequestException as error:
        status = getattr(error.response, "status_code", None)
        said = f"{rpc_url} answers {status}" if status else f"nothing answers at {rpc_url}"
        raise ChainUnavailableError(said, "check the address and that the chain runs") from None
    except ContractLogicError as error:
        raise revert_error(error.data, error.message or "") from None
    except BadFunctionCallOutput:
        raise GatllmError(
            "there is no such contract on this chain", "check the addresses, or run: gatllm market deploy"
        ) from None
    except BlockNotFound:
        raise ChainUnavailableError("the chain has no such block yet", "wait for it") from None
    except TransactionNotFound:
        raise
    except Web3Exception as error:
        if code_of(error) in _LATER_CODES:
            raise ChainUnavailableError(f"the chain answers: {message_of(error)}", "try again later") from None
        raise GatllmError(f"the chain answers: {message_of(error)}") from None
    except ValueError as error:
        raise GatllmError(f"{rpc_url} does not answer as a chain does: {error}", "check the address") from None


def message_of(error: Exception) -> str:
    """Return the message of a JSON-RPC error."""
    answer = getattr(error, "rpc_response", None)
    given = answer.get("error") if isinstance(answer, dict) else None
    return str(given.get("message", error)) if isinstance(given, dict) else str(error)


def code_of(error: Exception) -> int | None:
    """Return the code of a JSON-RPC error, None where it has none."""
    answer = getattr(error, "rpc_response", None)
    given = answer.get("error") if isinstance(answer, dict) else None
    code = given.get("code") if isinstance(given, dict) else None
    return code if isinstance(code, int) else None
