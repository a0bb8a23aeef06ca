"""Notebooks: cells as Python, magics as they are, and a file byte-equal but for the lines of the repair."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gatllm.editor.edits import edits
from gatllm.editor.notebooks import Notebook, masked
from gatllm.editor.positions import replaced
from gatllm.errors import GatllmError
from gatllm.review import compile_error

PYTHON = [
    "%matplotlib inline\nx = 1\n",
    "!pip install 'a b' \\\n  c\nx = 1",
    "files = !ls -l\nout = %timeit -o f()\nfirst, rest = !cat x",
    "x?\nx.y??\n?print\n%time?\n",
    "x = await get()\nfor n in range(3):\n    await f(n)\nawait(x)\n",
    "async with a as b:\n    pass\nasync for c in d:\n    print(c)\n",
    "%%time\nx = 1\n",
    "%%capture out\nprint(1)",
    "if x:\n    !ls\n    %cd ..\nelse:\n    x?",
    "async def f():\n    return await g()\n",
    "y = (a\n     % b)\nz = '!ls'\nw = a != b\n",
    "# a comment\n\n%%timeit -n 3\nf(1)\n",
    "s = '''\nplain text\n'''\n",
]


@pytest.mark.parametrize("source", PYTHON)
def test_what_is_ipythons_compiles_behind_its_mask(source: str) -> None:
    found = masked(source)
    assert found.python
    assert len(found.text) == len(source)
    assert compile_error(found.text) is None, found.text


@pytest.mark.parametrize("source", ["%%bash\nls -l\n", "%%html\n<b>x</b>\n", "\n# c\n%%javascript\nvar x = 1;\n"])
def test_cells_in_other_languages_are_left_alone(source: str) -> None:
    assert not masked(source).python


def test_an_error_beside_a_magic_is_an_error() -> None:
    for broken in ("%matplotlib inline\ndef f(a, b:\n    return a\n", "x = await get(\n", "!ls\nif x\n    y = 1\n"):
        assert compile_error(masked(broken).text) is not None


@example("%%a\n")  # the whole cell is another language's
@given(st.text(alphabet="ab%!?=\n\\ ()'#await async def:,.", max_size=60))
@settings(max_examples=300, deadline=None)
def test_masks_keep_every_character_in_its_place(source: str) -> None:
    found = masked(source)
    assert len(found.text) == len(source)
    outside = [at for at in range(len(source)) if not any(start <= at < end for start, end in found.spans)]
    assert all(found.text[at] == source[at] for at in outside)
    assert all(found.text[at] in "\r\n" or source[at] not in "\r\n" for at in range(len(source)))


def notebook(*cells: tuple[str, Any], indent: int | None = 1, ascii_: bool = False) -> str:
    entries = []
    for kind, source in cells:
        entry: dict[str, Any] = {"cell_type": kind, "metadata": {}, "source": source, "id": "é"}
        entries.append(entry | ({"outputs": [{"text": ["x\n"]}], "execution_count": 3} if kind == "code" else {}))
    document = {"cells": entries, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(document, indent=indent, ensure_ascii=ascii_) + "\n"


def sources(raw: str) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(raw)["cells"]]


@pytest.mark.parametrize("indent", [None, 1, 4])
@pytest.mark.parametrize("ascii_", [True, False])
@pytest.mark.parametrize("listed", [True, False])
def test_a_repair_changes_its_lines_and_no_other_byte(indent: int | None, ascii_: bool, listed: bool) -> None:
    before, after = 's = "é😀\\n"\ndef f(a, b:\n    return a\n', 's = "é😀\\n"\ndef f(a, b):\n    return a\n'
    code = before.splitlines(keepends=True) if listed else before
    raw = notebook(("markdown", "# é"), ("code", code), ("code", ["x?\n", "y"]), indent=indent, ascii_=ascii_)
    made = Notebook(raw)
    assert [cell.number for cell in made.cells] == [2, 3]
    out = made.with_changes({2: edits(before, after)})
    assert sources(out) == ["# é", after, "x?\ny"]
    assert out == raw.replace("def f(a, b:", "def f(a, b):")


def test_new_lines_become_lines_of_the_list_and_lost_ones_go() -> None:
    before = "class A:\nx = 1\nx = 1\n"
    raw = notebook(("code", before.splitlines(keepends=True)))
    for after in ("class A:\n    pass\nx = 1\nx = 1\n", "class A: pass\nx = 1\n", "class A:\nx = 1\nx = 1\ny = 2\n"):
        out = Notebook(raw).with_changes({1: edits(before, after)})
        assert sources(out) == [after]
        lines = json.loads(out)["cells"][0]["source"]
        assert all("\n" not in line.removesuffix("\n") for line in lines), lines


_LINE = st.text(alphabet='ab\t "\\é😀', max_size=5)


@given(st.lists(_LINE, min_size=1, max_size=5), st.lists(_LINE, min_size=1, max_size=5), st.booleans(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_change_of_a_source_can_be_written(old: list[str], new: list[str], listed: bool, ascii_: bool) -> None:
    before, after = "\n".join(old), "\n".join(new)
    source = before.splitlines(keepends=True) if listed else before
    raw = notebook(("code", source), ("code", "keep"), ascii_=ascii_)
    made = Notebook(raw)
    if not made.cells or made.cells[0].number != 1:  # an empty list holds no line to change
        return
    changes = edits(before, after)
    assert replaced(before, changes) == after
    out = made.with_changes({1: changes})
    assert sources(out) == [after, "keep"]


def test_places_in_cells_are_places_in_the_file() -> None:
    raw = notebook(("code", ['s = "é\\n"\n', "x = 1\n"]), ascii_=True)
    made = Notebook(raw)
    [cell] = made.cells
    line, column = made.place(cell, cell.source.index("x = 1"))
    assert raw.split("\n")[line - 1][column - 1 :].startswith("x = 1")


@pytest.mark.parametrize("raw", ["", "{", "[]", "{}", '{"worksheets": []}', '{"cells": 3}', "[" * 100_000, "x = 1"])
def test_what_is_no_notebook_is_one_clear_error(raw: str) -> None:
    with pytest.raises(GatllmError, match="is not a notebook"):
        Notebook(raw)


def test_another_kernel_is_left_alone() -> None:
    raw = notebook(("code", "x <- (1")).replace('"name": "python"', '"name": "R"')
    assert not Notebook(raw).is_python
