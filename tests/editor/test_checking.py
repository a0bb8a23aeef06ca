"""Files too large for the compiler, or nested deeper than any stack: named at once, and no other file's fault."""

from pathlib import Path

import pytest

from gatllm.editor.checking import Checked, Source, check_sources
from gatllm.editor.linting import Linter
from gatllm.editor.repairing import fix_source
from gatllm.review import Reviewer
from gatllm.review.critics import LARGEST

ROW = "    {1: [2, 3], 'key': 'value'},\n"
DATA = "DATA = [\n" + ROW * (LARGEST // len(ROW) + 9) + "]\n"
NESTED = [
    "x = " + "[" * 50_000 + "]" * 50_000 + "\n",
    "x = " + "-" * 100_000 + "1\n",
    "x = (" * 60_000,
]


def test_a_large_file_is_judged_by_ruff() -> None:
    sources = [Source("a.py", DATA), Source("b.py", DATA[:-2]), Source("c.py", "x = 1\n")]
    reviews = [one.review for one in check_sources(Reviewer(), Linter(), sources) if isinstance(one, Checked)]
    assert [one.verdict for one in reviews] == ["real", "fake", "real"]
    assert reviews[1].findings[0].code == "SyntaxError"


def test_a_large_file_is_not_repaired_and_told_why() -> None:
    reviewer = Reviewer()
    repaired = fix_source(reviewer, Linter(), Source("b.py", DATA[:-2]))
    assert not repaired.changed
    assert not repaired.compiles
    assert "too large to repair" in repaired.why
    assert fix_source(reviewer, Linter(), Source("a.py", DATA)).compiles
    assert "too large to repair" in Reviewer().fix(DATA[:-2]).why


@pytest.mark.parametrize("text", NESTED, ids=["lists", "signs", "open"])
def test_what_is_nested_without_end_ends_nothing(text: str, tmp_path: Path) -> None:
    hostile, other = tmp_path / "hostile.py", tmp_path / "other.py"
    hostile.write_text(text, encoding="utf-8")
    other.write_text("print(undefined)\n", encoding="utf-8")
    sources = [Source(str(one), one.read_text(encoding="utf-8"), on_disk=True) for one in (hostile, other)]
    first, second = (one for one in check_sources(Reviewer(), Linter(), sources) if isinstance(one, Checked))
    assert first.review.verdict == "fake"
    assert [finding.code for finding in second.review.findings] == ["F821"]
    assert not fix_source(Reviewer(), Linter(), sources[0]).changed


def test_meaning_is_silenced_by_noqa() -> None:
    text = "name = ' a'\nname.strip()  # noqa\nname.lower()\n"
    (one,) = check_sources(Reviewer(), Linter(), [Source("a.py", text)])
    assert isinstance(one, Checked)
    assert [finding.line for finding in one.review.findings] == [3]
