"""The critics: one verdict for compiler and linter, on any text."""

from hypothesis import given
from hypothesis import strategies as st

from gatllm.review.critics import compile_error, lint, mistakes, same_tree, syntax_error


@given(st.text())
def test_any_text_gets_a_verdict(text: str) -> None:
    error = compile_error(text)
    assert error is None or (error.line >= 1 and error.column >= 1)


def test_deep_nesting_null_bytes_and_surrogates_are_errors_not_crashes() -> None:
    for text in ("(" * 5000, "x = '\0'", "x = '\ud800'", "-" * 100_000 + "1", "x" * 10 + "\\"):
        assert compile_error(text) is not None


def test_an_error_past_the_parser_counts() -> None:
    assert syntax_error("return 1") is None
    error = compile_error("return 1")
    assert error is not None
    assert "outside function" in error.message


def test_findings_of_a_batch_keep_their_order() -> None:
    found = lint(["x = 1\n", "import os\n", "def f(:\n", "print(y)\n"])
    assert [[finding.code for finding in findings] for findings in found] == [[], ["F401"], [], ["F821"]]
    assert found[3][0].line == 1


def test_unused_imports_and_their_like_are_no_mistakes() -> None:
    untidy = "import os\nfrom math import *\n\n\ndef f():\n    x = 1\n    return f'a', sin(1)\n"
    assert {finding.code for finding in lint([untidy])[0]} >= {"F401", "F403", "F405", "F541", "F841"}
    assert mistakes([untidy, "print(y)\n"]) == [(), lint(["print(y)\n"])[0]]


def test_lint_of_nothing() -> None:
    assert lint([]) == []


def test_same_tree_ignores_layout_only() -> None:
    assert same_tree("x=1", "x = 1  # one\n")
    assert not same_tree("x=1", "x=2")
    assert not same_tree("x=", "x=")


def test_the_compilers_own_warnings_are_not_ours() -> None:
    assert compile_error("x = '\\d'\nassert (x, 1)\n") is None
