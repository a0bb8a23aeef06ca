"""The README's examples do what they say: the repair that it leads with, and its Python on a shorter budget."""

import re
from pathlib import Path

import pytest

from gatllm.cli.frame import main

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_repair_that_it_leads_with_is_what_fix_prints(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (README.parent / page).read_text(encoding="utf-8")
    (block,) = re.findall(r"^```diff\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    shown = [line for line in block.splitlines() if not line.startswith(("---", "+++", "@@"))]
    monkeypatch.chdir(tmp_path)
    Path("app.py").write_text("".join(f"{line[1:]}\n" for line in shown if line[0] in "- "), encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        main(["fix", "app.py"])
    assert left.value.code == 0
    out = capsys.readouterr().out.splitlines()
    assert [line for line in out if not line.startswith(("---", "+++", "@@"))] == shown


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 1


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_runs(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = block.replace("train__minutes=1)", "train__steps=3, model__width=32, model__layers=1, train__threads=1)")
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102  # our own page
    for line, shown in re.findall(r"^(print\(.*?\))  # → (.*)$", block, re.MULTILINE):
        assert shown in capsys.readouterr().out, line
