"""Prose and code are told apart however the text arrives, and nothing is lost."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatllm.answering.blocks import BlockSplitter, CodeBlock, Prose, Segment, find_code, split

LINES = st.sampled_from(["```python", "```", "````", "~~~", "x = 1", "", "  y", "text `a` b", " ```js", "``", "`"])


def joined(segments: list[Segment]) -> list[Segment]:
    out: list[Segment] = []
    for segment in segments:
        if isinstance(segment, Prose) and out and isinstance(out[-1], Prose):
            out[-1] = Prose(out[-1].text + segment.text)
        else:
            out.append(segment)
    return out


@settings(deadline=None)  # shared machines stall
@given(lines=st.lists(LINES, max_size=12), cuts=st.lists(st.integers(0, 80), max_size=8), end=st.booleans())
def test_the_pieces_do_not_depend_on_how_the_text_arrives(lines: list[str], cuts: list[int], end: bool) -> None:
    text = "\n".join(lines) + "\n" * end
    splitter = BlockSplitter()
    segments: list[Segment] = []
    bounds = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    for start, stop in pairwise(bounds):
        segments += splitter.feed(text[start:stop])
    segments += splitter.finish()
    assert joined(segments) == split(text)


@settings(deadline=None)  # shared machines stall
@given(lines=st.lists(LINES, max_size=12))
def test_every_line_is_in_some_piece(lines: list[str]) -> None:
    text = "\n".join(lines)
    held = "".join(segment.text if isinstance(segment, Prose) else segment.code for segment in split(text))
    for line in lines:
        if not line.strip().startswith(("``", "~~~")) and line != "":
            assert line in held


def test_prose_is_handed_out_at_once_and_code_when_complete() -> None:
    splitter = BlockSplitter()
    assert list(splitter.feed("Here ")) == [Prose("Here ")]
    assert list(splitter.feed("it is:\n``")) == [Prose("it is:\n")]
    assert list(splitter.feed("`python\nx = 1\n")) == []
    assert list(splitter.feed("```\n")) == [CodeBlock("python", "x = 1\n")]


def test_a_block_that_the_answer_cut_off_is_not_closed() -> None:
    assert split("```py\nx = (1,") == [CodeBlock("py", "x = (1,", closed=False)]


def test_a_block_with_fences_inside_gets_a_longer_fence() -> None:
    block = split("````\na\n```\nb\n````")[0]
    assert block == CodeBlock("", "a\n```\nb\n")
    assert isinstance(block, CodeBlock)
    assert split(block.with_code(block.code)) == [block]


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        ("fix: for i in range(10) print(i)", "for i in range(10) print(i)\n"),
        ("Why does this fail?\n\ndef add(a, b)\n    return a + b", "def add(a, b)\n    return a + b\n"),
        ("Look:\n```python\nx = (1\n```\nthanks", "x = (1\n"),
        ("What is wrong? print 'hello'", "print 'hello'\n"),
        ("repair this:\nimport os\nos.getcwd(\n", "import os\nos.getcwd(\n"),
    ],
)
def test_code_in_a_prompt_is_found(prompt: str, code: str) -> None:
    found = find_code(prompt)
    assert found is not None
    assert found.code == code


@pytest.mark.parametrize(
    "prompt",
    ["Write a function that reverses a string", "What is the capital of France?", "import data from a CSV file, how?",
     "explain the return statement", "For each word, count its letters", "```js\nlet x = 1\n```"],
)  # fmt: skip
def test_plain_questions_hold_no_code(prompt: str) -> None:
    assert find_code(prompt) is None
