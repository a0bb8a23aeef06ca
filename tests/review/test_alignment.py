"""Tags say what an edit script says: what they claim to repair whole, they repair."""

from collections.abc import Iterable, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatllm.data import FAMILIES, corrupt
from gatllm.review.alignment import Tagging, tag_edits
from gatllm.review.critics import same_tree
from gatllm.review.edits import Edit, apply
from gatllm.review.names import Names
from gatllm.review.tags import TAGS, Tag
from gatllm.tokenizers.lexicon import Lexeme, Lexicon

CODE = '''def merge(first, second, *, key=None, limit=10):
    """Merge two sorted lists into one."""
    result, i, j = [], 0, 0
    while i < len(first) and j < len(second):
        if key(first[i]) <= key(second[j]):
            result.append(first[i])
            i += 1
        else:
            result.append(f"{second[j]!r}: 'x'")
            j += 1
    try:
        print("done", file=None)
    except (ValueError, KeyError) as error:
        raise RuntimeError("no way out") from error
    return result[:limit] or {"a": not first}
'''
LEXICON = Lexicon.train([CODE], size=900)
NAMED = ("respell", "rename", "cut", "insert name")


def tagged(broken: str, fixed: str, edits: Iterable[Sequence[int | str]]) -> tuple[list[Lexeme], Tagging]:
    tokens = LEXICON.lex(broken)
    return tokens, tag_edits(tokens, LEXICON.lex(fixed), edits)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from([1, 1, 3, 4]))
def test_tags_that_claim_to_say_it_all_give_the_original_back(seed: int, level: int) -> None:
    made = corrupt(CODE, Random(seed), level)
    if made is None:
        return
    tokens, tagging = tagged(made.broken, CODE, made.edits)
    named = [number for number, tag in tagging.tags.items() if TAGS[tag].action in NAMED]
    unsure = {"line", "token", "tabs"} & set(made.families)  # may need what no tag says exactly
    if tagging.complete and not named and not unsure:
        assert same_tree(apply(made.broken, tokens, [Edit(*item) for item in tagging.tags.items()]), CODE)


def test_nearly_all_single_errors_can_be_said_in_tags() -> None:
    rng, good, total = Random(1), 0, 0
    families = [name for name, family in FAMILIES.items() if family.syntactic and name not in ("line", "token")]
    for _ in range(300):
        made = corrupt(CODE, rng, 1, families)
        assert made is not None
        tokens, tagging = tagged(made.broken, CODE, made.edits)
        names = Names(tokens)
        edits = [Edit(n, tag, (names.candidates(TAGS[tag], n) or [""])[0]) for n, tag in tagging.tags.items()]
        good += same_tree(apply(made.broken, tokens, edits), CODE)
        total += 1
    assert good / total > 0.9


@pytest.mark.parametrize(
    ("broken", "edit", "tag"),
    [
        ("f(a", (3, 3, ")"), Tag("insert", ")")),
        ("f(a))", (4, 5, ""), Tag("delete")),
        ("retrun a", (0, 6, "return"), Tag("replace", "return")),
        ("if a:\n   b\n", (6, 6, " "), Tag("shift", columns=1)),
        ("if a:\n\tb\n", (6, 7, "    "), Tag("spaces", columns=4)),
        ("isinstancea, b)", (10, 10, "("), Tag("cut", "(")),
        ("x = 1 y = 2", (5, 6, "\n"), Tag("split")),
        ("a b", (0, 3, "b a"), Tag("swap")),
        ("lenght = 1\nlengthen", (0, 6, "length"), Tag("respell")),
        ("a = 2", (4, 5, "3"), Tag("more")),
        ("re turn", (2, 3, ""), Tag("join")),
    ],
)
def test_each_kind_of_tag(broken: str, edit: tuple[int, int, str], tag: Tag) -> None:
    fixed = broken[: edit[0]] + edit[2] + broken[edit[1] :]
    _, tagging = tagged(broken, fixed, [edit])
    assert [TAGS[number] for number in tagging.tags.values()] == [tag]


def test_a_doubled_line_is_deleted_whole() -> None:
    broken, fixed = "def f():\n    a = 1\n    a = 1\n    return a\n", "def f():\n    a = 1\n    return a\n"
    tokens, tagging = tagged(broken, fixed, [(19, 29, "")])
    assert [TAGS[number].action for number in tagging.tags.values()] == ["delete line"]
    assert apply(broken, tokens, [Edit(*item) for item in tagging.tags.items()]) == fixed


@settings(deadline=None)
@given(st.text(max_size=80), st.lists(st.tuples(st.integers(0, 40), st.integers(0, len(TAGS) - 1)), max_size=5))
def test_any_tags_can_be_applied_to_any_text(text: str, drawn: list[tuple[int, int]]) -> None:
    tokens = LEXICON.lex(text)
    edits = {number: tag for number, tag in drawn if number < len(tokens)}
    names = Names(tokens)
    for number, tag in edits.items():
        for word in names.candidates(TAGS[tag], number) or [""]:
            assert isinstance(apply(text, tokens, [Edit(number, tag, word)]), str)
