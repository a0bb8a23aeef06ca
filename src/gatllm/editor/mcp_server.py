"""Tools for agents over the Model Context Protocol: repair and check Python without spending tokens on it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatllm import __version__
from gatllm.editor.checking import Checked, Source, check_sources
from gatllm.editor.explaining import explained
from gatllm.editor.files import PythonFile, read_file
from gatllm.editor.linting import Linter
from gatllm.editor.repairing import fix_source
from gatllm.errors import GatllmError
from gatllm.review.reviewer import Reviewer

if TYPE_CHECKING:
    from mcp.server import MCPServer

_USE = (
    "Use `fix` when Python does not compile, after an edit that may have broken it, or on code that you are about to "
    "write: it answers in milliseconds, changes nothing but the error, and says so where it isn't sure. Name a file by "
    "`path`, so that its text need not pass through you; `write` repairs it in place. `check` finds mistakes."
)


def create_mcp_server(reviewer: Reviewer) -> MCPServer:
    """Return a server with the tools `fix`, `check` and `explain`; files are those below the working directory.

    Raises:
        GatllmError: the SDK is not installed.
    """
    try:
        from mcp.server import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
        from mcp.types import ToolAnnotations
    except ImportError:
        raise GatllmError("the tools for agents need the MCP SDK", "pip install 'gatllm[mcp]'") from None

    server = MCPServer("gatllm", version=__version__, instructions=_USE, log_level="ERROR")
    linter = Linter()
    reading = ToolAnnotations(read_only_hint=True, open_world_hint=False)

    @server.tool(annotations=ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False))
    def fix(code: str = "", path: str = "", write: bool = False, candidates: int = 1) -> dict[str, Any]:
        """Repair Python that does not compile: give its `code`, or the `path` of a file below the working directory.

        `changed` is true only for a repair that does no harm; `edits` are its changes (lines and columns from 1),
        `code` the repaired text if code was given. Where it isn't sure `why` says so, and `candidates` are suggestions
        to choose from. `write` puts the repair into the file.
        """
        try:
            file = _file(code, path)
            source = Source(file.name, file.text)
            repaired = fix_source(reviewer, linter, source, candidates=min(max(candidates, 1), 10))
            if write and path and repaired.changed:
                file.write(repaired.text)
        except GatllmError as error:
            raise ToolError(str(error)) from None
        told = repaired.as_json("")
        del told["diff"]
        return told | ({} if path else {"code": repaired.text})

    @server.tool(annotations=reading)
    def check(code: str = "", path: str = "") -> dict[str, Any]:
        """Find mistakes in Python: give its `code`, or the `path` of a file below the working directory.

        `findings` are the compiler's and ruff's (real mistakes, no style), `suspects` what looks wrong to the model.
        """
        try:
            file = _file(code, path)
            found = check_sources(reviewer, linter, [Source(file.name, file.text, on_disk=file.on_disk)])
            for one in found:
                if isinstance(one, GatllmError):
                    raise one
        except GatllmError as error:
            raise ToolError(str(error)) from None
        reviews = [one for one in found if isinstance(one, Checked)]
        return {
            "file": file.name,
            "verdict": "fake" if any(one.review.verdict == "fake" for one in reviews) else "real",
            "findings": [_with_cell(one, asdict(finding)) for one in reviews for finding in one.review.findings],
            "suspects": [_with_cell(one, asdict(suspect)) for one in reviews for suspect in one.review.suspects],
        }

    @server.tool(annotations=reading)
    def explain(rule: str) -> str:
        """Say what a rule is about that `check` or `fix` names, and how to put it right: F821, SyntaxError, …"""
        try:
            return explained(rule)
        except GatllmError as error:
            raise ToolError(str(error)) from None

    return server


def _with_cell(checked: Checked, found: dict[str, Any]) -> dict[str, Any]:
    return ({"cell": checked.cell} if checked.cell else {}) | found


def _file(code: str, path: str) -> PythonFile:
    """Return what a tool was given: text, or a file below the working directory.

    Raises:
        GatllmError: neither or both were given, or the file can't be read or lies elsewhere.
    """
    if bool(code) == bool(path):
        raise GatllmError("both code and path" if code else "neither code nor path", "give one of them")
    if not path:
        return PythonFile("<stdin>", code)
    if not Path(path).resolve().is_relative_to(Path.cwd()):
        raise GatllmError(f"{path} is not below the working directory", "start gatllm mcp in the project's folder")
    return read_file(path)
