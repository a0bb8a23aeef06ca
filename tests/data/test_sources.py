"""Sources: every format people bring, hostile archives, licences, and one clear error for the rest."""

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.data import Columns, open_source
from gatllm.data.sources.archives import Limits, archive
from gatllm.data.sources.licences import of_header, of_text
from gatllm.errors import GatllmError, UsageError

MIT = "Permission is hereby granted, free of charge, to any person obtaining a copy\n"


def pairs(path: Path, columns: Columns | None = None) -> list[tuple[str, str]]:
    return [(item.prompt, item.read().decode()) for item in open_source(str(path), columns=columns)]


def test_a_json_of_sentences_and_targets(tmp_path: Path) -> None:
    file = tmp_path / "qa.json"
    file.write_text(json.dumps({"What is 1+1?": "2", "And 2+2?": "4<end>"}))
    assert pairs(file) == [("What is 1+1?", "2"), ("And 2+2?", "4")]


def test_training_data_with_end_tokens(tmp_path: Path) -> None:
    file = tmp_path / "qa.json"
    file.write_text(json.dumps({"training_data": [{"input": "hi", "output": "hello <end>"}]}))
    assert pairs(file) == [("hi", "hello")]


def test_jsonl_keeps_good_lines_and_names_bad_ones(tmp_path: Path) -> None:
    file = tmp_path / "qa.jsonl"
    rows = [
        '{"question": "a", "answer": "b"}',
        "not json",
        '["c"]',
        "",
        '{"Prompt": "d", "Completion": "e"}',
        '{"x": 1}',
    ]
    file.write_text("\n".join(rows))
    items = list(open_source(str(file)))
    assert [item.problem[0] if item.problem else item.prompt for item in items] == ["a", "json", "shape", "d", "shape"]


def test_conversations(tmp_path: Path) -> None:
    file = tmp_path / "chat.jsonl"
    turns = [{"from": "human", "value": "hi"}, {"role": "assistant", "content": "hello"}]
    file.write_text(json.dumps({"conversations": turns}))
    (item,) = open_source(str(file))
    assert item.messages == (("user", "hi"), ("assistant", "hello"))
    assert item.content == "conversation"


