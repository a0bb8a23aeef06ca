"""`gatllm check` and `gatllm fix` from the shell: output formats, exit codes, what is written and what is not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BAD = "import os\n\n\ndef f(x)\n    return os.path.join(x\n"
FIXED = "import os\n\n\ndef f(x):\n    return os.path.join(x)\n"


def gatllm(*arguments: str, stdin: str | bytes = "", folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    data = stdin.encode() if isinstance(stdin, str) else stdin
    command = [sys.executable, "-m", "gatllm", *arguments]
    done = subprocess.run(command, input=data, capture_output=True, cwd=folder, check=False)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.py"
    file.write_text(BAD)
    return file


def test_check_names_file_line_and_column(bad: Path) -> None:
    done = gatllm("check", str(bad))
    assert done.returncode == 1
    assert f"{bad}:4:9: SyntaxError: expected ':'" in done.stdout


def test_good_code_passes(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("x = 1\nprint(x)\n")
    done = gatllm("check", "good.py", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


def test_standard_input_and_json() -> None:
    done = gatllm("check", "-", "--json", stdin=BAD)
    [entry] = json.loads(done.stdout)
    assert entry["file"] == "<stdin>"
    assert entry["verdict"] == "fake"
    assert entry["findings"][0]["line"] == 4


def test_sarif_and_github(bad: Path) -> None:
    log = json.loads(gatllm("check", str(bad), "--format", "sarif").stdout)
    assert log["version"] == "2.1.0"
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["region"]["startLine"] == 4
    assert gatllm("check", str(bad), "--format", "github").stdout.startswith(f"::error file={bad},line=4")


def test_fix_prints_a_diff_and_changes_nothing(bad: Path) -> None:
    done = gatllm("fix", str(bad))
    assert done.returncode == 0
    assert "+def f(x):" in done.stdout
    assert bad.read_text() == BAD


def test_fix_writes_through_a_link(bad: Path) -> None:
    link = bad.with_name("link.py")
    link.symlink_to(bad)
    assert gatllm("fix", str(link), "--write").returncode == 0
    assert link.is_symlink()
    compile(bad.read_text(), "bad.py", "exec")


def test_fix_writes_only_when_told(bad: Path) -> None:
    assert gatllm("fix", str(bad), "--write").returncode == 0
    compile(bad.read_text(), "bad.py", "exec")


def test_fix_as_a_filter() -> None:
    done = gatllm("fix", "-", "--write", stdin=BAD)
    assert done.stdout == FIXED


def test_fix_leaves_what_compiles_and_what_it_cannot_mend(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("x = 1\n")
    (tmp_path / "hopeless.py").write_text("?? ( [ ' } :: ??\n" * 5)
    done = gatllm("fix", "--all", "--write", folder=tmp_path)
    assert done.returncode == 1
    assert "no small edit" in done.stderr
    assert (tmp_path / "good.py").read_text() == "x = 1\n"
    assert (tmp_path / "hopeless.py").read_text() == "?? ( [ ' } :: ??\n" * 5


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "words"),
    [
        (("check", "missing.py"), "", 1, "can't read missing.py"),
        (("check", "-"), b"\xff\xfe", 1, "not UTF-8"),
        (("check", "-"), b"# coding: nonsense\n", 1, "unknown encoding: nonsense"),
        (("check", "-"), b"a\0b", 1, "binary"),
        (("check",), "", 2, "no file named"),
        (("check", "."), "", 2, "is a folder"),
        (("fix", "-", "--candidates", "0"), "", 2, "--candidates 0"),
        (("fix", "-", "--model", "nowhere"), "x = (", 1, "nowhere"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], stdin: str | bytes, code: int, words: str
) -> None:
    done = gatllm(*arguments, stdin=stdin, folder=tmp_path)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("error:")]) == 1


def test_an_empty_file_is_real(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("")
    assert gatllm("check", "empty.py", folder=tmp_path).returncode == 0


def test_files_that_cannot_be_read_do_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD)
    (tmp_path / "binary.py").write_bytes(b"\x7fELF\0\0")
    (tmp_path / "latin.py").write_bytes(b"x = '\xe9'\n")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "nowhere.py").symlink_to("missing")
    (tmp_path / "loop.py").symlink_to("loop.py")
    os.mkfifo(tmp_path / "pipe.py")
    done = gatllm("check", "--all", folder=tmp_path)
    assert done.returncode == 1
    assert "bad.py:4:9" in done.stdout
    assert [line for line in done.stderr.splitlines() if line.startswith("error:")] == [
        "error: binary.py is binary; name a Python file",
        "error: latin.py is not UTF-8 (byte 5); convert it, or declare its encoding (PEP 263)",
    ]


def test_fix_keeps_every_byte_but_the_mistake(tmp_path: Path) -> None:
    frame = (
        "{}def first(a):\n\treturn a\n\n\x0c\ndef f(a, b){}\n    # {}\n    if a > b:\n        return a\n    return b"
    )
    texts = {
        "crlf.py": (frame.replace("\n", "\r\n"), "", "x", "utf-8"),
        "mark.py": (frame, "\ufeff", "é", "utf-8"),
        "latin.py": (frame, "# -*- coding: latin-1 -*-\n", "é", "latin-1"),
    }
    for name, (text, head, word, encoding) in texts.items():
        (tmp_path / name).write_bytes(text.format(head, "", word).encode(encoding))
        (tmp_path / name).chmod(0o755)
    done = gatllm("fix", *texts, "--write", folder=tmp_path)
    assert done.returncode == 0
    for name, (text, head, word, encoding) in texts.items():
        assert (tmp_path / name).read_bytes() == text.format(head, ":", word).encode(encoding)
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o755


def test_a_read_only_file_is_left_alone(tmp_path: Path) -> None:
    for name in ("closed.py", "open.py"):
        (tmp_path / name).write_text(BAD)
    (tmp_path / "closed.py").chmod(0o444)
    done = gatllm("fix", "closed.py", "open.py", "--write", folder=tmp_path)
    assert done.returncode == 1
    assert "closed.py is read-only" in done.stderr
    assert (tmp_path / "closed.py").read_text() == BAD
    assert (tmp_path / "open.py").read_text() == FIXED


def test_the_diff_can_be_applied(tmp_path: Path) -> None:
    text = "def f(a):\n\tif a\n\t\treturn 'x\x0cy'\n\treturn a"  # tabs, a form feed, no last line break
    (tmp_path / "tabs.py").write_text(text)
    done = gatllm("fix", "tabs.py", folder=tmp_path)
    before, after = ([line[1:] for line in done.stdout.split("\n")[3:] if line[:1] in {" ", sign}] for sign in "-+")
    assert "\n".join(before) == text
    assert "\n".join(after) == text.replace("if a\n", "if a:\n")
    assert "\\ No newline at end of file" in done.stdout


def test_strange_names(tmp_path: Path) -> None:
    names = [b"new\nline.py", b"caf\xe9, x:1.py"]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_text(BAD)
    found = json.loads(gatllm("check", "--all", "--json", folder=tmp_path).stdout)
    assert sorted(os.fsencode(entry["file"]) for entry in found) == sorted(names)
    lines = gatllm("check", "--all", "--format", "github", folder=tmp_path).stdout.splitlines()
    assert all(line.startswith("::") for line in lines)
    assert any("file=caf�%2C x%3A1.py,line=4" in line for line in lines)


def test_only_mistakes_fail(tmp_path: Path) -> None:
    (tmp_path / "untidy.py").write_text(
        "import os\nfrom math import *\n\n\ndef f():\n    x = 1\n    return f'a', sin(1)\n"
    )
    assert gatllm("check", "untidy.py", folder=tmp_path).returncode == 0
    (tmp_path / "ruff.toml").write_text('lint.extend-select = ["F401"]\n')
    done = gatllm("check", "untidy.py", folder=tmp_path)
    assert done.returncode == 1
    assert "F401" in done.stdout
    assert "F403" not in done.stdout


def test_the_settings_and_paths_of_the_project_hold(tmp_path: Path) -> None:
    package = tmp_path / "src" / "pkg"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("print(__path__, ugettext)\n")
    (package / "b.py").write_text("print(__path__)\nprint(gone)  # noqa: F821\nx = 1\nprint(x is 2)\n")
    settings = '[tool.ruff]\nbuiltins = ["ugettext"]\nlint.ignore = ["F632"]\n'
    (tmp_path / "pyproject.toml").write_text(settings)
    done = gatllm("check", "--all", "src", folder=tmp_path)
    assert done.stdout == "src/pkg/b.py:1:7: F821: Undefined name `__path__`\n"
    (tmp_path / "pyproject.toml").write_text(settings + 'lint.per-file-ignores = { "b.py" = ["F821"] }\n')
    assert gatllm("check", "--all", "src", folder=tmp_path).returncode == 0
    (package / "ruff.toml").write_text('extend = "../../pyproject.toml"\nlint.extend-ignore = ["F821"]\n')
    assert gatllm("check", str(package / "b.py"), folder=tmp_path).returncode == 0
    done = gatllm("check", "-", folder=package, stdin="x = 1\nprint(x is 2, gone)\n")
    assert done.returncode == 0, done.stdout


def test_settings_that_ruff_refuses_are_named_once_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "ruff.toml").write_text("no-such-setting = 1\n")
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("print(gone)\n")
    done = gatllm("check", "a.py", "b.py", folder=tmp_path)
    assert done.stdout.count("F821") == 2
    assert done.stderr.count("can't use these settings") == 1


def test_a_suspect_is_silenced_by_noqa(tmp_path: Path) -> None:
    text = "def f(a, b:\n    return a\n"
    noted = text.replace("b:", "b:  # noqa")
    assert "suspect" in gatllm("check", "-", stdin=text).stdout
    done = gatllm("check", "-", stdin=noted)
    assert "suspect" not in done.stdout
    assert "SyntaxError" in done.stdout  # nothing silences the compiler


def test_a_declared_encoding_is_linted_too(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes("# coding: latin-1\nx = 'é'\nprint(gone)\n".encode("latin-1"))
    done = gatllm("check", "latin.py", folder=tmp_path)
    assert done.stdout == "latin.py:3:7: F821: Undefined name `gone`\n"


def test_target_version(tmp_path: Path) -> None:
    text = "match 1:\n    case 1:\n        pass\n"
    (tmp_path / "m.py").write_text(text)
    done = gatllm("check", "m.py", "--target-version", "py39", folder=tmp_path)
    assert done.returncode == 1
    assert "m.py:1:1: target-version: Cannot use `match` statement on Python 3.9" in done.stdout
    assert gatllm("check", "m.py", "--target-version", "py310", folder=tmp_path).returncode == 0
    done = gatllm("fix", "m.py", "--write", "--target-version", "py39", folder=tmp_path)
    assert done.returncode == 1
    assert "line 1: Cannot use `match` statement on Python 3.9" in done.stderr
    assert (tmp_path / "m.py").read_text() == text
    assert gatllm("check", "m.py", "--target-version", "3.9", folder=tmp_path).returncode == 2


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python takes it")
def test_code_for_a_newer_python_is_no_mistake_where_that_is_meant(tmp_path: Path) -> None:
    text = "def first[T](items: list[T]) -> T:\n    return items[0]\n"
    (tmp_path / "new.py").write_text(text)
    assert gatllm("check", "new.py", "--target-version", "py312", folder=tmp_path).returncode == 0
    done = gatllm("fix", "new.py", "--write", "--target-version", "py312", folder=tmp_path)
    assert done.returncode == 0
    assert "valid for py312" in done.stderr
    (tmp_path / "ruff.toml").write_text('target-version = "py312"\n')
    assert gatllm("check", "new.py", folder=tmp_path).returncode == 0
    assert (tmp_path / "new.py").read_text() == text


def test_what_a_text_is_tells_more_than_where_the_compiler_stops(tmp_path: Path) -> None:
    (tmp_path / "merge.py").write_text("x = 1\n<<<<<<< HEAD\ny = 1\n=======\ny = 2\n>>>>>>> other\n")
    done = gatllm("check", "merge.py", folder=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("merge.py:2:1: SyntaxError:")
    assert "conflict" in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_diffs_name_files_from_the_working_directory(bad: Path, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    below = bad.rename(tmp_path / "below" / "bad.py")
    for name in (str(below), "below/bad.py", "./below/../below/bad.py"):
        done = gatllm("fix", name, folder=tmp_path)
        assert done.stdout.startswith("--- a/below/bad.py\n+++ b/below/bad.py\n")
    done = gatllm("fix", str(below), folder=Path("/"))
    assert done.stdout.startswith(f"--- a{below}\n+++ b{below}\n")
    diff = gatllm("fix", str(below), folder=tmp_path).stdout.encode()
    git = subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=diff, check=False)
    assert git.returncode == 0
    assert below.read_text() == FIXED


def test_fix_tells_agents_its_edits() -> None:
    done = gatllm("fix", "-", "--json", "--candidates", "3", stdin=BAD)
    assert done.returncode == 0
    [told] = json.loads(done.stdout)
    assert told["changed"]
    assert told["compiles"]
    assert told["edits"] == [
        {"line": 4, "column": 9, "end_line": 4, "end_column": 9, "text": ":"},
        {"line": 5, "column": 26, "end_line": 5, "end_column": 26, "text": ")"},
    ]
    assert told["candidates"][0]["edits"] == told["edits"]
    assert "+def f(x):" in told["diff"]


CELLS = ["%matplotlib inline\n", "x = await get()\n", "def f(a, b:\n", "    return a\n"]


def notebook(*cells: list[str]) -> str:
    entries = [
        {"cell_type": "code", "source": cell, "metadata": {}, "outputs": [], "execution_count": None} for cell in cells
    ]
    return json.dumps({"cells": entries, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def test_notebooks_are_checked_cell_by_cell(tmp_path: Path) -> None:
    raw = notebook(["null = 1\n", "get = print"], CELLS, ["f(null)\n", "gone\n", "x?"])
    (tmp_path / "n.ipynb").write_text(raw)
    done = gatllm("check", "n.ipynb", folder=tmp_path)
    assert done.returncode == 1
    assert "n.ipynb:cell 2:3:" in done.stdout
    assert "n.ipynb:cell 2:1:" not in done.stdout  # a magic is not a suspect
    assert "F821" not in done.stdout.replace("`get`", "")
    found = json.loads(gatllm("check", "--all", "--format", "sarif", folder=tmp_path).stdout)
    place = found["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert "def f(a, b:" in raw.splitlines()[place["region"]["startLine"] - 1]
    (tmp_path / "n.ipynb").write_text(raw.replace("a, b:", "a, b):"))
    done = gatllm("check", "n.ipynb", folder=tmp_path)
    assert done.stdout == "n.ipynb:cell 3:2:1: F821: Undefined name `gone`\n"


def test_notebooks_are_repaired_and_otherwise_untouched(tmp_path: Path) -> None:
    raw = notebook(CELLS, ["%%bash\n", "if [ x ]\n"], ["y = (1\n", "!ls"])
    (tmp_path / "n.ipynb").write_text(raw)
    done = gatllm("fix", "n.ipynb", "--write", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "n.ipynb").read_text() == raw.replace("a, b:", "a, b):").replace("(1", "(1)")
    assert gatllm("fix", "n.ipynb", "--write", folder=tmp_path).returncode == 0
    (tmp_path / "bad.ipynb").write_text("x = 1\n")
    done = gatllm("fix", "bad.ipynb", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: bad.ipynb is not a notebook")
    assert gatllm("check", "bad.ipynb", "n.ipynb", folder=tmp_path).returncode == 1
