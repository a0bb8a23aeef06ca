"""What datasets, runs and transcripts are made of: canonical JSON, Merkle roots, hash-chained logs, atomic folders."""

from gatllm.records.canonical import canonical_bytes, digest, file_sha256, parse, sha256
from gatllm.records.folder import is_partial, new_folder, write_file
from gatllm.records.log import GENESIS, HashLog, log_head, read_log
from gatllm.records.merkle import (
    MerkleBuilder,
    inclusion_proof,
    leaf_hash,
    merkle_levels,
    merkle_root,
    verify_inclusion,
)

__all__ = [
    "GENESIS",
    "HashLog",
    "MerkleBuilder",
    "canonical_bytes",
    "digest",
    "file_sha256",
    "inclusion_proof",
    "is_partial",
    "leaf_hash",
    "log_head",
    "merkle_levels",
    "merkle_root",
    "new_folder",
    "parse",
    "read_log",
    "sha256",
    "verify_inclusion",
    "write_file",
]
