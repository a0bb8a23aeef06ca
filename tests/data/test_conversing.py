"""Conversations out of code and text: true to their source, and nothing kept that a passage does not answer."""

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from gatllm.cli import main
from gatllm.data import converse, corrupt
from gatllm.data.conversing import passages, read_pairs, reason
from gatllm.errors import GatllmError

CODE = '''\
def total(prices, rate):
    """Return the sum of the prices with the tax of the given rate.

    Raises nothing.
    """
    result = sum(prices)
    return result * (1 + rate)


def undocumented(a, b):
    if a > b:
        return a - b
    return [a, b]
'''
PASSAGE = (
    "The lighthouse of Kell was built in 1871 by the engineer Mary Osgood. It stands on granite and its lamp "
    "burned whale oil until 1903, when electricity came to the island."
)


def _code_in(text: str) -> str:
    return text.rsplit("```python\n", 1)[1].removesuffix("```")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "money.py").write_text(CODE)
    return folder


KINDS = {"written": 1, "explained": 1, "named": 3, "known": 2, "recited": 2, "repaired": 2}


def test_code_becomes_requests_explanations_and_repairs(source: Path, tmp_path: Path) -> None:
    made = converse([str(source)], tmp_path / "out", seed=3)
    assert made.manifest.kind == "conversation"
    assert made.manifest.made_with["kinds"] == KINDS
    for record in made.records():
        question, answer = (turn["content"] for turn in record["messages"])
        if "Line " in answer:
            assert _code_in(question).strip() not in CODE
        if "```python" in answer:
            assert _code_in(answer).strip() in CODE  # the answer is the source's own code
        else:
            assert answer.endswith("Return the sum of the prices with the tax of the given rate.")
    again = converse([str(source)], tmp_path / "again", seed=3)
    assert again.manifest.merkle_root == made.manifest.merkle_root


def test_a_library_is_asked_for_by_name_without_its_code(source: Path, tmp_path: Path) -> None:
    (source / "money.py").write_text(
        CODE + '\n\ndef _rounded(x):\n    """Return x as a whole number of cents."""\n    return int(x)\n'
    )
    asked = {
        question["content"]: answer["content"]
        for question, answer in (record["messages"] for record in converse([str(source)], tmp_path / "out").records())
        if "library" in question["content"]  # the folder's name
    }
    assert len(asked) == 7
    assert not any("_rounded" in one for one in [*asked, *asked.values()])  # nobody outside calls it
    which = [answer for question, answer in asked.items() if "the sum of the prices" in question]
    assert len(which) == 3
    assert all(answer.startswith("`total`") for answer in which)
    written = [answer for question, answer in asked.items() if "```python" in answer]
    assert len(written) == 2
    assert all("return result * (1 + rate)" in answer for answer in written)


def test_sections_of_a_page_are_answers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    code = "```python\nopen_the(lighthouse)\n```"
    page.write_text(
        f"# Kell\n\nAn island.\n\n## Its lamp\n\n{PASSAGE}\n\nMore of it.\n\n## Code\n\n{code}\n\n## Empty\n"
    )
    made = converse([str(page)], tmp_path / "out")
    assert made.manifest.made_with["kinds"] == {"told": 2}
    for record in made.records():
        question, answer = (turn["content"] for turn in record["messages"])
        assert "Kell" in question
        assert "Its lamp" in question
        assert answer == PASSAGE


@pytest.mark.parametrize("seed", range(40))
def test_a_reason_names_the_line_and_what_should_stand_there(seed: int) -> None:
    made = corrupt(CODE, Random(seed), 1 + seed % 2, errors=(1, 1))
    assert made is not None
    text = reason(made)
    line = int(text.split()[1])
    broken, good = made.broken.split("\n"), CODE.split("\n")
    first = next((at for at, (one, other) in enumerate(zip(broken, good, strict=False)) if one != other), None)
    assert first is None or abs(line - 1 - first) <= 1
    assert text.endswith((".", "```"))


def _model(written: str, answers: dict[str, str]) -> object:
    def ask(questions: Sequence[str]) -> list[str]:
        return [
            next((answer for question, answer in answers.items() if f"Question: {question}" in text), "unknown")
            if "Question: " in text
            else written
            for text in questions
        ]

    return ask


def test_only_what_the_passage_answers_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "island.txt"
    file.write_text(PASSAGE)
    good = "When was the lighthouse of Kell built?"
    again = "In which year was the lighthouse of Kell built?"
    elsewhere = "What is the capital of France?"
    lost = "Who designed the lamp of the lighthouse?"
    cases = {
        good: ("1871", "in 1871"),
        again: ("1871", "1871"),
        elsewhere: ("Paris", "Paris"),
        lost: ("Mary Osgood", "unknown"),
    }
    kept = {}
    for question, (answer, second) in cases.items():
        out = tmp_path / str(len(kept))
        try:
            made = converse([str(file)], out, ask=_model(f"Q: {question}\nA: {answer}", {question: second}))  # type: ignore[arg-type]
        except GatllmError:
            kept[question] = False
        else:
            kept[question] = [r["messages"][0]["content"] for r in made.records()] == [question]
    assert kept == {good: True, again: True, elsewhere: False, lost: False}
    copy = "The lighthouse of Kell was built in 1871 by the engineer Mary Osgood, true?"
    written = f"Q: {good}\nA: 1871\n\nQ: {copy}\nA: 1871\n\nQ: When was the lighthouse of Kell built up?\nA: 1871"
    made = converse([str(file)], tmp_path / "three", ask=_model(written, {good: "1871", copy: "1871"}))  # type: ignore[arg-type]
    assert made.manifest.made_with["asked"] == {"missing": 0, "kept": 1, "a copy": 1, "repeated": 1}


def test_what_a_model_writes_is_read_in_its_usual_forms() -> None:
    wanted = [("What is a?", "One."), ("And b?", "Two words.")]
    assert read_pairs("Q: What is a?\nA: One.\nQ: And b?\nA: Two\nwords.") == wanted
    assert read_pairs("1. Q1: What is a?\nA1: One.\n\n2. Q2: And b?\nA2: Two words.\n") == wanted
    assert read_pairs("Question: What is a?\n\nAnswer: One.\n\nQuestion 2: And b?\nAnswer: Two words.") == wanted
    assert read_pairs("I can't do that.") == []


def test_passages_are_paragraphs_joined() -> None:
    text = "\n\n".join(f"{number} " + "word " * 60 for number in range(6))
    assert all(len(passage) <= 900 for passage in passages(text, code=False))
    assert len(passages(text, code=False)) == 3
    assert passages("short", code=False) == []


def test_the_command(source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["data", "converse", str(source), "--out", str(tmp_path / "out"), "--json", "--quiet"])
    assert ended.value.code == 0
    assert json.loads(capfd.readouterr().out)["kind"] == "conversation"
    (tmp_path / "nothing.txt").write_text("x")
    with pytest.raises(SystemExit) as ended:
        main(["data", "converse", str(tmp_path / "nothing.txt"), "--out", str(tmp_path / "none"), "--quiet"])
    assert ended.value.code == 1
    assert "makes a conversation" in capfd.readouterr().err


def test_answers_stay_parsable_python(source: Path, tmp_path: Path) -> None:
    answers = [record["messages"][1]["content"] for record in converse([str(source)], tmp_path / "out").records()]
    with_code = [answer for answer in answers if "```python" in answer]
    assert with_code
    for answer in with_code:
        ast.parse(_code_in(answer))
