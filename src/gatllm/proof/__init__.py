"""Proof of training: commitments, signatures, verification, replay."""
