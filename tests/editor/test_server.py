"""The language server, spoken to over pipes: by a small client of our own, and by pygls as an independent one."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lsprotocol import types
from pygls.lsp.client import LanguageClient

from tests.editor.client import Client, applied

URI = "file:///somewhere/bad.py"
HALF_TYPED = [
    "import os\n\ndef f(p):\n    x = os.path.\n    return x\n",
    "def f(p):\n    if p.\n",
    "class A:\n    def g(self):\n        self.",
    "for x in",
    "import numpy as n\nn.",
    "try:\n    x = 1\n",
    "x = [1, 2,\n",
    'print("hel',
    "@",
    "def ",
    "if x:\n    ",
    'with open("a") as f:\n',
    "lambda",
    "a = b if ",
]


@pytest.fixture(scope="module")
def editor() -> Iterator[Client]:
    with Client() as client:
        yield client


def test_a_quick_fix_ends_the_diagnostics(editor: Client) -> None:
    text = "smile = '😀'\r\n\r\n\r\ndef f(x)\r\n    return x\r\n"
    found = editor.open(URI, text)
    assert found[0]["range"]["start"] == {"line": 3, "character": 8}
    assert "expected ':'" in found[0]["message"]
    [preferred] = [action for action in editor.actions(URI, found) if action["isPreferred"]]
    assert preferred["title"] == "Fix: insert `:`"
    edits = preferred["edit"]["changes"][URI]
    assert applied(text, edits) == text.replace("f(x)", "f(x):")
    assert [(edit["range"]["start"]["line"], edit["newText"]) for edit in edits] == [(3, ":")]
    editor.change(URI, 2, applied(text, edits))
    assert editor.diagnostics(URI, 2) == []


def test_shutdown_and_exit_end_with_0() -> None:
    with Client() as client:
        client.open(URI, "x = (1\n")
        assert client.end() == 0
        assert client.process.stderr is not None
        assert client.process.stderr.read() == b""


def test_exit_without_shutdown_ends_with_1() -> None:
    with Client() as client:
        client.tell("exit", None)
        assert client.process.wait(60) == 1


def test_an_editor_that_goes_away_ends_the_server() -> None:
    with Client() as client:
        assert client.process.stdin is not None
        client.process.stdin.close()
        assert client.process.wait(60) == 1


def test_keys_in_a_row_cost_few_looks(editor: Client) -> None:
    uri = "file:///somewhere/long.py"
    body = "".join(f"def f{n}(a, b):\n    total = a + b * {n}\n    return total\n\n\n" for n in range(700))
    editor.open(uri, body)
    line = body.count("\n")
    for number, letter in enumerate("result = compute(f1(1, 2)abcdef"):
        editor.change(uri, 2 + number, (line, number, line, number, letter))
    found = editor.diagnostics(uri, 2 + number)
    assert found[0]["range"]["start"]["line"] == line
    assert len(editor.published(uri)) <= 5


def test_a_look_that_nobody_waits_for_is_not_published(editor: Client) -> None:
    uri = "file:///somewhere/quick.py"
    editor.open(uri, "x = 1\n")
    for version in range(2, 40):
        editor.change(uri, version, f"x = {version}\n" if version < 39 else "x = (\n")
    assert editor.diagnostics(uri, 39)
    assert editor.published(uri) == sorted(editor.published(uri))


@pytest.mark.parametrize("text", HALF_TYPED)
def test_nothing_is_preferred_for_what_is_being_typed(editor: Client, text: str) -> None:
    uri = f"file:///somewhere/typed{HALF_TYPED.index(text)}.py"
    opened = editor.open(uri, text)
    editor.change(uri, 2, text[:-2])
    editor.change(uri, 3, text)
    for found in (opened, editor.diagnostics(uri, 3)):
        for action in editor.actions(uri, found):
            assert not action["isPreferred"]
            added = "".join(edit["newText"] for edit in action["edit"]["changes"][uri])
            assert set(added) <= set(" \r\n)]}\"':pas"), added


def test_the_line_that_was_changed_last_is_being_typed(editor: Client) -> None:
    uri = "file:///somewhere/changed.py"
    text = "def f(x):\n    return x\n\n\nprint(f(1))\n"
    editor.open(uri, text)
    editor.change(uri, 2, (0, 8, 0, 9, ""))  # the colon goes
    found = editor.diagnostics(uri, 2)
    assert [action["isPreferred"] for action in editor.actions(uri, found)].count(True) == 0
    editor.tell("textDocument/didSave", {"textDocument": {"uri": uri}})
    found = editor.diagnostics(uri, 2)
    assert [action["isPreferred"] for action in editor.actions(uri, found)].count(True) == 1


def test_only_what_is_asked_for(editor: Client) -> None:
    uri = "file:///somewhere/only.py"
    found = editor.open(uri, "def f(x)\n    return x\n")
    assert editor.actions(uri, found, only=["quickfix"])
    assert editor.actions(uri, found, only=[""])
    assert editor.actions(uri, found, only=["source.organizeImports"]) == []
    assert editor.actions(uri, found, only=["refactor", "source.fixAll"]) == []
    assert editor.actions(uri, found, only=[]) == []
    assert editor.actions(uri, []) == []


def test_only_own_diagnostics_get_own_fixes(editor: Client) -> None:
    uri = "file:///somewhere/own.py"
    found = editor.open(uri, "def f(x)\n    return x\n")
    others = [{**one, "source": "Pylance"} for one in found]
    assert editor.actions(uri, others) == []
    for action in editor.actions(uri, others + found):
        assert {one["source"] for one in action["diagnostics"]} == {"gatllm"}
    undefined = editor.open("file:///somewhere/undefined.py", "print(nowhere)\n")
    assert [one["code"] for one in undefined] == ["F821"]
    assert editor.actions("file:///somewhere/undefined.py", undefined) == []


def test_ranges_count_utf16_units(editor: Client) -> None:
    uri = "file:///somewhere/emoji.py"
    text = 's = "😀😀"; x = y y\n'
    assert editor.open(uri, text)[0]["range"]["start"] == {"line": 0, "character": 18}
    editor.change(uri, 2, (0, 7, 0, 9, "é"), (0, 17, 0, 18, "z"))  # the second smile is one unit now: `y y` to `y z`
    assert editor.diagnostics(uri, 2)[0]["range"]["start"] == {"line": 0, "character": 17}


@pytest.mark.parametrize(
    ("text", "line"),
    [("x = 1\ry = (2\rz = 3\r", 1), ("x = 1\n\x0c\ny = (\n", 2), ("x = 1\r\ny = (2\r\nz = 3\r\n", 1)],
)
def test_lines_are_those_of_the_editor(editor: Client, text: str, line: int) -> None:
    uri = f"file:///somewhere/lines{line}{len(text)}.py"
    assert editor.open(uri, text)[0]["range"]["start"]["line"] == line


def test_names_of_other_cells_and_magics_are_no_mistakes(editor: Client) -> None:
    uri = "vscode-notebook-cell:/somewhere/n.ipynb#W0"
    assert editor.open(uri, "%matplotlib inline\nx = await get()\n!ls\nx?\n") == []
    [found, *_] = editor.open(uri, "%matplotlib inline\ndef f(a, b:\n    return await a\n", 2)
    assert found["range"]["start"]["line"] == 1


def test_settings_of_the_project_hold(tmp_path: Path, editor: Client) -> None:
    (tmp_path / "ruff.toml").write_text('builtins = ["ugettext"]\n[lint]\nignore = ["F632"]\n')
    (tmp_path / "pkg").mkdir()
    uri = (tmp_path / "pkg" / "__init__.py").as_uri()
    found = editor.open(uri, "print(__path__, ugettext, x is 1)\nprint(gone)  # noqa: F821\n")
    assert [one["message"] for one in found] == ["Undefined name `x`"]


@pytest.mark.parametrize("text", ["x = 1\n\0y = 2\n", "x = '\ud800'\ny = (\n", "x = " + "(" * 3000 + "1" + ")" * 3000])
def test_any_text_is_answered(editor: Client, text: str) -> None:
    uri = f"file:///somewhere/odd{len(text)}.py"
    found = editor.open(uri, text)
    assert found
    editor.actions(uri, found)
    editor.format(uri)


def test_requests_that_make_no_sense_are_answered_with_errors(editor: Client) -> None:
    assert editor.answer(editor.request("no/such", {}))["error"]["code"] == -32601
    assert editor.answer(editor.request("initialize", {}))["error"]["code"] == -32600
    missing = {"textDocument": {"uri": "file:///not/open.py"}, "context": {"diagnostics": []}}
    assert editor.answer(editor.request("textDocument/codeAction", missing))["error"]["code"] == -32602
    assert editor.answer(editor.request("textDocument/codeAction", {}))["error"]["code"] == -32602
    editor.send(b"{not json")
    assert editor.answer(None)["error"]["code"] == -32700
    editor.tell("textDocument/didChange", {"nonsense": 1})
    editor.tell("no/such", {})
    assert editor.open("file:///somewhere/after.py", "x = (\n")


def test_diagnostics_are_asked_for_or_sent_not_both() -> None:
    with Client(capabilities={"textDocument": {"diagnostic": {}}}) as client:
        assert client.server["capabilities"]["diagnosticProvider"]
        item = {"uri": URI, "languageId": "python", "version": 1, "text": "def f(x)\n    return x\n"}
        client.tell("textDocument/didOpen", {"textDocument": item})
        report = client.ask("textDocument/diagnostic", {"textDocument": {"uri": URI}})
        assert report["kind"] == "full"
        assert "expected ':'" in report["items"][0]["message"]
        assert client.published(URI) == []
        assert client.end() == 0


def test_torch_is_not_needed() -> None:
    code = (
        "import sys\n"
        "class Gone:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] in ('torch', 'pygls', 'lsprotocol', 'transformers'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Gone())\n"
        "from gatllm.cli import main; main(['lsp'])"
    )
    script = [sys.executable, "-c", code]

    async def session() -> types.InitializeResult:
        client = LanguageClient("test", "1")
        await client.start_io(*script)
        return await client.initialize_async(types.InitializeParams(capabilities=types.ClientCapabilities()))

    assert asyncio.run(session()).server_info is not None


# A server whose language model likes the repair with `1))` in it best, and writes `names.sort()`.
_CAREFUL = """
import sys
from gatllm.editor.server import serve
from gatllm.review.careful import LanguageModel
from gatllm.review.default import load_reviewer
reviewer = load_reviewer(quick=True)
code = "```python\\nnames = []\\nnames.sort()\\nprint(names)\\n```"
writes = lambda question, tokens: code if "sort" in question else ""
likes = lambda texts: [0.0 if "1))" in one else -200.0 for one in texts]
serve(reviewer, sys.stdin.buffer, sys.stdout.buffer, careful=reviewer.careful(LanguageModel(likes, writes)))
"""
_RESOLVES = {"textDocument": {"codeAction": {"resolveSupport": {"properties": ["edit"]}}}}
_TWO_WAYS = "def f(a, b):\n    x = g(h(a - b, 1)\n    return x\n"


def test_the_language_model_is_one_more_quick_fix_whose_edit_comes_when_it_is_chosen() -> None:
    uri = "file:///somewhere/two.py"
    with Client(script=_CAREFUL, capabilities=_RESOLVES) as client:
        assert client.server["capabilities"]["codeActionProvider"]["resolveProvider"]
        found = client.open(uri, _TWO_WAYS)
        *others, last = client.actions(uri, found)
        assert all("edit" in action for action in others)
        assert last["title"] == "Fix as the language model chooses"
        assert "edit" not in last
        edits = client.ask("codeAction/resolve", last)["edit"]["changes"][uri]
        assert applied(_TWO_WAYS, edits) == _TWO_WAYS.replace("1)", "1))")
        client.change(uri, 2, _TWO_WAYS + "\n")
        assert client.answer(client.request("codeAction/resolve", last))["error"]["code"] == -32801
        unclear = "file:///somewhere/unclear.py"
        *_, last = client.actions(unclear, client.open(unclear, "names = []\nnames.sort[]\nprint(names)\n"))
        (edit,) = client.ask("codeAction/resolve", last)["edit"]["changes"][unclear]
        assert edit["newText"] == "()"
        one_way = client.open("file:///somewhere/one.py", "def f(x)\n    return x\n")
        assert all("edit" in action for action in client.actions("file:///somewhere/one.py", one_way))


def test_an_editor_that_resolves_nothing_is_offered_no_action_without_an_edit() -> None:
    uri = "file:///somewhere/two.py"
    with Client(script=_CAREFUL) as client:
        found = client.open(uri, _TWO_WAYS)
        assert all("edit" in action for action in client.actions(uri, found))


async def _pygls_session(text: str) -> tuple[list[types.Diagnostic], list[types.CodeAction], list[types.Diagnostic]]:
    """Open a file, take the preferred quick fix: what was found before and after."""
    client = LanguageClient("test", "1")
    heard: asyncio.Queue[list[types.Diagnostic]] = asyncio.Queue()

    @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def _(parameters: types.PublishDiagnosticsParams) -> None:
        heard.put_nowait(list(parameters.diagnostics))

    await client.start_io(sys.executable, "-m", "gatllm", "lsp")
    started = await client.initialize_async(types.InitializeParams(capabilities=types.ClientCapabilities()))
    assert started.capabilities.position_encoding == types.PositionEncodingKind.Utf16
    client.initialized(types.InitializedParams())
    item = types.TextDocumentItem(uri=URI, language_id="python", version=1, text=text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    found = await asyncio.wait_for(heard.get(), 120)
    actions = await client.text_document_code_action_async(
        types.CodeActionParams(types.TextDocumentIdentifier(URI), found[0].range, types.CodeActionContext(found))
    )
    first = [action for action in actions or [] if isinstance(action, types.CodeAction)]
    assert first[0].edit is not None
    assert first[0].edit.changes is not None
    raw = [
        {"range": {"start": vars_of(edit.range.start), "end": vars_of(edit.range.end)}, "newText": edit.new_text}
        for edit in first[0].edit.changes[URI]
    ]
    change = types.TextDocumentContentChangeWholeDocument(applied(text, raw))
    document = types.VersionedTextDocumentIdentifier(version=2, uri=URI)
    client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))
    while after := await asyncio.wait_for(heard.get(), 120):
        pass  # suspects of the first text may come in between
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()
    return found, first, after


def vars_of(position: types.Position) -> dict[str, int]:
    return {"line": position.line, "character": position.character}


def test_an_independent_client_agrees() -> None:
    found, actions, after = asyncio.run(_pygls_session("smile = '😀'\n\n\ndef f(x)\n    return x\n"))
    assert found[0].range.start == types.Position(3, 8)
    assert actions[0].is_preferred
    assert actions[0].kind == types.CodeActionKind.QuickFix
    assert after == []
