"""Functions: dedented, complete, in order; pairs whose target begins with the prompt."""

import ast

from gatllm.data import docstring_pairs, functions


def test_functions_and_methods_are_found_dedented(good: str) -> None:
    found = functions(good)
    assert [function.name for function in found] == ["greet", "Counter.__init__", "Counter.add"]
    for function in found:
        assert isinstance(ast.parse(function.text).body[0], ast.FunctionDef)
    assert found[0].docstring == "Return a greeting for name."
    assert found[2].header == "def add(self, step=1):"


def test_pairs_are_documented_functions_that_begin_with_their_prompt(good: str) -> None:
    pairs = docstring_pairs(good)
    assert len(pairs) == 2
    for prompt, target in pairs:
        assert target.startswith(prompt)
        assert prompt.endswith('"""')
        assert len(target) > len(prompt)


def test_decorators_belong_to_the_function_and_one_liners_work() -> None:
    text = "@staticmethod\n@other(\n  1)\ndef f(): return 1\nif 1:\n    def hidden(): pass\n"
    (function,) = functions(text)
    assert function.text.startswith("@staticmethod")
    assert function.header.endswith("def f(): return 1")


def test_strings_at_the_margin_do_not_break_a_method() -> None:
    text = 'class A:\n    def f(self):\n        return """\nmargin\n"""\n\n    def g(self):\n        return 2\n'
    assert [function.name for function in functions(text)] == ["A.g"]


def test_what_does_not_parse_has_no_functions() -> None:
    assert functions("def f(:") == []
    assert docstring_pairs("") == []
