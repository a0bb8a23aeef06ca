"""Text to numbers and back: characters, byte-level BPE, the lexical tokeniser of the discriminator."""
