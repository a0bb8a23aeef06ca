"""What a block gives that nobody could know before it, chain by chain, and who could have chosen it all the same.

On Ethereum and its test networks that is the block's `prevrandao` (EIP-4399): a proposer can grind the hash of its
block by varying what is in it, but only give up its turn to change this value by one bit. Rollups have nothing of the
kind: their sequencer makes every block, and their `prevrandao` is a constant, or one of Ethereum's that was known
before. There the hash has to do, and the note says what it is worth.
"""

from __future__ import annotations

from gatllm.market.chain.client import Chain

_BEACON = {1: "Ethereum", 11155111: "Sepolia", 560048: "Hoodi", 100: "Gnosis"}
_ROLLUPS = {
    10: "OP Mainnet",
    8453: "Base",
    84532: "Base Sepolia",
    11155420: "OP Sepolia",
    42161: "Arbitrum One",
    42170: "Arbitrum Nova",
    421614: "Arbitrum Sepolia",
    324: "ZKsync Era",
    534352: "Scroll",
    59144: "Linea",
}


def drawn(chain: Chain, block: int) -> str:
    """Return what a block gave, as 64 hexadecimal digits.

    Raises:
        GatllmError: the chain has no such block yet.
    """
    if chain.chain_id not in _BEACON:
        return chain.block_hash(block)
    chain.block_hash(block)  # it is there, and the node answers
    return bytes(chain.web3.eth.get_block(block)["mixHash"]).hex()


def note(chain: Chain) -> str:
    """Return who could have chosen what a block gave."""
    if chain.local:
        return "a local chain: whoever runs it chooses its blocks"
    if chain.chain_id in _BEACON:
        return f"prevrandao of {_BEACON[chain.chain_id]}: a proposer could only have given up its turn"
    if chain.chain_id in _ROLLUPS:
        return f"{_ROLLUPS[chain.chain_id]}: the sequencer makes the block, and could have chosen its hash"
    return "whoever made the block could have withheld one whose hash they disliked"
