"""Attention, the GPT decoder, the encoder-decoder generator, the encoder discriminator, pretrained LMs."""
