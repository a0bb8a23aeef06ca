"""Content: CIDs as kubo computes them, CAR files, stores, sealing, metadata."""
