"""Dataset tokens, subscription, proof registry: the EVM clients and the local chain."""
