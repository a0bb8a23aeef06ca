"""Merkle roots agree with the public vectors, and inclusion proofs hold for what is there and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.records import MerkleBuilder, inclusion_proof, leaf_hash, merkle_root, verify_inclusion

# The reference vectors of the certificate-transparency projects for RFC 6962.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = {  # (leaf, size): the audit path
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
leaf_lists = st.lists(st.binary(max_size=8), min_size=1, max_size=70)


@pytest.mark.parametrize("size", range(9))
def test_public_roots(size: int) -> None:
    assert merkle_root(LEAVES[:size]) == ROOTS[size]


@pytest.mark.parametrize(("leaf", "size"), list(PATHS))
def test_public_paths(leaf: int, size: int) -> None:
    hashes = [leaf_hash(value) for value in LEAVES[:size]]
    assert inclusion_proof(hashes, leaf) == PATHS[leaf, size]
    assert verify_inclusion(LEAVES[leaf], leaf, size, PATHS[leaf, size], ROOTS[size])


@given(leaf_lists, st.data())
def test_every_leaf_is_proven_and_nothing_else(leaves: list[bytes], data: st.DataObject) -> None:
    root = merkle_root(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = inclusion_proof([leaf_hash(leaf) for leaf in leaves], index)
    assert verify_inclusion(leaves[index], index, len(leaves), path, root)
    assert not verify_inclusion(leaves[index] + b"x", index, len(leaves), path, root)
    assert not verify_inclusion(leaves[index], index, len(leaves), [*path, "00" * 32], root)
    if path:
        spot = data.draw(st.integers(0, len(path) - 1))
        forged = [*path]
        forged[spot] = f"{int(forged[spot], 16) ^ 1:064x}"
        assert not verify_inclusion(leaves[index], index, len(leaves), forged, root)
        assert not verify_inclusion(leaves[index], index, len(leaves), path[:-1], root)
        # Another position proves the same leaf only where the tree turns the same way, never for equal sizes.
        other = data.draw(st.integers(0, len(leaves) - 1).filter(lambda number: number != index))
        if leaves[other] != leaves[index]:
            assert not verify_inclusion(leaves[index], other, len(leaves), path, root)


@given(leaf_lists, st.data())
def test_any_change_of_the_leaves_changes_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    spot = data.draw(st.integers(0, len(leaves) - 1))
    changed = [*leaves]
    changed[spot] += b"\0"
    assert len({merkle_root(leaves), merkle_root(changed), merkle_root([*leaves, b""]), merkle_root(leaves[:-1])}) == 4


@given(leaf_lists)
def test_an_inner_node_is_no_leaf(leaves: list[bytes]) -> None:
    if len(leaves) < 2:
        return
    inner = bytes.fromhex(merkle_root(leaves[:1])) + bytes.fromhex(merkle_root(leaves[1:]))
    assert merkle_root([inner]) != merkle_root(leaves)


@given(leaf_lists)
def test_the_root_can_be_read_at_any_time(leaves: list[bytes]) -> None:
    builder = MerkleBuilder()
    for number, leaf in enumerate(leaves):
        assert builder.root() == merkle_root(leaves[:number])
        builder.add(leaf)
    assert builder.size == len(leaves)


@pytest.mark.parametrize("index", [-1, 8])
def test_there_is_no_proof_outside_the_tree(index: int) -> None:
    with pytest.raises(IndexError):
        inclusion_proof([leaf_hash(leaf) for leaf in LEAVES], index)
    assert not verify_inclusion(b"", index, 8, [], ROOTS[8])


@pytest.mark.parametrize("sibling", ["xyz", "", None, 7])
def test_a_malformed_path_proves_nothing(sibling: object) -> None:
    assert not verify_inclusion(LEAVES[0], 0, 2, [sibling], ROOTS[2])  # type: ignore[list-item]
