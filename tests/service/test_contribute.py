"""Contributing: what is uploaded is one's own, checked, sealed and minted, whatever strangers and crashes do."""

# ruff: noqa: F811  # fixtures are imported by name

from __future__ import annotations

import errno
import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from gatllm.data import Dataset
from gatllm.errors import GatllmError, UsageError
from gatllm.market import Devnet, LocalStore, read_document, retrieve
from gatllm.service import contributions as limits
from gatllm.service.contribution_jobs import ContributionWork
from gatllm.service.contributions import Contributions, NotYoursError
from gatllm.service.database import Job
from gatllm.service.jobs import MOST_ATTEMPTS, Jobs
from gatllm.service.market import Market
from tests.service.markets import (  # noqa: F401  # fixtures
    Keys,
    app,
    base,
    client,
    contribute,
    deployment,
    devnet,
    market,
    new_key,
    owner,
    send,
    session,
    wait_for,
)

GOOD = """def add_{n}(first, second):
    \"\"\"Return the sum, and {n}.\"\"\"
    total = first + second
    return total + {n}
"""


def _archive(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/") + ".py", text)
    return buffer.getvalue()


def _code(count: int = 4) -> dict[str, str]:
    mark = time.time_ns()
    return {f"pkg__m{n}": GOOD.format(n=n) + f"\n\nMARK = {mark + n}\n" for n in range(count)}


def _upload(client: TestClient, data: bytes, name: str = "code.zip") -> str:
    form = {"licence": "MIT", "contributor": "Ada"}
    answer = client.post("/contribute", data=form, files=[("files", (name, data))], follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"]).rpartition("/")[2]


def test_from_an_archive_to_a_token_without_script(
    client: TestClient, market: Market, devnet: Devnet, new_key: Keys, tmp_path: Path
) -> None:
    key = new_key()
    assert "Connect a wallet" in client.get("/contribute").text
    client.headers["authorization"] = f"Bearer {session(client, key)}"
    name = _upload(client, _archive(**_code(), pkg__bad="def broken(:\n    pass\n"))
    assert 'http-equiv="refresh"' in client.get(f"/contribute/{name}").text
    wait_for(client, name)
    page = client.get(f"/contribute/{name}").text
    assert "4</strong> records kept" in page
    assert "bad.py" in page
    assert "def add_0" in page  # the preview, for its owner
    assert "Sealed: only the token" in page
    assert not (market.contributions.folder / name / "upload").exists()
    form = {"title": "Sums", "description": "Adds <b>things</b>.", "kind": "negative"}
    client.post(f"/contribute/{name}/publish", data=form)
    wait_for(client, name)
    prepared = client.post(f"/contribute/{name}/prepare").json()
    assert int(prepared["fee_wei"]) > 0
    send(devnet, key, prepared["commit"])
    again = client.post(f"/contribute/{name}/prepare").json()
    assert (again["commit"], again["ready"]) == (None, prepared["head"] + 2)
    send(devnet, key, again["mint"])
    token = market.tokens.get(prepared["token"])
    assert (token.contributor, token.owner, token.kind.name) == (key.address, key.address, "NEGATIVE")
    assert "Minted." in client.get(f"/contribute/{name}").text
    assert client.post(f"/contribute/{name}/prepare").status_code == 400
    # What the token names is the dataset, and it opens with the vault's key.
    document = read_document(market.store, token.uri)
    assert document.properties.sealed
    got = retrieve(document, market.store, tmp_path / "got", root=token.root, key=market.vault.get(token.id))
    assert got.manifest.contributor.wallet == "" or got.manifest.contributor.wallet == key.address
    assert {record["level"] for record in got.records()} <= {1, 2, 3, 4, 5}
    # Sealed data lie here in plain no longer than they must.
    left = {path.name for path in (market.contributions.folder / name).iterdir()}
    assert left == {"contribution.json", "report.json", "intake.json"}
    assert "add_0" not in (market.contributions.folder / name / "report.json").read_text()
    page = client.get(f"/datasets/{token.id}").text
    assert "Adds &lt;b&gt;things&lt;/b&gt;." in page
    assert "4</strong> records kept" in page


def test_an_upload_in_pieces_continues_where_it_stopped(client: TestClient, market: Market, new_key: Keys) -> None:
    client.headers["authorization"] = f"Bearer {session(client, new_key())}"
    name = client.post("/contribute", data={"licence": "MIT"}, headers={"accept": "application/json"}).json()["id"]
    files = f"/contribute/{name}/files"
    text = GOOD.format(n=time.time_ns()).encode()

    def put(offset: int, data: bytes, file: str = "lib/sums.py") -> Any:
        return client.put(files, params={"file": file, "offset": offset}, content=data)

    assert client.get(files, params={"file": "lib/sums.py"}).json() == {"size": 0}
    assert put(0, text[:20]).json() == {"size": 20}
    for offset in (0, 10, 30):  # the connection was lost, and the browser does not know how much arrived
        answer = put(offset, text)
        assert (answer.status_code, answer.json()) == (409, {"size": 20})
    assert client.get(files, params={"file": "lib/sums.py"}).json() == {"size": 20}
    assert put(20, text[20:]).json() == {"size": len(text)}
    assert "1 files" in client.get(f"/contribute/{name}").text
    client.post(f"/contribute/{name}/check")
    wait_for(client, name)
    dataset = Dataset.open(market.contributions.folder / name / "dataset")
    assert [record["text"].encode() for record in dataset.records()] == [text]
    assert put(len(text), b"more").status_code == 400  # what is checked takes nothing more


@pytest.mark.parametrize(
    "name",
    [
        "../x.py",
        "a/../../x.py",
        "/etc/x.py",
        ".git/config",
        "a\\b.py",
        "",
        "a//b.py",
        "a\0.py",
        "x/" * 30 + "y.py",
        "a" * 2000,
    ],
)
def test_a_files_name_leads_nowhere_else(client: TestClient, market: Market, new_key: Keys, name: str) -> None:
    client.headers["authorization"] = f"Bearer {session(client, new_key())}"
    made = client.post("/contribute", data={}, headers={"accept": "application/json"}).json()["id"]
    answer = client.put(f"/contribute/{made}/files", params={"file": name, "offset": 0}, content=b"x")
    assert answer.status_code == 400
    assert {path.name for path in (market.contributions.folder / made).iterdir()} == {"contribution.json"}
    assert not list(market.state_dir.parent.rglob("x.py"))


def test_a_bomb_is_refused_with_a_reason(client: TestClient, market: Market, new_key: Keys) -> None:
    client.headers["authorization"] = f"Bearer {session(client, new_key())}"
    name = _upload(client, _archive(**{f"m{n}": "#" * (900 << 10) + f"\nx = {n}\n" for n in range(80)}))
    wait_for(client, name)
    page = client.get(f"/contribute/{name}").text
    assert "expands to far more than its size" in page
    assert str(market.state_dir) not in page
    assert "rejected" in client.get("/contribute").text


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 nonsense", b"\xff" * 100])
def test_what_can_not_be_read_is_refused_with_a_reason(client: TestClient, new_key: Keys, data: bytes) -> None:
    client.headers["authorization"] = f"Bearer {session(client, new_key())}"
    answer = client.post("/contribute", data={}, files=[("files", ("x.zip", data))], follow_redirects=True)
    if answer.status_code == 200:
        name = str(answer.url).rpartition("/")[2]
        wait_for(client, name)
        answer = client.get(f"/contribute/{name}")
    assert 'role="alert"' in answer.text
    assert "Traceback" not in answer.text


def test_questions_and_answers_are_a_dataset_too(client: TestClient, market: Market, new_key: Keys) -> None:
    client.headers["authorization"] = f"Bearer {session(client, new_key())}"
    rows = [
        {"question": f"What is {n} plus one, asked at {time.time_ns()}?", "answer": f"It is {n + 1}."} for n in range(3)
    ]
    name = _upload(client, json.dumps(rows).encode(), "pairs.json")
    wait_for(client, name)
    assert "3</strong> records kept" in client.get(f"/contribute/{name}").text


def test_secrets_are_left_out_and_addresses_masked(client: TestClient, market: Market, new_key: Keys) -> None:
    client.headers["authorization"] = f"Bearer {session(client, new_key())}"
    key = "AKIA" + "Z7Q2M4N8P1R5T3V6"
    files = _code(2) | {"pkg__leak": f'KEY = "{key}"\n', "pkg__mail": '"""By ada@lovelace.org."""\nX = 1\n'}
    name = _upload(client, _archive(**files))
    wait_for(client, name)
    text = "".join(
        json.dumps(record) for record in Dataset.open(market.contributions.folder / name / "dataset").records()
    )
    assert key not in text
    assert "ada@lovelace.org" not in text


def test_nobody_else_sees_changes_or_mints_it(
    client: TestClient, market: Market, devnet: Devnet, new_key: Keys
) -> None:
    """A stranger with an account of their own, who knows the contribution's name."""
    key, stranger = new_key(), new_key()
    name = contribute(market, key.address)
    before = _files(market)
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "", {}),
        ("GET", "/job", {}),
        ("GET", "/files", {"params": {"file": "x.py"}}),
        ("PUT", "/files", {"params": {"file": "x.py", "offset": 0}, "content": b"x"}),
        ("POST", "/check", {}),
        ("POST", "/publish", {"data": {"title": "Mine now", "access": "open"}}),
        ("POST", "/prepare", {}),
        ("POST", "/remove", {}),
    ]
    for who in (None, stranger):
        if who is not None:
            client.headers["authorization"] = f"Bearer {session(client, who)}"
        for method, path, more in calls:
            answer = client.request(method, f"/contribute/{name}{path}", **more)
            shown_the_form = who is None and (method, path) == ("GET", "")
            assert answer.status_code in (403, 404) or shown_the_form, (path, answer.status_code)
            assert "By me." not in answer.text
            assert "x = 1" not in answer.text
    assert "Mine" not in client.get("/contribute").text
    for name_ in ("../" + name, "x", "0" * 32, name.upper()):
        assert client.post(f"/contribute/{name_}/prepare").status_code == 404
    assert _files(market) == before, "nothing was written for a stranger"


