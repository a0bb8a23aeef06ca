"""Languages: C++ plugs in with a lexer and a parser; everything else stays."""

from pathlib import Path
from random import Random

import pytest

from gatllm.data import Options, build, build_negative, corrupt
from gatllm.data.languages import language, languages
from gatllm.errors import UsageError

CPP = """\
#include <vector>
// sums ünïcode
template <typename T>
T total(const std::vector<T>& items, int limit = 10) {
    T sum{};
    for (const auto& item : items) {
        if (item > limit && item != 'x') { sum += item * 2; }
    }
    return sum;
}
"""


@pytest.fixture(autouse=True)
def _needs_tree_sitter() -> None:
    pytest.importorskip("tree_sitter_cpp")


@pytest.mark.parametrize("name", languages())
@pytest.mark.parametrize("text", [CPP, "", "é = 1 # ü\n\tx\\\n\r\n", "int x = ", "\x00\x0c"])
def test_tokens_joined_give_back_the_text(name: str, text: str) -> None:
    tokens = language(name).lex(text)
    assert "".join(token.text for token in tokens) == text
    assert all(text[token.start : token.end] == token.text for token in tokens)


@pytest.mark.parametrize("level", [1, 3, 5])
def test_cpp_is_broken_and_mends_byte_for_byte(level: int) -> None:
    families = set()
    for seed in range(60):
        made = corrupt(CPP, Random(seed), level, language="cpp")
        assert made is not None
        assert made.repair() == CPP
        families.update(made.families)
    assert len(families) >= 6


def test_cpp_verdicts_name_the_line(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "good.cpp").write_text(CPP)
    (root / "bad.cpp").write_text(CPP.replace("items) {", "items {"))
    made = build(root, tmp_path / "out", options=Options(language="cpp"))
    assert [record["origin"] for record in made.records()] == ["project:good.cpp"]
    (rejected,) = made.rejected()
    assert rejected["reasons"][0]["rule"] == "syntax"
    negative = build_negative(made, tmp_path / "negative", level=1)
    assert [record["source"] for record in negative.records()] == [record["id"] for record in made.records()]


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(UsageError, match="cobol"):
        language("cobol")
