"""The reviewer mends what its model knows, falls back on the search, never makes a text worse, and says what it did."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatllm.errors import GatllmError
from gatllm.review import Reviewer, compile_error, same_tree
from gatllm.review.default import find_run, load_reviewer
from gatllm.review.tagger import windows_of
from gatllm.tokenizers.lexicon import Lexeme
from tests.review.conftest import CODE

BROKEN = CODE.replace("return", "retrun")


def test_the_model_mends_what_it_knows(reviewer: Reviewer) -> None:
    repair = reviewer.fix(BROKEN)
    assert repair.by == "model"
    assert repair.text == CODE
    assert repair.changed
    assert repair.compiles


def test_several_errors_far_apart_are_mended_in_turn(reviewer: Reviewer) -> None:
    text = "\n\n".join(BROKEN.replace("total", f"total_{n}") for n in range(4)) + "\nwhlie True:\n    pass\n"
    repair = reviewer.fix(text)
    assert repair.by == "model"
    assert repair.text == text.replace("retrun", "return").replace("whlie", "while")


def test_words_in_strings_are_left_as_they_are(reviewer: Reviewer) -> None:
    text = BROKEN.replace('"""', '"""(retrun: whlie) ', 1)
    assert reviewer.fix(text).text == text.replace("    retrun round", "    return round")


def test_what_the_model_does_not_know_the_search_mends(reviewer: Reviewer) -> None:
    repair = reviewer.fix(CODE.replace("rate):", "rate)"))
    assert same_tree(repair.candidates[0].text, CODE)
    assert repair.candidates[0].score is None


def test_what_compiles_is_left_alone_unless_asked(reviewer: Reviewer) -> None:
    text = "x = lst(range(3))\n"
    assert not reviewer.fix(text).changed
    repair = reviewer.fix(text, semantic=True)
    assert repair.text == text
    assert not repair.changed
    assert [candidate.text for candidate in repair.candidates] == ["x = list(range(3))\n"]
    assert repair.candidates[0].harm == ("nothing proves it",)


def test_meaning_is_not_changed_where_that_breaks_a_rule_of_ruff(reviewer: Reviewer) -> None:
    text = "lst = [1]\nprint(lst)\n"  # replacing one of the two leaves an undefined name or an unused one
    repair = reviewer.fix(text, semantic=True)
    assert compile_error(repair.likeliest) is None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="abc()[]:=+'\"\n \t#\\,.", max_size=80))
def test_a_repair_compiles_or_nothing_is_changed(reviewer: Reviewer, text: str) -> None:
    repair = reviewer.fix(text)
    assert repair.compiles == (compile_error(repair.text) is None)
    assert repair.changed == (repair.text != text)
    assert repair.compiles or (not repair.changed and repair.why)


def test_a_check_points_at_the_place(reviewer: Reviewer) -> None:
    review = reviewer.check(BROKEN)
    assert review.verdict == "fake"
    assert review.probability == 1.0
    assert review.findings[0].line == 8
    assert (review.suspects[0].line, review.suspects[0].column) == (8, 5)
    assert "`return`" in review.suspects[0].words
    real = reviewer.check(CODE)
    assert real.verdict == "real"
    assert real.suspects == ()


def test_long_texts_are_checked_in_windows(reviewer: Reviewer) -> None:
    text = "\n\n".join(CODE.replace("total", f"total_{n}") for n in range(30)) + "\nx = lst(3)\n"
    review = reviewer.check(text)
    assert [suspect.line for suspect in review.suspects] == [text.count("\n")]


def test_without_a_model_the_critics_decide() -> None:
    reviewer = Reviewer()
    assert not reviewer.has_model
    assert reviewer.check("print(y)\n").verdict == "fake"
    assert reviewer.check("import os\n").verdict == "real"
    assert reviewer.check("x = 1\n").probability is None
    assert reviewer.fix("x = (1\n").by == "search"


def test_threads_share_a_reviewer(reviewer: Reviewer) -> None:
    texts = [BROKEN.replace("total", f"total_{n}") for n in range(12)]
    with ThreadPoolExecutor(4) as pool:
        fixed = list(pool.map(lambda text: reviewer.fix(text).text, texts))
    assert fixed == [text.replace("retrun", "return") for text in texts]


def test_a_trained_run_is_found_and_used(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatllm.review.default.SHIPPED", tmp_path / "none")
    assert find_run(run.parent) == run
    reviewer = load_reviewer(run)
    assert reviewer.has_model
    assert 0 <= (reviewer.check(CODE).probability or 0) <= 1
    assert compile_error(reviewer.fix(BROKEN).text) is None


def test_a_run_brings_its_calibration(run: Path) -> None:
    reviewer = Reviewer.load(run)
    assert (run / "calibration.json").is_file()
    assert reviewer.threshold >= 0.5
    assert 0 < (reviewer.check(CODE).probability or 0) < 1


@pytest.mark.parametrize("lost", ["recipe.toml", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("quick", [False, True])
def test_a_damaged_run_is_one_clear_error(run: Path, tmp_path: Path, lost: str, quick: bool) -> None:
    for file in run.iterdir():
        if file.is_file() and file.name != lost:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(GatllmError):
        Reviewer.load(tmp_path, quick=quick)


def test_windows_begin_at_lines_and_are_few_where_there_are_none() -> None:
    def tokens(text: str) -> list[Lexeme]:
        return [Lexeme(0, letter, at, at + 1) for at, letter in enumerate(text)]

    for text in ("a" * 1000, "aaa\n" * 250, "a" * 50 + "\n" + "a" * 949):
        windows = windows_of(tokens(text), 100)
        assert {at for one in windows for at in range(one.first, one.first + len(one.tokens))} == set(range(1000))
        starts = [text[one.first] for one in windows[1:]]
        assert set(starts) == {"\n"} if "\naaa\n" in text else len(windows) <= 14


def test_what_is_too_long_is_left_to_the_critics(reviewer: Reviewer) -> None:
    review = reviewer.check("lst = [1]\n" * 200_000)
    assert review.probability is None
    assert not review.suspects


def test_a_large_text_is_repaired_near_its_error(reviewer: Reviewer) -> None:
    data = "ROWS = [\n" + "    (1, 'one', 1.0),\n" * 20_000 + "]\n"
    text = data + "\n\ndef f(x):\n    return (x\n"
    assert Reviewer().fix(text).text == data + "\n\ndef f(x):\n    return (x)\n"
    long = "x = [" + "1, " * 100_000 + "]\n"
    assert Reviewer().fix(long + "y = (1\n").text == long + "y = (1)\n"
    noted = Reviewer().fix(
        data + "class Store:\n    ... existing methods ...\n\n    def add(self, item):\n        return item\n"
    )
    assert noted.rules == ("placeholder",)
    assert noted.why.startswith("line 20004: code was left out here")
    assert "too long" in Reviewer().fix("x = [" + "1, " * 100_000 + "\n").why


@pytest.mark.parametrize("text", ["(" * 5000, "\n".join(" " * n + "if x:" for n in range(300))])
def test_what_is_nested_too_deeply_is_left_with_the_compilers_words(text: str) -> None:
    repair = Reviewer().fix(text)
    assert not repair.changed
    assert "too many" in repair.why


def test_a_repair_that_may_not_be_written_does_not_end_the_search_for_one_that_may() -> None:
    """`add` is nearly `and`, which a rule makes `and_`: the gate holds that back, and the right one is looked for."""
    repair = load_reviewer(quick=True).fix("def add(a, b:\n    retrun a + b\n")
    assert repair.text == "def add(a, b):\n    return a + b\n"
