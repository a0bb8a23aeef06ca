"""Reading a text in parts tells what reading the whole does."""

from __future__ import annotations

import ast

from hypothesis import given
from hypothesis import strategies as st

from gatllm.review.reading import part, skeleton, statements, tree_of
from tests.review.test_gate import FUNCTIONS

PIECES = [
    *FUNCTIONS,
    "import os\n",
    "x = 1; y = (2,\n  3)\n",
    '"""Words."""\n',
    "# a comment\n",
    "\n\n",
    "@decorated\nclass A(B):\n    '''Words.'''\n\n    n: int = 3\n\n    @prop\n    def f(self):\n        return 1\n",
    "class C: pass\n",
    "class D:\n    class E:\n        z = 1\n    w = 2\n",
    "if x:\n    y = 2\nelse:\n    y = 3\n",
]
texts = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)


@given(texts, texts)
def test_texts_have_the_same_tree_if_python_says_so(first: str, second: str) -> None:
    assert (tree_of(first) == tree_of(second)) == (ast.dump(ast.parse(first)) == ast.dump(ast.parse(second)))


def test_a_line_at_another_depth_is_another_tree() -> None:
    assert tree_of("class A:\n    x = 1\ny = 2\n") != tree_of("class A:\n    x = 1\n    y = 2\n")
    assert tree_of("class A:\n    x = 1\n") == tree_of("class A:\n\n        x   = 1  # one\n")


def test_a_skeleton_leaves_out_what_strings_say_and_nothing_else() -> None:
    assert skeleton("f('a', 1)\n") == skeleton("f('b', 1)\n") != skeleton("f('a', 2)\n")
    assert skeleton("f(1)\n") != skeleton("f(True)\n")
    assert skeleton("f(1") is None


def test_a_tree_too_deep_to_be_walked_is_compared_by_its_lines() -> None:
    deep = f"x = {' + '.join(['a'] * 3000)}\n"
    assert tree_of(deep) == tree_of(deep) != tree_of(deep.replace("x", "y"))


@given(texts, texts, st.sampled_from(PIECES), st.sampled_from(["", "x (\n", "def f(:\n    pass\n", "    z = 1\n"]))
def test_a_part_holds_all_that_differs_in_whole_statements(above: str, below: str, new: str, old: str) -> None:
    before, after = above + old + below, above + new + below
    found = part(before, after)
    rest = len(after) - found.start - len(found.after)
    assert before[: found.start] == after[: found.start]
    assert before[: found.start] + found.before + before[len(before) - rest :] == before
    assert after[found.start :].startswith(found.after)
    inside = {id(node) for node in found.nodes}
    first = after.count("\n", 0, found.start) + 1
    lines = range(first, first + found.after.count("\n") + 1)
    for one in statements(after) or ():
        if one.first in lines and one.last in lines:
            assert id(one.node) in inside
    whole = ast.parse(after)
    bound = {node.name for node in ast.walk(whole) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert bound <= found.bound if statements(after) else not found.bound


def test_a_part_in_the_midst_of_a_body_has_another_statement_above_it() -> None:
    text = "class A:\n    x = 1\n    y = 2\n    'words'\n    z = 3\n"
    found = part(text.replace("'words'", "'words"), text)
    bodies = [node.body for node in found.nodes if isinstance(node, ast.Module)]
    assert [[type(one) for one in body] for body in bodies] == [[ast.Global, ast.Assign, ast.Expr, ast.Assign]]