def test_a_strangers_mint_of_the_same_data_locks_nobody_out(
    client: TestClient, market: Market, devnet: Devnet, new_key: Keys
) -> None:
    key, stranger = new_key(), new_key()
    text = f"x = {time.time_ns()}\n"
    tokens = []
    for who in (stranger, key):
        client.headers["authorization"] = f"Bearer {session(client, who)}"
        name = contribute(market, who.address, text=text)
        client.post(f"/contribute/{name}/publish", data={"title": "Mine"})
        wait_for(client, name)
        if who is key:
            assert "The same data was minted by others" in client.get(f"/contribute/{name}").text
        prepared = client.post(f"/contribute/{name}/prepare").json()
        for step in ("commit", "mint"):
            send(devnet, who, prepared[step])
        tokens.append(prepared["token"])
    assert [market.tokens.owner_of(token) for token in tokens] == [stranger.address, key.address]
    assert "announced earlier" in client.get(f"/datasets/{tokens[1]}").text
    assert market.vault.get(tokens[0]) != market.vault.get(tokens[1])


def test_sealed_content_is_nowhere_in_plain(client: TestClient, market: Market, new_key: Keys) -> None:
    key = new_key()
    secret = f"# a secret that nobody guesses, {time.time_ns()}\n"
    name = contribute(market, key.address, text=secret)
    plain = LocalStore(market.state_dir / "elsewhere").add(market.contributions.folder / name / "dataset")
    client.headers["authorization"] = f"Bearer {session(client, key)}"
    client.post(f"/contribute/{name}/publish", data={"title": "Secrets"})
    wait_for(client, name)
    store = market.store
    assert isinstance(store, LocalStore)
    assert list(store.folder.iterdir())
    for path in store.folder.iterdir():
        for trace in (secret.encode(), str(plain).encode(), plain.digest):
            assert trace not in path.read_bytes(), "public content tells the plaintext, or where it would lie"
    # Sealed once, it is not laid open by a second thought.
    client.post(f"/contribute/{name}/publish", data={"title": "Secrets", "access": "open"})
    wait_for(client, name)
    assert "not published in plain" in client.get(f"/contribute/{name}").text
    assert all(secret.encode() not in path.read_bytes() for path in store.folder.iterdir())


