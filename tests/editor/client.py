"""An editor as small as can be: speaks the protocol over pipes to `gatllm lsp`, with framing of its own."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PATIENCE = 120  # seconds; a busy machine is slow, a test that waits for ever is worse


class Client:
    """A running server and what it said."""

    def __init__(
        self,
        *arguments: str,
        folder: Path | None = None,
        capabilities: dict[str, Any] | None = None,
        script: str | None = None,
    ) -> None:
        command = [sys.executable, *(("-m", "gatllm", "lsp") if script is None else ("-c", script)), *arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=folder)
        self.heard: list[dict[str, Any]] = []
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._number = 0
        threading.Thread(target=self._listen, daemon=True).start()
        self.server = self.ask("initialize", {"processId": None, "rootUri": None, "capabilities": capabilities or {}})
        self.tell("initialized", {})

    def _listen(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while header := stream.readline():
            length = int(header.split(b":")[1])
            assert stream.readline() == b"\r\n"
            self._queue.put(json.loads(stream.read(length)))
        self._queue.put(None)

    def send(self, body: bytes) -> None:
        stream = self.process.stdin
        assert stream is not None
        stream.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        stream.flush()

    def tell(self, method: str, params: Any) -> None:
        self.send(json.dumps({"jsonrpc": "2.0", "method": method, "params": params}).encode())

    def request(self, method: str, params: Any) -> int:
        self._number += 1
        message = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        self.send(json.dumps(message).encode())
        return self._number

    def answer(self, number: int | None) -> dict[str, Any]:
        """The whole answer to a request; everything else is kept in `heard`."""
        return self._next(lambda message: message.get("id") == number and "method" not in message)

    def ask(self, method: str, params: Any) -> Any:
        answer = self.answer(self.request(method, params))
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self, wanted: Any) -> dict[str, Any]:
        for at, message in enumerate(self.heard):
            if wanted(message):
                return self.heard.pop(at)
        while True:
            message = self._queue.get(timeout=PATIENCE)
            assert message is not None, f"the server ended: {self.process.stderr and self.process.stderr.read()!r}"
            if wanted(message):
                return message
            self.heard.append(message)

    def open(self, uri: str, text: str, version: int = 1) -> list[dict[str, Any]]:
        item = {"uri": uri, "languageId": "python", "version": version, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": item})
        return self.diagnostics(uri, version)

    def change(self, uri: str, version: int, *changes: Any) -> None:
        """Changes: a whole text, or (start line, start column, end line, end column, text)."""
        told = []
        for one in changes:
            if isinstance(one, str):
                told.append({"text": one})
            else:
                line, column, last, end, text = one
                start, stop = {"line": line, "character": column}, {"line": last, "character": end}
                told.append({"range": {"start": start, "end": stop}, "text": text})
        document = {"uri": uri, "version": version}
        self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": told})

    def diagnostics(self, uri: str, version: int | None) -> list[dict[str, Any]]:
        """The first diagnostics published for that version."""

        def ours(message: dict[str, Any]) -> bool:
            about = message.get("params", {})
            return (
                message.get("method") == "textDocument/publishDiagnostics"
                and about["uri"] == uri
                and about.get("version") == version
            )

        found: list[dict[str, Any]] = self._next(ours)["params"]["diagnostics"]
        return found

    def published(self, uri: str) -> list[int]:
        """The versions published so far, those taken by `diagnostics` left out."""
        told = [m["params"] for m in self.heard if m.get("method") == "textDocument/publishDiagnostics"]
        return [about["version"] for about in told if about["uri"] == uri]

    def actions(self, uri: str, found: list[dict[str, Any]], only: list[str] | None = None) -> list[dict[str, Any]]:
        nowhere = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}
        context: dict[str, Any] = {"diagnostics": found} | ({} if only is None else {"only": only})
        place = found[0]["range"] if found else nowhere
        given = {"textDocument": {"uri": uri}, "range": place, "context": context}
        result: list[dict[str, Any]] = self.ask("textDocument/codeAction", given)
        return result

    def format(self, uri: str) -> list[dict[str, Any]]:
        given = {"textDocument": {"uri": uri}, "options": {"tabSize": 4, "insertSpaces": True}}
        result: list[dict[str, Any]] = self.ask("textDocument/formatting", given)
        return result

    def end(self) -> int:
        """Shut down and exit, as an editor does; the exit code."""
        self.ask("shutdown", None)
        self.tell("exit", None)
        return self.process.wait(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def applied(text: str, edits: list[dict[str, Any]]) -> str:
    """What an editor does with text edits (LSP 3.17: columns count UTF-16 units)."""
    starts = [0]
    at = 0
    while at < len(text):
        at += 2 if text[at : at + 2] == "\r\n" else 1
        if text[at - 1] in "\r\n":
            starts.append(at)

    def offset(position: dict[str, int]) -> int:
        if position["line"] >= len(starts):
            return len(text)
        rest = text[starts[position["line"]] :].encode("utf-16-le")[: 2 * position["character"]]
        return starts[position["line"]] + len(rest.decode("utf-16-le"))

    places = [(offset(edit["range"]["start"]), offset(edit["range"]["end"]), edit["newText"]) for edit in edits]
    for start, end, new in sorted(places, key=lambda place: place[:2], reverse=True):
        text = text[:start] + new + text[end:]
    return text
