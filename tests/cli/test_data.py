"""``gatllm data`` and ``gatllm tokenizer``: what a user sees, and one line for every mistake."""

import json
from pathlib import Path

import pytest

from gatllm.cli.frame import main

GOOD = 'def greet(name):\n    """Return a greeting."""\n    return f"hello {name}"\n'


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, captured.out, captured.err


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "good.py").write_text(GOOD)
    (folder / "bad.py").write_text("def f(:\n")
    (folder / "odd\nname.py").write_text("import os\n")
    return folder


def test_check_tells_good_from_bad(code: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    status, out, _ = run(capsys, "data", "check", code, "--html", page, "--format")
    assert status == 1
    assert "bad.py:1: syntax" in out
    assert "1 good, 2 bad of 3 files" in out
    assert "<svg" in page.read_text()
    assert "http://" not in page.read_text().replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    (code / "bad.py").unlink()
    (code / "odd\nname.py").unlink()
    assert run(capsys, "data", "check", code)[0] == 0


def test_check_as_json_is_one_document(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "data", "check", code, "--json", "--thorough")
    *files, last = json.loads(out)
    assert status == 1
    assert {entry["origin"].rpartition(":")[2]: entry["good"] for entry in files} == {
        "good.py": True,
        "bad.py": False,
        "odd\nname.py": False,
    }
    assert last["summary"]["files_by_rule"] == {"syntax": 1, "F401": 1}


def test_rules_from_a_file(code: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[rules]\nF401 = "score"\nsyntax = "off"\n')
    assert run(capsys, "data", "check", code, "--rules", rules)[0] == 0
    status, out, _ = run(capsys, "data", "rules", "--file", rules, "--json")
    assert status == 0
    assert {"code": "F401", "severity": "score", "why": "set in the recipe"} in json.loads(out)
    rules.write_text("rules = 3")
    assert run(capsys, "data", "check", code, "--rules", rules)[0] == 2


def test_build_corrupt_show(code: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    good, broken = tmp_path / "good", tmp_path / "broken"
    status, out, err = run(capsys, "data", "build", code, "--out", good, "--json", "--contributor", "Jane")
    assert status == 0, err
    assert json.loads(out)["records"] == 1
    assert json.loads(out)["contributor"]["name"] == "Jane"
    status, out, err = run(
        capsys, "data", "corrupt", good, "--out", broken, "--level", 1, "--families", "colon", "quote"
    )
    assert status == 0, err
    assert "negative" in out
    status, out, _ = run(capsys, "data", "show", broken, "--records", 1, "--verify")
    assert status == 0
    assert "@@" in out
    assert run(capsys, "data", "show", good, "--rejected", 5, "--json")[0] == 0
    shard = broken / "shards" / "00000.jsonl"
    shard.write_bytes(shard.read_bytes().replace(b"hello", b"hallo"))
    status, _, err = run(capsys, "data", "show", broken, "--verify")
    assert status == 3
    assert "shards/00000.jsonl" in err


def test_one_file_is_broken_and_shown(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "data", "corrupt", code / "good.py", "--seed", 3)
    assert status == 0, err
    assert "@@" in out
    status, out, _ = run(capsys, "data", "corrupt", code / "good.py", "--json", "--growing")
    assert json.loads(out)["broken"] != GOOD
    assert run(capsys, "data", "corrupt", code / "bad.py")[0] == 2


def test_families_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "data", "families", "--json")
    assert status == 0
    assert {entry["name"] for entry in json.loads(out)} >= {"bracket", "off-by-one"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("data", "check", "nowhere"),
        ("data", "check", "EMPTY"),
        ("data", "build", "nowhere"),
        ("data", "build", "dist:no-such-thing"),
        ("data", "corrupt", "nowhere"),
        ("data", "corrupt", "EMPTY"),
        ("data", "corrupt", "CODE/good.py", "--level", "9"),
        ("data", "corrupt", "CODE/good.py", "--families", "typo"),
        ("data", "show", "nowhere"),
        ("data", "check", "CODE", "--target", "cobol"),
        ("data", "check", "CODE", "--language", "cobol"),
        ("tokenizer", "train", "nowhere"),
        ("tokenizer", "train", "EMPTY"),
        ("tokenizer", "show", "nowhere"),
    ],
)
def test_mistakes_get_one_line(
    arguments: tuple[str, ...],
    code: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    filled = [a.replace("EMPTY", str(tmp_path / "empty")).replace("CODE", str(code)) for a in arguments]
    status, _, err = run(capsys, *filled)
    assert status in {1, 2}
    errors = [line for line in err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "unexpected" not in errors[0]
    assert "Traceback" not in err


@pytest.mark.parametrize("kind", ["bpe", "characters"])
def test_a_tokenizer_is_learnt_and_shown(
    kind: str, code: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "tok"
    status, out, err = run(capsys, "tokenizer", "train", code, "--kind", kind, "--size", 300, "--out", folder, "--json")
    assert status == 0, err
    assert json.loads(out)["kind"] == kind
    status, out, _ = run(capsys, "tokenizer", "show", folder, "return name")
    assert status == 0
    assert "'" in out
    status, out, _ = run(capsys, "tokenizer", "show", folder, "return name", "--json")
    assert json.loads(out)["ids"]
    run(capsys, "data", "build", code, "--out", tmp_path / "good")
    status, out, err = run(capsys, "data", "tokenize", tmp_path / "good", folder, "--json")
    assert status == 0, err
    assert json.loads(out)["documents"] == 1
    assert run(capsys, "data", "tokenize", tmp_path / "good", folder)[0] == 1