def test_a_job_that_a_crash_cut_off_is_taken_up(client: TestClient, market: Market, new_key: Keys) -> None:
    key = new_key()
    done = market.contributions.create(key.address, licence="MIT")
    market.contributions.receive(done, "code.py", 0, GOOD.format(n=time.time_ns()).encode())
    market.contributions.change(done, "uploading", state="checking")
    torn = market.contributions.create(key.address)  # its files are gone: it must not hold up the other
    market.contributions.change(torn, "uploading", state="checking")
    # Another process, after a crash.
    parts = client.app.state.parts  # type: ignore[attr-defined]
    work = ContributionWork(Contributions(market.contributions.folder), market.store, market.vault)
    jobs = Jobs(parts.database, work.handlers)
    for _ in range(2):  # however often: each is one job
        work.resume(jobs, parts.accounts.wallet)
    assert len(jobs.of(parts.accounts.wallet(key.address))) == 2
    for _ in range(2400):
        states = {one.id: one.state for one in market.contributions.of(key.address)}
        if states == {done.id: "checked", torn.id: "rejected"}:
            return
        time.sleep(0.05)
    pytest.fail(f"{states}")


def test_a_job_that_was_given_up_can_be_asked_for_again(client: TestClient, market: Market, new_key: Keys) -> None:
    key = new_key()
    client.headers["authorization"] = f"Bearer {session(client, key)}"
    parts = client.app.state.parts  # type: ignore[attr-defined]
    parts.jobs.stop()  # the server ended each time it was at work
    name = _upload(client, _archive(**_code()))
    with parts.database.begin() as database:
        database.execute(update(Job).values(state="running", attempts=MOST_ATTEMPTS, lease=0.0))
    assert not Jobs(parts.database, market.work.handlers).work_once()
    page = client.get(f"/contribute/{name}").text
    assert "given up: the server ended" in page
    assert "That is all: check it" in page
    client.post(f"/contribute/{name}/check")
    assert Jobs(parts.database, market.work.handlers).work_once()
    assert market.contributions.get(name, key.address).state == "checked"


