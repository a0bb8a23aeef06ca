"""The language server, spoken to by a client over pipes."""

import asyncio
import sys
from collections.abc import Sequence

import pytest

pytest.importorskip("pygls")

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from gatllm.editor.server import diagnostics, quick_fixes
from gatllm.review import Reviewer

URI = "file:///bad.py"


def _apply(text: str, edits: Sequence[types.TextEdit]) -> str:
    """What an editor does with the edits of a quick fix (LSP 3.17: positions count UTF-16 units)."""
    starts = [0, *(at + 1 for at, letter in enumerate(text) if letter == "\n")]

    def offset(position: types.Position) -> int:
        if position.line >= len(starts):
            return len(text)
        line = text[starts[position.line] :].encode("utf-16-le")[: 2 * position.character]
        return starts[position.line] + len(line.decode("utf-16-le"))

    for edit in sorted(edits, key=lambda edit: (edit.range.start.line, edit.range.start.character), reverse=True):
        text = text[: offset(edit.range.start)] + edit.new_text + text[offset(edit.range.end) :]
    return text


async def _session(text: str) -> tuple[list[types.Diagnostic], list[types.CodeAction], str, list[types.Diagnostic]]:
    """Open a file, take the preferred quick fix, hand back the mended text: what was found before and after."""
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
    found = await asyncio.wait_for(heard.get(), 120)
    actions = await client.text_document_code_action_async(
        types.CodeActionParams(types.TextDocumentIdentifier(URI), found[0].range, types.CodeActionContext(found))
    )
    [preferred] = [action for action in actions or [] if action.is_preferred]
    mended = _apply(text, preferred.edit.changes[URI])
    change = types.TextDocumentContentChangeWholeDocument(mended)
    document = types.VersionedTextDocumentIdentifier(version=2, uri=URI)
    client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))
    after = await asyncio.wait_for(heard.get(), 120)
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()
    return found, list(actions or []), mended, after


def test_an_editor_gets_diagnostics_and_a_quick_fix_that_ends_them() -> None:
    text = "smile = '😀'\r\n\r\n\r\ndef f(x)\r\n    return x\r\n"
    found, actions, mended, after = asyncio.run(_session(text))
    assert found[0].range.start == types.Position(3, 8)
    assert "expected ':'" in found[0].message
    assert [one.message for one in actions[0].diagnostics or ()] == [one.message for one in found]
    assert mended == text.replace("f(x)", "f(x):")
    assert after == []


def test_lines_are_those_of_the_editor() -> None:
    text = "x = 1\n\x0c\ny = (\n"  # a form feed ends no line
    [diagnostic, *_] = diagnostics(Reviewer().check(text), text)
    assert diagnostic.range.start.line == 2


def test_columns_count_utf16_units() -> None:
    text = "x = '😀' y\n"
    [diagnostic, *_] = diagnostics(Reviewer().check(text), text)
    assert diagnostic.range.start.line == 0
    assert diagnostic.range.start.character in (4, 9)


def test_what_compiles_needs_no_fix() -> None:
    assert quick_fixes(Reviewer(), "x = 1\n", URI) == []
