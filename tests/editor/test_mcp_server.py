"""The tools for agents, called by the SDK's own client over real pipes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp")

from mcp import Client, StdioServerParameters

BAD, FIXED = "def f(a, b:\n    return a + b\n", "def f(a, b):\n    return a + b\n"


def session(folder: Path, talk: Callable[[Client], Awaitable[Any]]) -> Any:
    """Start `gatllm mcp` in a folder and talk to it."""

    async def run() -> Any:
        server = StdioServerParameters(command=sys.executable, args=["-m", "gatllm", "mcp"], cwd=str(folder))
        async with Client(server) as client:
            return await talk(client)

    return asyncio.run(asyncio.wait_for(run(), 240))


def test_an_agent_repairs_and_checks(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD)
    (tmp_path.parent / "elsewhere.py").write_text(BAD)

    async def talk(client: Client) -> None:
        assert sorted(tool.name for tool in (await client.list_tools()).tools) == ["check", "explain", "fix"]
        told = (await client.call_tool("fix", {"code": BAD})).structured_content
        assert told is not None
        assert told["changed"]
        assert told["code"] == FIXED
        assert told["edits"] == [{"line": 1, "column": 11, "end_line": 1, "end_column": 11, "text": ")"}]
        told = (await client.call_tool("fix", {"path": "bad.py"})).structured_content
        assert told is not None
        assert "code" not in told
        assert (tmp_path / "bad.py").read_text() == BAD
        found = (await client.call_tool("check", {"path": "bad.py"})).structured_content
        assert found is not None
        assert found["verdict"] == "fake"
        assert found["findings"][0]["code"] == "SyntaxError"
        await client.call_tool("fix", {"path": "bad.py", "write": True})
        assert (tmp_path / "bad.py").read_text() == FIXED
        found = (await client.call_tool("check", {"code": "print(gone)\n"})).structured_content
        assert found is not None
        assert [one["code"] for one in found["findings"]] == ["F821"]
        words = await client.call_tool("explain", {"rule": "F821"})
        assert "undefined" in words.content[0].text.lower()
        for tool, given in (
            ("fix", {"path": "../elsewhere.py", "write": True}),
            ("fix", {"path": "missing.py"}),
            ("fix", {"code": "x", "path": "bad.py"}),
            ("check", {}),
            ("explain", {"rule": "NOPE1"}),
        ):
            refused = await client.call_tool(tool, given)
            assert refused.is_error, (tool, given)
        told = (await client.call_tool("fix", {"code": "x = 1\n"})).structured_content
        assert told is not None
        assert not told["changed"]

    session(tmp_path, talk)
    assert (tmp_path.parent / "elsewhere.py").read_text() == BAD


def test_without_the_sdk_one_line_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "class Gone:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] in ('torch', 'mcp'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Gone())\n"
        "from gatllm.cli import main; main(['mcp'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "pip install 'gatllm[mcp]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_careful_tier_without_its_weights_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gatllm", "mcp", "--careful"]
    done = subprocess.run(
        command,
        input=b"",
        capture_output=True,
        timeout=120,
        check=False,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path)},
    )
    assert done.returncode == 1
    assert done.stdout == b""
    assert b"not in the cache" in done.stderr or b"needs a language model" in done.stderr
    assert b"Traceback" not in done.stderr
