"""The EVM client: transactions that survive a crash, the local chain, built contracts."""
