"""A language server (LSP 3.17) on the standard library: diagnostics, quick fixes, formatting through errors.

Three threads. The first reads messages and answers what takes no time; the second answers requests that take long; the
third looks at texts once nobody has typed for a moment, newest text only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO

from gatllm import __version__
from gatllm.editor import wire
from gatllm.editor.actions import QUICK_FIX, chosen_fix, quick_fixes
from gatllm.editor.documents import Document
from gatllm.editor.formatting import format_edits
from gatllm.editor.linting import Linter
from gatllm.editor.watch import Watch
from gatllm.editor.wire import RpcError, Wire
from gatllm.review.reviewer import Reviewer

_INCREMENTAL = 2
_WARNING = 2


class Server:
    """Serves one editor until it says `exit`, or goes away.

    Args:
        reviewer: what checks and repairs.
        source: where messages come from, bytes.
        sink: where messages go.
        careful: a reviewer that asks a language model which of several repairs is meant, slower; None: not offered.
    """

    def __init__(
        self, reviewer: Reviewer, source: BinaryIO, sink: BinaryIO, *, careful: Reviewer | None = None
    ) -> None:
        self._wire = Wire(source, sink)
        self._reviewer = reviewer
        self._linter = Linter(note=self._warn)
        self._documents: dict[str, Document] = {}
        self._watch = Watch(reviewer, self._linter, self._documents.get, self._publish)
        self._careful = careful
        self._pulls = False
        self._resolves = False  # whether the editor asks for an action's edit once somebody chooses it
        self._state = "new"
        self._slow = ThreadPoolExecutor(1, "gatllm-requests")
        self._running: dict[Any, Future[None]] = {}
        self._lock = threading.Lock()
        self._requests: dict[str, Callable[[dict[str, Any]], Any]] = {
            "initialize": self._initialize,
            "shutdown": self._shutdown,
        }
        self._long: dict[str, Callable[[Document, dict[str, Any]], Any]] = {
            "textDocument/codeAction": lambda document, given: quick_fixes(
                self._reviewer, document, given["context"], careful=self._resolves
            ),
            "codeAction/resolve": self._resolve,
            "textDocument/formatting": lambda document, _: format_edits(self._reviewer, document),
            "textDocument/diagnostic": lambda document, _: {"kind": "full", "items": self._watch.look(document)},
        }
        self._notifications: dict[str, Callable[[dict[str, Any]], None]] = {
            "textDocument/didOpen": self._opened,
            "textDocument/didChange": self._changed,
            "textDocument/didSave": self._saved,
            "textDocument/didClose": self._closed,
            "$/cancelRequest": self._cancel,
        }

    def serve(self) -> int:
        """Serve until the end; return the process's exit code: 0 where `shutdown` came before `exit`, else 1."""
        while True:
            try:
                message = self._wire.read()
            except RpcError as error:
                self._wire.send({"id": None, "error": {"code": error.code, "message": error.message}})
                continue
            except EOFError:
                message = None
            if message is None or message.get("method") == "exit":
                break
            self._dispatch(message)
        self._watch.stop()
        self._slow.shutdown(wait=False, cancel_futures=True)
        return 0 if self._state == "shut down" and message is not None else 1

    def _dispatch(self, message: dict[str, Any]) -> None:
        method, given = message.get("method"), message.get("params") or {}
        if not isinstance(method, str):
            return  # an answer to something we never ask
        if "id" not in message:
            self._notified(method, given)
            return
        number = message["id"]
        if method not in self._long:
            self._answer(number, lambda: self._short(method, given))
            return
        with self._lock:
            self._running[number] = self._slow.submit(self._answer, number, lambda: self._long_one(method, given))

    def _notified(self, method: str, given: dict[str, Any]) -> None:
        if self._state == "ready" and method in self._notifications:
            try:
                self._notifications[method](given)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                self._warn(f"{method} was not understood: {type(error).__name__}: {error}")

    def _short(self, method: str, given: dict[str, Any]) -> Any:
        self._expect_ready(method)
        if method not in self._requests:
            raise RpcError(wire.NO_METHOD, f"there is no {method}")
        return self._requests[method](given)

    def _long_one(self, method: str, given: dict[str, Any]) -> Any:
        self._expect_ready(method)
        about = given["data"] if method == "codeAction/resolve" else given["textDocument"]
        document = self._documents.get(about["uri"])
        if document is None:
            raise RpcError(wire.INVALID_PARAMS, "that document is not open")
        return self._long[method](document, given)

    def _resolve(self, document: Document, action: dict[str, Any]) -> dict[str, Any]:
        if action["data"]["version"] != document.version:
            raise RpcError(wire.MODIFIED, "the text has changed since")
        if (done := chosen_fix(self._careful or self._reviewer, document, action)) is None:
            raise RpcError(wire.REQUEST_FAILED, "the language model does not know either what was meant")
        return done

    def _expect_ready(self, method: str) -> None:
        if self._state == "new" and method != "initialize":
            raise RpcError(wire.NOT_INITIALIZED, "initialize comes first")
        if self._state == "shut down" or (self._state == "ready" and method == "initialize"):
            raise RpcError(wire.INVALID_REQUEST, f"{method} comes too late")

    def _answer(self, number: Any, work: Callable[[], Any]) -> None:
        """Send what ``work`` gives, or the error it ends in: a request is always answered."""
        try:
            reply: dict[str, Any] = {"id": number, "result": work()}
        except RpcError as error:
            reply = {"id": number, "error": {"code": error.code, "message": error.message}}
        except (KeyError, TypeError, AttributeError) as error:
            message = f"parameters not understood: {type(error).__name__}: {error}"
            reply = {"id": number, "error": {"code": wire.INVALID_PARAMS, "message": message}}
        except Exception as error:  # whatever it is, the editor must not wait for ever
            message = f"{type(error).__name__}: {error}"
            reply = {"id": number, "error": {"code": wire.INTERNAL_ERROR, "message": message}}
        with self._lock:
            self._running.pop(number, None)
        self._wire.send(reply)

    def _initialize(self, given: dict[str, Any]) -> dict[str, Any]:
        client = (given.get("capabilities") or {}).get("textDocument") or {}
        self._pulls = "diagnostic" in client
        resolves = (client.get("codeAction") or {}).get("resolveSupport") or {}
        self._resolves = self._careful is not None and "edit" in resolves.get("properties", ())
        self._state = "ready"
        capabilities: dict[str, Any] = {
            "positionEncoding": "utf-16",
            "textDocumentSync": {"openClose": True, "change": _INCREMENTAL, "save": True},
            "codeActionProvider": {"codeActionKinds": [QUICK_FIX], "resolveProvider": self._resolves},
            "documentFormattingProvider": True,
        }
        if self._pulls:  # an editor that asks for diagnostics would show those sent unasked a second time
            capabilities["diagnosticProvider"] = {"interFileDependencies": False, "workspaceDiagnostics": False}
        return {"capabilities": capabilities, "serverInfo": {"name": "gatllm", "version": __version__}}

    def _shutdown(self, _: dict[str, Any]) -> None:
        self._state = "shut down"
        self._watch.stop()

    def _opened(self, given: dict[str, Any]) -> None:
        item = given["textDocument"]
        self._documents[item["uri"]] = Document(item["uri"], str(item["text"]), item.get("version"))
        self._look(item["uri"], at_once=True)

    def _changed(self, given: dict[str, Any]) -> None:
        about = given["textDocument"]
        if (document := self._documents.get(about["uri"])) is not None:
            self._documents[about["uri"]] = document.change(given["contentChanges"], about.get("version"))
            self._look(about["uri"])

    def _saved(self, given: dict[str, Any]) -> None:
        uri = given["textDocument"]["uri"]
        if (document := self._documents.get(uri)) is not None:
            self._documents[uri] = Document(uri, document.text, document.version)  # saved: no longer being typed
            self._look(uri, at_once=True)

    def _closed(self, given: dict[str, Any]) -> None:
        uri = given["textDocument"]["uri"]
        if self._documents.pop(uri, None) is not None and not self._pulls:
            self._wire.notify("textDocument/publishDiagnostics", {"uri": uri, "diagnostics": []})

    def _look(self, uri: str, *, at_once: bool = False) -> None:
        if not self._pulls:
            self._watch.touch(uri, at_once=at_once)

    def _cancel(self, given: dict[str, Any]) -> None:
        with self._lock:
            future = self._running.get(given["id"])
            gone = future is not None and future.cancel()
            if gone:
                self._running.pop(given["id"])
        if gone:
            error = {"code": wire.CANCELLED, "message": "cancelled"}
            self._wire.send({"id": given["id"], "error": error})

    def _publish(self, document: Document, found: list[dict[str, Any]]) -> None:
        params: dict[str, Any] = {"uri": document.uri, "diagnostics": found}
        if document.version is not None:
            params["version"] = document.version
        self._wire.notify("textDocument/publishDiagnostics", params)

    def _warn(self, message: str) -> None:
        self._wire.notify("window/logMessage", {"type": _WARNING, "message": f"gatllm: {message}"})


def serve(reviewer: Reviewer, source: BinaryIO, sink: BinaryIO, *, careful: Reviewer | None = None) -> int:
    """Serve an editor over two byte streams; return the exit code."""
    return Server(reviewer, source, sink, careful=careful).serve()
