"""Corruption: the edits repair byte for byte, the tree always differs, chance is seeded, every family works."""

import ast
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatllm.data import FAMILIES, corrupt
from gatllm.data.code import Edit, apply
from gatllm.errors import UsageError

SAMPLE = '''\
async def gather(self, items, limit=None, *, key=lambda pair: pair[0]):
    """Collect what the items give."""
    found, total_count = [], 0
    for item in items:
        if len(item) > 2 and item[0] != "x":
            try:
                value = await self.fetch(item, limit)
                total_count += value * 10
            except KeyError as error:
                print(f"{item}: {error}", total_count)
                raise ValueError("no {item}") from error
            found.append(key((value, 'a')))
        elif not item:
            return None
    return found, total_count
'''


@settings(max_examples=300)
@given(seed=st.integers(0, 10**9), level=st.integers(1, 5))
def test_edits_give_back_the_original_byte_for_byte(seed: int, level: int) -> None:
    made = corrupt(SAMPLE, Random(seed), level)
    assert made is not None
    text, shift = made.broken, 0
    for start, end, replacement in made.edits:
        text = text[: start + shift] + replacement + text[end + shift :]
        shift += len(replacement) - (end - start)
    assert text.encode() == SAMPLE.encode()
    assert made.repair() == SAMPLE
    assert [(start, end) for start, end, _ in made.edits] == list(made.spans)
    assert all(first[1] <= second[0] for first, second in zip(made.spans, made.spans[1:], strict=False))


@settings(max_examples=200)
@given(seed=st.integers(0, 10**9), level=st.integers(1, 5))
def test_the_tree_differs_and_syntactic_tells_whether_it_parses(seed: int, level: int) -> None:
    made = corrupt(SAMPLE, Random(seed), level)
    assert made is not None
    try:
        tree = ast.dump(ast.parse(made.broken))
    except SyntaxError:
        assert made.syntactic
        assert made.message
    else:
        assert not made.syntactic
        assert tree != ast.dump(ast.parse(SAMPLE))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_finds_a_place(family: str) -> None:
    results = [corrupt(SAMPLE, Random(seed), 1, [family]) for seed in range(40)]
    made = [one for one in results if one is not None]
    assert made
    assert all(one.families == (family,) for one in made)
    if FAMILIES[family].syntactic:
        assert any(one.syntactic for one in made)
    else:
        assert any(not one.syntactic for one in made)


def test_the_same_seed_gives_the_same_pair() -> None:
    assert corrupt(SAMPLE, Random(7), 3) == corrupt(SAMPLE, Random(7), 3)


@pytest.mark.parametrize(("level", "fewest", "most"), [(1, 1, 1), (2, 1, 1), (3, 2, 2), (4, 3, 3), (5, 4, 6)])
def test_levels_set_the_number_of_errors(level: int, fewest: int, most: int) -> None:
    for seed in range(20):
        made = corrupt(SAMPLE, Random(seed), level)
        assert made is not None
        assert fewest <= len(made.families) <= most


@pytest.mark.parametrize("text", ["", "\n", "def f(:\n", "x", "\x00"])
def test_what_does_not_parse_or_has_no_place_gives_nothing_or_a_pair(text: str) -> None:
    made = corrupt(text, Random(0))
    assert made is None or made.repair() == text


def test_line_breaks_of_other_systems_survive() -> None:
    text = SAMPLE.replace("\n", "\r\n")
    for seed in range(50):
        made = corrupt(text, Random(seed), 2)
        assert made is None or made.repair() == text


@given(seed=st.integers(0, 10**9))
def test_each_of_several_errors_against_the_grammar_breaks_it_alone(seed: int) -> None:
    made = corrupt(SAMPLE, Random(seed), 4, ["indent", "comma", "token", "line"])
    if made is None:
        return
    if len(made.edits) > len(made.families):  # an error of several edits
        return
    for wrong in made.edits:
        rest = [Edit(*edit) for edit in made.edits if edit is not wrong]
        with pytest.raises(SyntaxError):
            compile(apply(made.broken, rest), "<text>", "exec")


def test_errors_may_be_more_than_the_level_has() -> None:
    counts = set()
    for seed in range(40):
        made = corrupt(SAMPLE, Random(seed), 2, ["name", "comparison", "off-by-one"], errors=(2, 3))
        if made is not None:
            counts.add(len(made.families))
            assert not made.syntactic
    assert counts == {2, 3}


def test_unknown_levels_and_families_are_refused() -> None:
    with pytest.raises(UsageError):
        corrupt(SAMPLE, Random(0), 6)
    with pytest.raises(UsageError):
        corrupt(SAMPLE, Random(0), 1, ["no-such"])
    with pytest.raises(UsageError):
        corrupt(SAMPLE, Random(0), 1, [])
