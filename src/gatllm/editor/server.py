"""A language server (LSP 3.17): what `check` finds as diagnostics, what `fix` mends as a quick fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatllm import __version__
from gatllm.errors import GatllmError
from gatllm.review.reviewer import Review, Reviewer

if TYPE_CHECKING:
    from lsprotocol import types
    from pygls.lsp.server import LanguageServer

_SOURCE = "gatllm"


def create_server(reviewer: Reviewer) -> LanguageServer:
    """Return a server that reviews what the editor has open.

    Raises:
        GatllmError: pygls is not installed.
    """
    try:
        from lsprotocol import types
        from pygls.lsp.server import LanguageServer
    except ImportError:
        raise GatllmError("the language server needs pygls", "pip install 'gatllm[lsp]'") from None

    server = LanguageServer(_SOURCE, __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)

    def publish(uri: str) -> None:
        document = server.workspace.get_text_document(uri)
        found = diagnostics(reviewer.check(document.source), document.source)
        server.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri=uri, diagnostics=found, version=document.version)
        )

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(parameters: types.DidOpenTextDocumentParams) -> None:
        publish(parameters.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(parameters: types.DidChangeTextDocumentParams) -> None:
        publish(parameters.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(parameters: types.DidCloseTextDocumentParams) -> None:
        uri = parameters.text_document.uri
        server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri=uri, diagnostics=[]))

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])
    )
    def actions(parameters: types.CodeActionParams) -> list[types.CodeAction]:
        if not parameters.context.diagnostics:
            return []
        uri = parameters.text_document.uri
        actions = quick_fixes(reviewer, server.workspace.get_text_document(uri).source, uri)
        for action in actions:
            action.diagnostics = list(parameters.context.diagnostics)
        return actions

    return server


def diagnostics(review: Review, text: str) -> list[types.Diagnostic]:
    """What was found, as LSP diagnostics (positions in UTF-16 units, from 0)."""
    from lsprotocol import types

    found = [(f.line, f.column, f.code, f.message, types.DiagnosticSeverity.Error) for f in review.findings]
    found += [(s.line, s.column, "suspect", s.words, types.DiagnosticSeverity.Warning) for s in review.suspects]
    lines = [line.removesuffix("\r") for line in text.split("\n")]  # a form feed ends no line in an editor
    out = []
    for line, column, code, message, severity in found:
        row = min(line, len(lines)) - 1
        start = len(lines[row][: column - 1].encode("utf-16-le")) // 2
        end = len(lines[row].encode("utf-16-le")) // 2
        place = types.Range(types.Position(row, start), types.Position(row, max(end, start)))
        out.append(types.Diagnostic(range=place, message=message, severity=severity, code=code, source=_SOURCE))
    return out


def quick_fixes(reviewer: Reviewer, text: str, uri: str, most: int = 3) -> list[types.CodeAction]:
    """Ways to mend a text that does not compile, best first."""
    from lsprotocol import types

    repair = reviewer.fix(text, candidates=most, seconds=2.0)
    whole = types.Range(types.Position(0, 0), types.Position(text.count("\n") + 1, 0))
    return [
        types.CodeAction(
            title="Mend with gatllm" if number == 0 else f"Mend with gatllm, another way ({number + 1})",
            kind=types.CodeActionKind.QuickFix,
            is_preferred=number == 0,
            edit=types.WorkspaceEdit(changes={uri: [types.TextEdit(whole, candidate.text)]}),
        )
        for number, candidate in enumerate(repair.candidates)
    ]
