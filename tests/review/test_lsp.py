"""The language server, spoken to by a client over pipes."""

import asyncio
import sys
from typing import Any

import pytest

pytest.importorskip("pygls")

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from gatllm.review import Reviewer
from gatllm.review.lsp import diagnostics, quick_fixes

URI = "file:///bad.py"


async def _session(text: str) -> tuple[list[types.Diagnostic], list[Any]]:
    client = LanguageClient("test", "1")
    heard: asyncio.Queue[list[types.Diagnostic]] = asyncio.Queue()

    @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def _(parameters: types.PublishDiagnosticsParams) -> None:
        heard.put_nowait(list(parameters.diagnostics))

    await client.start_io(sys.executable, "-m", "gatllm", "lsp")
    await client.initialize_async(types.InitializeParams(capabilities=types.ClientCapabilities()))
    client.initialized(types.InitializedParams())
    item = types.TextDocumentItem(uri=URI, language_id="python", version=1, text=text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    found = await asyncio.wait_for(heard.get(), 60)
    actions = await client.text_document_code_action_async(
        types.CodeActionParams(types.TextDocumentIdentifier(URI), found[0].range, types.CodeActionContext(found))
    )
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()
    return found, list(actions or [])


def test_an_editor_gets_diagnostics_and_a_quick_fix() -> None:
    found, actions = asyncio.run(_session("def f(x)\n    return x\n"))
    assert found[0].range.start == types.Position(0, 8)
    assert "expected ':'" in found[0].message
    [edit] = actions[0].edit.changes[URI]
    assert edit.new_text == "def f(x):\n    return x\n"


def test_columns_count_utf16_units() -> None:
    text = "x = '😀' y\n"
    [diagnostic, *_] = diagnostics(Reviewer().check(text), text)
    assert diagnostic.range.start.line == 0
    assert diagnostic.range.start.character in (4, 9)


def test_what_compiles_needs_no_fix() -> None:
    assert quick_fixes(Reviewer(), "x = 1\n", URI) == []
