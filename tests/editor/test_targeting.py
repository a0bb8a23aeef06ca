"""Code that belongs to no project, judged by a Python version."""

import pytest

from gatllm.editor.targeting import TargetReviewer
from gatllm.errors import UsageError
from gatllm.review import Reviewer
from gatllm.review.careful import LanguageModel
from gatllm.review.default import load_reviewer

MATCH = "match x:\n    case 1:\n        y = 2\n"
GENERIC = "def first[T](items: list[T]) -> T:\n    return items[0]\n"


def test_what_is_newer_than_the_target_is_a_mistake() -> None:
    old, new = (TargetReviewer(Reviewer(), one) for one in ("py38", "py310"))
    text = f"x = 1\n{MATCH}"
    assert [finding.code for finding in old.check(text).findings] == ["target-version"]
    assert old.fix(text).text == text
    assert new.check(text).verdict == "real"


def test_what_the_target_reads_is_none() -> None:
    reviewer = TargetReviewer(Reviewer(), "py315")
    assert reviewer.check(GENERIC).verdict == "real"
    assert reviewer.fix(GENERIC).text == GENERIC
    assert reviewer.fix("x = (1\n").text == "x = (1)\n"


def test_a_version_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="no Python version"):
        TargetReviewer(Reviewer(), "py999")


def test_it_says_which_tier_decided() -> None:
    model = LanguageModel(lambda texts: [0.0] * len(texts), lambda question, tokens: "")
    broken = "import os\nnames = os.listdir\nnames.sort[]\nprint(names)\n"
    reviewer = load_reviewer(quick=True)
    assert TargetReviewer(reviewer, "py311").fix(broken).tier == "fast"
    assert TargetReviewer(reviewer.careful(model), "py311").fix(broken).tier == "careful"
