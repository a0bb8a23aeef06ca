"""The breaker: its mixture, its errors, and what a language model would put in a token's place."""

from __future__ import annotations

from random import Random

import pytest

from gatllm.adversarial.breaker import break_code, even, harder
from gatllm.adversarial.case import REPLACED, Case
from gatllm.adversarial.pieces import defined, read_sides
from gatllm.adversarial.replacing import replaced
from gatllm.adversarial.writer import Writer
from gatllm.data import FAMILIES
from gatllm.data.code import Edit, apply
from gatllm.progress import silent
from gatllm.review import compile_error, same_tree
from tests.adversarial.conftest import Tables


def test_the_breaker_turns_to_what_is_missed_and_forgets_nothing() -> None:
    mixture = harder(even(), {"comma": 1.0, "colon": 0.0})
    assert mixture["comma"] / even()["comma"] > 1.5 > mixture["colon"] / even()["colon"]
    assert min(mixture.values()) > 0
    for syntactic in (True, False):
        names = [name for name, family in FAMILIES.items() if family.syntactic == syntactic]
        assert sum(mixture[n] for n in names) == pytest.approx(sum(even()[n] for n in names), rel=1e-3)


def test_errors_are_mended_by_their_edits(both: Tables) -> None:
    sides = read_sides(str(both.source), silent)
    cases = break_code(sides.train, 1, Random(3))
    assert {case.family for case in cases} >= {"bracket", "name", "colon"}
    for case in cases:
        assert apply(case.broken, [Edit(*edit) for edit in case.edits]) == case.text
        assert (compile_error(case.broken) is not None) == case.syntactic
        assert Case.read(case.as_dict()) == case
        assert case.record()["families"] == [case.family]


def test_held_out_code_is_never_learned_from(both: Tables) -> None:
    sides = read_sides(str(both.source), silent)
    assert not {piece.text for piece in sides.train} & {piece.text for piece in sides.held_out}


def test_replaced_tokens_change_the_tree_and_are_mended_by_their_edits(both: Tables) -> None:
    sides, writer = read_sides(str(both.source), silent), Writer(both.generator)
    cases = replaced(writer, sides.train, 1, most=2)
    assert len(cases) > 10
    for case in cases:
        assert case.family == REPLACED
        assert not same_tree(case.broken, case.text)
        assert apply(case.broken, [Edit(*edit) for edit in case.edits]) == case.text
        assert 1 <= len(case.edits) <= 2
    assert cases == replaced(writer, sides.train, 1, most=2)


def test_a_module_knows_its_names() -> None:
    text = "import os.path\nfrom re import sub as s\nX = Y = 1\nfor z in ():\n    pass\n\n\ndef f():\n    inner = 1\n"
    assert defined(text) == {"os", "s", "X", "Y", "z", "f"}
