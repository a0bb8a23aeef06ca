"""Logs without prompts, backup and restore, people from the command line."""

import asyncio
import io
import json
import logging
import tarfile
from pathlib import Path

import pytest
from fastapi import FastAPI

from gatllm.cli import frame
from gatllm.errors import GatllmError, UsageError
from gatllm.service.accounts import Accounts
from gatllm.service.backup import backup, restore
from gatllm.service.conversations import Conversations
from gatllm.service.database import open_database
from gatllm.service.logs import log_to
from tests.service.conftest import Connect


def test_the_log_says_what_happened_and_not_what_was_said(app: FastAPI, connect: Connect) -> None:
    stream = io.StringIO()
    before = [
        (logging.getLogger(name), logging.getLogger(name).handlers) for name in ("gatllm.service", "uvicorn.error")
    ]
    log_to(stream)
    try:

        async def go() -> None:
            async with connect(app) as client:
                body = {"model": "gatllm", "messages": [{"role": "user", "content": "my secret question"}]}
                await client.post("/v1/chat/completions", json=body, headers={"x-request-id": "abc"})
                await client.post("/chat", data={"prompt": "my secret question"})

        asyncio.run(go())
        try:
            raise ValueError("my secret question")
        except ValueError:
            logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    finally:
        for logger, handlers in before:
            logger.handlers = handlers
            logger.setLevel(logging.NOTSET)
            logger.propagate = True
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert lines[0]["id"] == "abc"
    assert (lines[0]["path"], lines[0]["status"], lines[0]["method"]) == ("/v1/chat/completions", 200, "POST")
    assert lines[-1]["error"] == "ValueError"
    assert "secret" not in stream.getvalue()


def test_what_is_kept_is_copied_while_it_is_written_and_comes_back(tmp_path: Path) -> None:
    folder, archive = tmp_path / "gatllm", tmp_path / "copy.tar.gz"
    database = open_database(folder / "service" / "service.db")
    me = Accounts(database).local().account_id
    talks = Conversations(database)
    talks.begin(me, "first")
    (folder / "trainer.key").write_text("secret")
    with database.begin():  # somebody writes
        assert backup(folder, archive) == 2
    assert archive.stat().st_mode & 0o077 == 0
    talks.begin(me, "second")
    database.close()
    aside = restore(archive, folder)
    assert aside is not None
    assert (aside / "trainer.key").exists()
    again = open_database(folder / "service" / "service.db")
    assert [one.title for one in Conversations(again).listed(me)] == ["first"]
    assert (folder / "trainer.key").read_text() == "secret"
    assert (folder / "trainer.key").stat().st_mode & 0o077 == 0
    again.close()
    with pytest.raises(UsageError):
        backup(folder, archive)
    with pytest.raises(UsageError):
        backup(tmp_path / "none", tmp_path / "b.tar.gz")


def test_a_hostile_archive_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "gatllm"
    folder.mkdir()
    (folder / "a").write_text("kept")
    for name, content in (("outside.tar.gz", b"../outside"), ("broken.tar.gz", b"")):
        if content:
            with tarfile.open(tmp_path / name, "w:gz") as archive:
                entry = tarfile.TarInfo(content.decode())
                archive.addfile(entry)
        else:
            (tmp_path / name).write_bytes(b"no archive")
        with pytest.raises(GatllmError, match="can't be read"):
            restore(tmp_path / name, folder)
    assert (folder / "a").read_text() == "kept"
    assert not (tmp_path / "outside").exists()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["gatllm"]


def test_people_are_added_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    assert not frame.app(["service", "user", "add", "ann", "--role", "operator"])
    assert not frame.app(["service", "key", "ann"])
    key = capsys.readouterr().out.strip()
    accounts = Accounts(open_database(tmp_path / "gatllm" / "service" / "service.db"))
    caller = accounts.by_key(key)
    assert caller is not None
    assert (caller.name, caller.role) == ("ann", "operator")
    assert accounts.sign_in_user("ann", "correct horse")
    assert not frame.app(["service", "user", "list", "--json"])
    assert json.loads(capsys.readouterr().out)[0]["name"] == "ann"
    assert not frame.app(["service", "user", "remove", "ann"])
    assert accounts.by_key(key) is None
    with pytest.raises(UsageError):
        frame.app(["service", "key", "ann"])
