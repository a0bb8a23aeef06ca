"""The discriminator at work: check, localise, repair; static critics."""