def test_a_full_disk_is_no_fault_of_the_upload(
    client: TestClient, market: Market, new_key: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key()
    client.headers["authorization"] = f"Bearer {session(client, key)}"
    name = _upload(client, _archive(**_code()))
    wait_for(client, name)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gatllm.service.contribution_jobs.publish_for", full)
    client.post(f"/contribute/{name}/publish", data={"title": "Sums"})
    wait_for(client, name)
    assert "disk is full" in client.get(f"/contribute/{name}").text
    assert market.contributions.get(name, key.address).state == "checked"


def test_a_check_ends_with_the_service(tmp_path: Path) -> None:
    """Its standard input is the service's: a service that was killed leaves no process behind."""
    import subprocess
    import sys

    (tmp_path / "upload").mkdir()
    (tmp_path / "upload" / "code.py").write_text("x = 1\n" * 10)
    given = {"licence": "", "contributor": "", "wallet": "", "against": []}
    (tmp_path / "intake.json").write_text(json.dumps(given))
    command = [sys.executable, "-m", "gatllm.market.store.intake", str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin
        process.stdin.close()
        assert process.wait(200) == 1


def test_what_one_wallet_may_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Contributions(tmp_path)
    monkeypatch.setattr(limits, "OPEN_LIMIT", 2)
    monkeypatch.setattr(limits, "UPLOAD_BYTES", 100)
    monkeypatch.setattr(limits, "WALLET_BYTES", 150)
    monkeypatch.setattr(limits, "UPLOAD_FILES", 2)
    one, two = kept.create("0xa"), kept.create("0xa")
    with pytest.raises(GatllmError, match="not minted"):
        kept.create("0xa")
    other = kept.create("0xb")
    kept.receive(one, "a", 0, b"x" * 90)
    with pytest.raises(GatllmError, match="at most 0 MiB"):
        kept.receive(one, "a", 90, b"x" * 20)
    kept.receive(one, "b", 0, b"x")
    with pytest.raises(GatllmError, match="at most 2 files"):
        kept.receive(one, "c", 0, b"x")
    with pytest.raises(GatllmError, match="too large together"):
        kept.receive(two, "a", 0, b"x" * 70)
    monkeypatch.setattr(limits, "FREE_BYTES", 1 << 60)
    with pytest.raises(GatllmError, match="no room"):
        kept.receive(other, "a", 0, b"x")
    kept.remove(one)
    assert [entry.id for entry in kept.of("0xa")] == [two.id]
    assert not kept.path(one).exists()
    monkeypatch.setattr(limits, "UPLOAD_AGE", -1)
    kept.create("0xc")
    assert kept.of("0xa") == kept.of("0xb") == []
    with pytest.raises(NotYoursError):
        kept.get(two.id, "0xa")
    with pytest.raises(UsageError, match="licence does not fit"):
        kept.create("0xc", licence="<script>")


def _files(market: Market) -> dict[str, bytes]:
    folders = [market.contributions.folder, market.vault.folder, getattr(market.store, "folder", market.state_dir)]
    return {str(path): path.read_bytes() for root in folders for path in root.rglob("*") if path.is_file()}
