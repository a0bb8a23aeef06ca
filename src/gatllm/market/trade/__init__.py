"""What is done on the chain: deploy, mint, sell, subscribe, reward, unlock, register proofs."""
