"""What a registry of proofs offers, whatever the chain: a new chain is a class with these two methods."""

from __future__ import annotations

from typing import Protocol

from gatllm.proof import Proof, Registration


class Anchor(Protocol):
    """Where a registration stands: the transaction and its block."""

    @property
    def hash(self) -> str:
        """The transaction."""

    @property
    def block(self) -> int:
        """The number of its block."""


class ProofChain(Protocol):
    """What every registry of proofs offers, whatever the chain."""

    def register(self, proof: Proof) -> Anchor | None:
        """Register a proof's four hashes; None when this is done already."""

    def registration_of(self, proof: Proof) -> Registration | None:
        """Return what is registered about the run of a proof, or None."""
