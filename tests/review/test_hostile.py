"""Texts that cost much: what they cost is counted in work, not in time."""

import pytest

from gatllm.review import Reviewer, gate
from gatllm.review.critics import Finding, compile_error
from gatllm.review.default import load_reviewer
from gatllm.review.detection import detect
from gatllm.review.names import Names
from gatllm.review.rules import lost, neighbours
from gatllm.review.rules.table import RULES
from gatllm.review.tags import TAGS
from gatllm.tokenizers.lexing import lenient


@pytest.fixture(scope="module")
def reviewer() -> Reviewer:
    return load_reviewer(quick=True)


def test_a_slip_beside_a_line_of_data_is_repaired_without_it(
    reviewer: Reviewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = f"x = [{', '.join(map(str, range(9000)))}]"
    longest = 0
    given = lenient.lexemes

    def counted(text: str) -> object:
        nonlocal longest
        longest = max(longest, len(text))
        return given(text)

    monkeypatch.setattr(lenient, "lexemes", counted)
    for broken, meant in (("y = f(1\n", "y = f(1)\n"), ("def f(a:\n    return a\n", "def f(a):\n    return a\n")):
        for above, below in (("", data), (data, ""), (data, data)):
            assert reviewer.fix(f"{above}\n{broken}{below}\n").text == f"{above}\n{meant}{below}\n"
    assert longest < len(data)


@pytest.mark.parametrize(
    "text",
    [
        "x = {" + "'a':1;" * 1500,
        "def f(" + "a;" * 8000,
        "x = " + "a for b in " * 2000 + ":#",
        "x" * 9000 + "![1;2;3",
        "x = " + "3x+" * 4000,
        "f(3) def " * 2000,
    ],
)
def test_rules_for_what_people_type_leave_a_line_of_data(text: str) -> None:
    error = compile_error(text)
    assert error is not None
    for rule in (*neighbours.RULES, *lost.RULES):
        if rule.messages.search(error.message):
            assert list(rule.rewrite(text, error)) == []


def test_a_word_without_end_is_neither_cut_nor_respelt() -> None:
    for action in ("cut", "respell"):
        tag = next(one for one in TAGS if one.action == action)
        for word, is_short in (("printprint", True), ("print" * 40, False)):
            tokens = [lenient.Lexeme("word", one, 0, len(one)) for one in (word, word + "x")]
            assert bool(Names(tokens).candidates(tag, 0)) == is_short


def test_a_line_without_end_is_named_and_left(reviewer: Reviewer) -> None:
    repair = reviewer.fix(f"y = 1\nx = [{', '.join(map(str, range(12000)))}\n")
    assert (repair.changed, repair.why.endswith("the line is too long to repair")) == (False, True)


@pytest.mark.parametrize("word", ["lambda ", "in a if b ", "foo. bar, "])
def test_words_without_end_are_asked_once_whether_they_are_prose(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    given = lenient._before_prose
    monkeypatch.setattr(lenient, "_before_prose", lambda run: asked.append(len(run)) or given(run))
    text = f"x = {word * 900}\n"
    assert "".join(one.text for one in lenient.lexemes(text)) == text
    assert sum(asked) < 3 * len(text)


@pytest.mark.parametrize("inside", ["a" * 60 + ".b", "a, " * 60 + "!", "a: b = c, " * 40 + "(", "*" * 60])
def test_a_head_that_is_none_is_seen_at_once(inside: str) -> None:
    """Where each letter may begin another parameter, a regular expression tries as many ways as there are pairs."""
    rule = next(rule for rule in RULES if rule.name == "def-lost")
    text = f"area({inside}):\n    return 1\n"
    assert [*rule.rewrite(text, Finding(1, 1, "SyntaxError", "invalid syntax", "compiler"))] == []


@pytest.mark.parametrize(
    "text",
    ["\n" * 60, "import a.b;\n\n\n" * 40, "/* a */\n" * 40, "//\n\n" * 40],
)
def test_blank_lines_above_something_else_are_read_once(text: str) -> None:
    """They would be shared out among comments and imports of other languages in as many ways as there are sums."""
    assert detect(f"{text}x = (\n") is None


@pytest.mark.parametrize(
    ("line", "meant"), [("print 'a'\n", "print('a')\n"), ("i++\n", "i += 1\n"), ("print 'a\n", "print('a')\n")]
)
def test_a_mistake_in_every_line_reads_no_text_again_for_each(
    reviewer: Reviewer, monkeypatch: pytest.MonkeyPatch, line: str, meant: str
) -> None:
    read = 0
    given = gate.quoted

    def counted(text: str, *kinds: int) -> object:
        nonlocal read
        read += len(text)
        return given(text, *kinds)

    monkeypatch.setattr(gate, "quoted", counted)
    assert reviewer.fix(line * 60).text == meant * 60
    assert read < 20 * len(line * 60)


def test_what_is_too_deep_to_walk_is_left(reviewer: Reviewer) -> None:
    text = "def f():\n    " + "a." * 1500 + "\n"
    repair = reviewer.fix(text)
    assert repair.text == text
    assert repair.why
