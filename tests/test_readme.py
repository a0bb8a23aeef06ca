"""The README's Python examples do what they say: they are run, on a shorter budget."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


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
