"""CAR files: what goes in comes out, and nothing else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.errors import GatllmError, VerificationError
from gatllm.market.store.car import CarFile, write_car
from gatllm.market.store.cid import DAG_PB, RAW, Cid, Profile, add, varint

SMALL = Profile("test", 10, 3)


def _tree(folder: Path, seed: int = 0) -> Path:
    draw = random.Random(seed)
    (folder / "shards").mkdir(parents=True)
    for number in range(3):
        (folder / "shards" / f"{number:05}.jsonl").write_bytes(draw.randbytes(draw.choice([0, 9, 10, 11, 400])))
    (folder / "manifest.json").write_text("{}")
    (folder / "empty").mkdir()
    return folder


def _same(one: Path, other: Path) -> bool:
    def listing(folder: Path) -> dict[str, bytes | None]:
        return {
            str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")
        }

    return listing(one) == listing(other)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("profile", [SMALL, Profile("large", 1000, 5)])
def test_a_folder_comes_back(tmp_path: Path, seed: int, profile: Profile) -> None:
    folder = _tree(tmp_path / "in", seed)
    root = write_car(folder, tmp_path / "x.car", profile=profile)
    assert root == add(folder, profile=profile)
    car = CarFile(tmp_path / "x.car")
    assert car.root == root
    car.extract(tmp_path / "out")
    assert _same(folder, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out", "x.car"}


@given(st.binary(max_size=300), st.integers(1, 20), st.integers(2, 4))
def test_any_file_comes_back(tmp_path_factory: pytest.TempPathFactory, data: bytes, leaf: int, links: int) -> None:
    folder = tmp_path_factory.mktemp("file")
    (folder / "in").write_bytes(data)
    write_car(folder / "in", folder / "x.car", profile=Profile("test", leaf, links))
    CarFile(folder / "x.car").extract(folder / "out")
    assert (folder / "out").read_bytes() == data


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    write_car(_tree(tmp_path / "in"), tmp_path / "x.car", profile=SMALL)
    good = (tmp_path / "x.car").read_bytes()
    draw = random.Random(1)
    for place in range(0, len(good), 7):
        bad = bytearray(good)
        bad[place] ^= 1 << draw.randrange(8)
        (tmp_path / "bad.car").write_bytes(bad)
        with pytest.raises(GatllmError):
            CarFile(tmp_path / "bad.car").extract(tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    write_car(_tree(tmp_path / "in"), tmp_path / "x.car", profile=SMALL)
    good = (tmp_path / "x.car").read_bytes()
    for length in range(0, len(good), 11):
        (tmp_path / "bad.car").write_bytes(good[:length])
        with pytest.raises(GatllmError):
            CarFile(tmp_path / "bad.car").extract(tmp_path / "out")


def _hostile(path: Path, names: list[str]) -> CarFile:
    """A well-formed CAR file whose folder holds these names."""
    leaf = Cid.of(RAW, b"evil")

    def field(number: int, data: bytes) -> bytes:
        return bytes((number << 3 | 2,)) + varint(len(data)) + data

    links = b"".join(field(2, field(1, bytes(leaf)) + field(2, name.encode()) + b"\x18\x04") for name in names)
    node = links + field(1, b"\x08\x01")
    root = Cid.of(DAG_PB, node)
    header = bytes.fromhex("a265726f6f747381d82a582500") + bytes(root) + b"gversion\x01"
    with path.open("wb") as file:
        file.write(varint(len(header)) + header)
        for cid, data in ((leaf, b"evil"), (root, node)):
            file.write(varint(36 + len(data)) + bytes(cid) + data)
    return CarFile(path)


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "../../evil", "/etc/evil", "a\\b", "a\0b"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(VerificationError, match="entry with the name"):
        _hostile(tmp_path / "x.car", [name]).extract(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="twice"):
        _hostile(tmp_path / "x.car", ["a", "a"]).extract(tmp_path / "out")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write_car(_tree(tmp_path / "in"), tmp_path / "x.car")
    with pytest.raises(GatllmError, match="already there"):
        CarFile(tmp_path / "x.car").extract(tmp_path / "in")