def test_parquet_columns_are_found_or_named(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    file = tmp_path / "qa.parquet"
    table = pyarrow.table({"frage": ["a", "b"], "antwort": ["c", "d"], "id": [1, 2]})
    pyarrow.parquet.write_table(table, file)
    assert pairs(file, Columns("frage", "antwort")) == [("a", "c"), ("b", "d")]
    with pytest.raises(UsageError, match="frage, antwort, id"):
        pairs(file)
    with pytest.raises(UsageError, match="no column nope"):
        pairs(file, Columns("nope", "antwort"))
    pyarrow.parquet.write_table(pyarrow.table({"question": ["a"], "answer": ["b"]}), file)
    assert pairs(file) == [("a", "b")]


@pytest.mark.parametrize("content", [b"", b"PAR1 rubbish PAR1", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_broken_parquet_is_one_clear_error(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "broken.parquet"
    file.write_bytes(content)
    with pytest.raises(GatllmError, match=r"broken\.parquet"):
        pairs(file)


@pytest.mark.parametrize(
    "content", ["{", "3", '"text"', "null", '{"a": {"b": 1}}', '{"a": ["b"]}', "[1]", '[{"x": 1}]', "[" * 99999]
)
def test_json_of_another_shape_is_one_clear_error(content: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(content)
    with pytest.raises(GatllmError):
        pairs(file)


@given(st.text(max_size=40))
def test_a_text_file_in_pieces_is_the_file(text: str) -> None:
    import tempfile

    from gatllm.data.sources import tables

    before, tables._PIECE = tables._PIECE, 7
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "dataset.txt"
            file.write_bytes(text.encode())
            pieces = [item.read() for item in open_source(str(file))]
    finally:
        tables._PIECE = before
    assert b"".join(pieces) == text.encode()
    for piece in pieces:
        piece.decode()


def test_a_wheel_brings_its_licence(tmp_path: Path) -> None:
    wheel = tmp_path / "thing-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("thing/a.py", "x = 1\n")
        file.writestr("thing/vendor/LICENSE", "This is free and unencumbered software released into the public domain")
        file.writestr("thing/vendor/b.py", "y = 1\n")
        file.writestr("thing-1.dist-info/METADATA", "Name: thing\nLicense-Expression: Apache-2.0\n\ntext")
        file.writestr("thing/data.bin", "no")
    found = {item.origin.partition(":")[2]: item.licence for item in open_source(str(wheel))}
    assert found == {"thing/a.py": "Apache-2.0", "thing/vendor/b.py": "Unlicense"}


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"])
def test_an_sdist_is_read_in_every_packing(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"thing-1.{suffix}"
    mode = {"tar": "w", "gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}[suffix.split(".")[-1]]
    with tarfile.open(path, mode) as file:  # type: ignore[call-overload]
        for name, text in {"thing-1/LICENSE": MIT, "thing-1/a.py": "x = 1\n", "../../evil.py": "x = 2\n"}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            file.addfile(entry, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("thing-1/link.py")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    items = {item.origin.partition(":")[2]: item for item in open_source(str(path))}
    assert set(items) == {"thing-1/a.py", "../../evil.py"}
    assert items["thing-1/a.py"].licence == "MIT"
    assert items["../../evil.py"].problem == ("unsafe-name", "the name leads outside the archive")


def test_bombs_are_refused(tmp_path: Path) -> None:
    limits = Limits(ratio=10, free_bytes=1000, file_bytes=1 << 20)
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(20):
            file.writestr(f"{number}.py", "x" * 100_000)
    with pytest.raises(GatllmError, match="expands"):
        list(archive(bomb, (".py",), limits))
    bomb = tmp_path / "bomb.tar.gz"
    with tarfile.open(bomb, "w:gz") as packed:
        entry = tarfile.TarInfo("not-wanted.bin")
        entry.size = 1_000_000
        packed.addfile(entry, io.BytesIO(bytes(1_000_000)))
    with pytest.raises(GatllmError, match="expands"):
        list(archive(bomb, (".py",), limits))


def test_too_many_and_too_large_members(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.py", "x = 1\n" * 100)
        file.writestr("b.py", "")
    large, small = archive(path, (".py",), Limits(file_bytes=50))
    assert large.problem is not None
    assert large.problem[0] == "too-large"
    assert small.problem is None
    with pytest.raises(GatllmError, match="over 1 files"):
        list(archive(path, (".py",), Limits(files=1)))


@pytest.mark.parametrize("name", ["a.zip", "a.whl", "a.tar", "a.tar.gz", "a.tar.xz", "a.tar.bz2"])
@pytest.mark.parametrize("content", [b"", b"rubbish" * 100, b"\x1f\x8b\x08rubbish", b"PK\x03\x04" + b"\0" * 50])
def test_damaged_archives_are_one_clear_error(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GatllmError, match="can't read the archive"):
        list(open_source(str(tmp_path / name)))


def test_an_encrypted_zip_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "secret.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.py", "x = 1\n")
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    path.write_bytes(data)
    with pytest.raises(GatllmError, match="encrypted"):
        list(open_source(str(path)))


def test_a_checkout_gives_what_git_tracks(tmp_path: Path) -> None:
    import subprocess

    for name in ("kept.py", "ignored.py"):
        (tmp_path / name).write_text("x = 1\n")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "add", "kept.py"], check=True)
    assert [item.path.name for item in open_source(str(tmp_path)) if item.path] == ["kept.py"]


def test_the_nearest_licence_counts(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text(MIT)
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "COPYING.txt").write_text("GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007")
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "vendor" / "b.py").write_text("x = 1\n")
    assert [item.licence for item in open_source(str(tmp_path))] == ["MIT", "GPL-3.0-only"]
    (tmp_path / "LICENSE").unlink()
    (tmp_path / "vendor" / "COPYING.txt").unlink()
    assert {item.licence for item in open_source(str(tmp_path))} == {"NOASSERTION"}
    assert {item.licence for item in open_source(str(tmp_path), licence="CC0-1.0")} == {"CC0-1.0"}


def test_licence_texts_and_headers() -> None:
    assert of_text((Path(__file__).parents[2] / "LICENSE").read_text()) == "Apache-2.0"
    assert of_header("# SPDX-License-Identifier: MIT OR Apache-2.0\n") == "MIT OR Apache-2.0"
    assert of_text("all rights reserved") == "NOASSERTION"


def test_an_installed_package_has_its_metadata_licence() -> None:
    items = list(open_source("dist:pytest"))
    assert len(items) > 10
    assert {item.licence for item in items} == {"MIT"}


def test_a_local_hugging_face_set_and_a_missing_one(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    (tmp_path / "train.jsonl").write_text('{"question": "a", "answer": "b"}\n')
    (item,) = open_source(f"hf:{tmp_path}")
    assert (item.prompt, item.read()) == ("a", b"b")
    with pytest.raises(GatllmError, match="can't load"):
        list(open_source(f"hf:{tmp_path / 'nowhere'}"))


def test_tables_of_questions_about_a_text(tmp_path: Path) -> None:
    rows = [
        {
            "question": "who?",
            "context": "Ann saw Bob.",
            "answers": {"text": ["Ann", "Ann saw"], "answer_start": [0, 0]},
        },
        {"question": "what?", "context": "Ann saw Bob.", "answers": {"text": [], "answer_start": []}},
    ]
    (tmp_path / "squad.json").write_text(json.dumps(rows))
    assert pairs(tmp_path / "squad.json") == [("Ann saw Bob.\nwho?", "Ann"), ("Ann saw Bob.\nwhat?", "")]


@pytest.mark.parametrize("chosen", ["green", ["green"], 1, [1], "B"])
def test_tables_of_options(chosen: object, tmp_path: Path) -> None:
    row = {"question": "grass?", "options": ["blue", "green"], "selections": chosen}
    (tmp_path / "options.jsonl").write_text(json.dumps(row) + "\n")
    assert pairs(tmp_path / "options.jsonl") == [("grass?\nblue\ngreen", "green")]


@pytest.mark.parametrize(("name", "comma"), [("table.csv", ","), ("table.tsv", "\t")])
def test_csv_tables(name: str, comma: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(f"question{comma}answer\r\nwho?{comma}Ann\r\n".encode())
    assert pairs(tmp_path / name) == [("who?", "Ann")]


def test_lines_of_json_under_the_name_of_json(tmp_path: Path) -> None:
    (tmp_path / "lines.json").write_text('{"input": "a", "output": "b"}\n{"input": "c", "output": "d"}\n')
    assert pairs(tmp_path / "lines.json") == [("a", "b"), ("c", "d")]
