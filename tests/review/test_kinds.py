"""Whole kinds of mistakes: what is written is what a person would want, or nothing is."""

from __future__ import annotations

import pytest

from gatllm.review import Reviewer
from gatllm.review.default import load_reviewer
from tests.review.kinds import KINDS, Kind


@pytest.fixture(scope="module", params=["search", "model"])
def reviewer(request: pytest.FixtureRequest) -> Reviewer:
    return Reviewer() if request.param == "search" else load_reviewer(None, quick=True)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_is_written_is_what_was_meant(reviewer: Reviewer, kind: Kind) -> None:
    repair = reviewer.fix(kind.broken)
    if repair.changed:
        assert repair.text in kind.right
    else:
        assert kind.leave, repair.why
        assert repair.text == kind.broken
        assert repair.why
