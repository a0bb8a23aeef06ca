"""The database: both kinds of it, up to date, and nothing lost that was confirmed."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, select, text

from gatllm.errors import GatllmError, UsageError
from gatllm.service.accounts import Accounts, SignInError
from gatllm.service.conversations import Conversations, history
from gatllm.service.data_requests import DataRequests
from gatllm.service.database import Base, Database, DatabaseError, Rate, Turn, check_database, is_current, open_database
from gatllm.service.errors import ApiError
from gatllm.service.feedback import FeedbackBook
from gatllm.service.jobs import Jobs, PausedError, Running
from gatllm.service.personal_data import PersonalData
from gatllm.service.rates import Rates
from gatllm.service.usage import UsageBook


def _initdb() -> str | None:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return str(installed[-1]) if installed else shutil.which("initdb")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL of our own, reached by a socket in a folder; yields its URL."""
    initdb = _initdb()
    if initdb is None:
        pytest.skip("no PostgreSQL here (Debian: apt install postgresql)")
    # Not below pytest's own folder, which no other user may enter.
    folder = Path(tempfile.mkdtemp(prefix="gatllm-pg-"))
    as_user: list[str] = []
    if os.getuid() == 0:  # it refuses to run as root
        as_user = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")
    bin_, data = Path(initdb).parent, folder / "data"
    made = subprocess.run(
        [*as_user, initdb, "-A", "trust", "-U", "gatllm", "-D", data, "--no-sync"], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"initdb: {made.stderr.decode()[-200:]}")
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
    control = [*as_user, bin_ / "pg_ctl", "-D", data, "-w"]
    subprocess.run([*control, "-o", options, "-l", folder / "log", "start"], check=True, capture_output=True)
    yield f"postgresql://gatllm@/postgres?host={folder}"
    subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        opened = open_database(tmp_path / "service.db")
    else:
        opened = open_database(request.getfixturevalue("postgres"))
        with opened.begin() as session:
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(table.delete())
    yield opened
    opened.close()


def test_migrations_and_tables_agree(database: Database) -> None:
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    assert is_current(database.engine)
    if database.is_sqlite:
        with database.read() as session:
            assert session.scalar(text("pragma journal_mode")) == "wal"


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "service.db"
    first = open_database(path)
    account = Accounts(first).add_user("ann", "correct horse")
    first.close()
    again = open_database(path)
    assert Accounts(again).by_session(Accounts(again).sign_in_user("ann", "correct horse")) is not None
    assert [user.id for user in Accounts(again).listed()] == [account]
    assert path.stat().st_mode & 0o077 == 0
    again.close()


@pytest.mark.parametrize(
    ("where", "cause"),
    [
        ("mysql://x/y", "mysql is not supported"),
        ("not a url://", "not a database"),
        ("postgresql://nobody@/none?host=/nonexistent", "can't be reached"),
        ("/proc/none/service.db", "can't write"),
    ],
)
def test_what_can_not_be_opened_is_one_clear_line(where: str, cause: str) -> None:
    with pytest.raises(DatabaseError, match=cause):
        open_database(where)


def test_damage_and_newer_versions_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(DatabaseError, match="damaged"):
        open_database(tmp_path / "a.db")
    open_database(tmp_path / "b.db").close()
    with sqlite3.connect(tmp_path / "b.db") as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    with pytest.raises(DatabaseError, match="newer gatllm"):
        open_database(tmp_path / "b.db")


def test_users_sign_in_and_out(database: Database) -> None:
    accounts = Accounts(database)
    accounts.add_user("ann", "correct horse", "operator")
    for name, password in (("ann", "wrong horse"), ("bob", "correct horse"), ("", ""), ("ann", "\udc00")):
        with pytest.raises(SignInError):
            accounts.sign_in_user(name, password)
    token = accounts.sign_in_user("ann", "correct horse", "Firefox")
    caller = accounts.by_session(token)
    assert caller is not None
    assert (caller.name, caller.role, caller.is_known) == ("ann", "operator", True)
    assert [session.agent for session in accounts.sessions(caller.account_id)] == ["Firefox"]
    with database.read() as session:
        kept = " ".join(str(value) for row in session.execute(text("select * from sessions")) for value in row)
    assert token not in kept
    accounts.revoke_session("somebody else", caller.session_id)
    assert accounts.by_session(token) is not None
    accounts.revoke_session(caller.account_id, caller.session_id)
    assert accounts.by_session(token) is None
    for name, password in (("ann", "another horse"), ("bob", "short"), (" ", "long enough")):
        with pytest.raises(UsageError):
            accounts.add_user(name, password)


def test_keys_are_hashed_named_and_revoked(database: Database) -> None:
    accounts = Accounts(database)
    account = accounts.add_user("ann", "correct horse")
    key = accounts.new_key(account, "editor")
    caller = accounts.by_key(key)
    assert caller is not None
    assert caller.account_id == account
    [kept] = accounts.keys(account)
    assert (kept.name, kept.revoked, kept.used is not None) == ("editor", None, True)
    assert kept.prefix == key[:10]
    assert key not in kept.key_hash
    accounts.revoke_key("somebody else", kept.id)
    assert accounts.by_key(key) is not None
    accounts.revoke_key(account, kept.id)
    assert accounts.by_key(key) is None


def test_one_wallet_is_one_account(database: Database) -> None:
    accounts = Accounts(database)
    callers = [accounts.by_session(accounts.sign_in_wallet("0xAb")) for _ in range(2)]
    assert len({caller.account_id for caller in callers if caller}) == 1


def test_conversations_are_ones_own(database: Database) -> None:
    accounts, talks = Accounts(database), Conversations(database)
    (ann, _), (bob, _) = accounts.visit(), accounts.visit()
    talk, turn = talks.begin(ann.account_id, "Sort a list of 50 % of the things")
    talks.save(turn.id, state="done", text="Use sorted.")
    for _ in range(210):
        talks.begin(bob.account_id, "x")
    found = talks.get(ann.account_id, talk.id)
    assert found is not None
    assert found[1][0].text == "Use sorted."
    assert talks.get(bob.account_id, talk.id) is None
    with pytest.raises(ApiError):
        talks.begin(bob.account_id, "x", talk.id)
    with pytest.raises(ApiError):
        talks.anew(bob.account_id, turn.id)
    talks.remove(bob.account_id, talk.id)
    assert [one.id for one in talks.listed(ann.account_id)] == [talk.id]
    for search, count in (("USE", 1), ("list sorted", 1), ("nothing", 0), ("%", 1), ("_", 0)):
        assert len(talks.listed(ann.account_id, search)) == count


def test_history_is_what_was_answered(database: Database) -> None:
    accounts, talks = Accounts(database), Conversations(database)
    me = accounts.visit()[0].account_id
    talk, first = talks.begin(me, "one")
    talks.save(first.id, state="done", text="1")
    _, second = talks.begin(me, "two", talk.id)
    talks.save(second.id, state="stopped", text="2")
    _, third = talks.begin(me, "three", talk.id)
    found = talks.get(me, talk.id)
    assert found is not None
    assert [message["content"] for message in history(found[1], third)] == ["one", "1"]
    talks.save(third.id, state="done")
    talks.anew(me, first.id, "one, please")
    found = talks.get(me, talk.id)
    assert found is not None
    assert [(turn.prompt, turn.state) for turn in found[1]] == [("one, please", "writing")]


def test_a_turn_whose_writer_died_says_so(database: Database) -> None:
    accounts, talks = Accounts(database), Conversations(database)
    me = accounts.visit()[0].account_id
    talk, turn = talks.begin(me, "one")
    talks.save(turn.id, text="half an ans")
    with database.begin() as session:
        kept = session.get(Turn, turn.id)
        assert kept is not None
        kept.updated -= 60
    found = talks.get(me, talk.id)
    assert found is not None
    assert (found[1][0].state, found[1][0].text) == ("failed", "half an ans")
    talks.anew(me, turn.id)  # it can be asked again


def test_usage_adds_up_from_several_threads(database: Database) -> None:
    book = UsageBook(database)
    account = Accounts(database).add_user("ann", "correct horse")
    threads = [threading.Thread(target=book.add, args=(account, "", 10, 5)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [row] = book.of(account)
    assert (row.requests, row.prompt_tokens, row.completion_tokens) == (20, 200, 100)


def test_data_requests_are_counted_and_bounded(database: Database) -> None:
    requests = DataRequests(database, most=5)
    for number in range(8):
        requests.add(f"question {number}", 0.1, 0.5)
    requests.add("  Question   7 ", 0.1, 0.5)
    kept = requests.top()
    assert len(kept) == 5
    assert (kept[0].prompt, kept[0].count) == ("question 7", 2)
    requests.remove(kept[0].digest)
    assert len(requests.top()) == 4


def test_feedback_is_exported_from_those_who_agreed(database: Database) -> None:
    accounts, talks, book = Accounts(database), Conversations(database), FeedbackBook(database)
    me = accounts.visit()[0].account_id
    talk, turn = talks.begin(me, "mail ann@mail.de")
    talks.save(turn.id, state="done", text="wrong")
    book.add(me, turn.id, "up")
    book.add(me, turn.id, "down")
    book.add(me, turn.id, "edit", "right")
    assert book.of(me, talk.id) == {turn.id: "down"}
    assert list(book.export()) == []
    accounts.set_feedback(me, True)
    down, edit = book.export()
    question = {"role": "user", "content": "mail redacted@example.com"}
    assert down == {"prompt": [question], "rejected": "wrong"}
    assert edit == {"messages": [question, {"role": "assistant", "content": "right"}], "rejected": "wrong"}
    with pytest.raises(ApiError):
        book.add("somebody else", turn.id, "up")


def test_my_data_can_be_taken_away_and_erased(database: Database) -> None:
    accounts, talks, personal = Accounts(database), Conversations(database), PersonalData(database)
    me = accounts.add_user("ann", "correct horse")
    other = accounts.add_user("bob", "correct horse")
    accounts.sign_in_user("ann", "correct horse")
    key = accounts.new_key(me, "editor")
    UsageBook(database).add(me, "", 1, 2)
    _, turn = talks.begin(me, "my question")
    talks.begin(other, "another's question")
    FeedbackBook(database).add(me, turn.id, "up")
    Jobs(database).add(me, "check", {"of": "mine"})
    taken = personal.export(me)
    assert [row["prompt"] for row in taken["turns"]] == ["my question"]
    assert all(taken[name] for name in ("sessions", "api_keys", "usage", "conversations", "feedback", "jobs"))
    assert not any("hash" in str(taken) or word in str(taken) for word in (key, "password"))
    personal.erase(me)
    tables = inspect(database.engine).get_table_names()
    with database.read() as session:
        rows = {name: session.execute(text(f"select * from {name}")).all() for name in tables}  # noqa: S608
    assert me not in str(rows)
    assert "my question" not in str(rows)
    assert len(talks.listed(other)) == 1


def test_a_job_is_done_once_and_resumed_where_it_was(database: Database) -> None:
    done: list[str] = []

    def handler(job: Running) -> dict[str, Any]:
        job.step("first", lambda: done.append("first") or {"n": 1})  # type: ignore[func-returns-value]
        if len(done) == 1:
            raise KeyboardInterrupt  # as if the process had ended
        second = job.step("second", lambda: done.append("second") or {"n": 2})  # type: ignore[func-returns-value]
        return second | job.arguments

    me = Accounts(database).visit()[0].account_id
    jobs = Jobs(database, {"work": handler})
    name = jobs.add(me, "work", {"a": 1}, once="that")
    assert jobs.add(me, "work", {"a": 1}, once="that") == name
    with pytest.raises(GatllmError, match="somebody else"):
        jobs.add(Accounts(database).visit()[0].account_id, "work", {}, once="that")
    with pytest.raises(KeyboardInterrupt):
        jobs.work_once()
    done.append("")
    assert not jobs.work_once()  # the lease has not run out
    with database.begin() as session:
        session.execute(text("update jobs set lease = 0"))
    assert jobs.work_once()
    assert done == ["first", "", "second"]
    job = jobs.get(me, name)
    assert job is not None
    assert (job.state, job.result, job.attempts) == ("done", {"n": 2, "a": 1}, 2)
    assert not jobs.work_once()
    assert jobs.counts() == {"queued": 0, "running": 0, "done": 1, "failed": 0}


def test_a_job_that_fails_tells_why(database: Database) -> None:
    def handler(job: Running) -> dict[str, Any]:
        raise GatllmError("there is no such dataset", "upload it")

    me = Accounts(database).visit()[0].account_id
    jobs = Jobs(database, {"work": handler})
    name = jobs.add(me, "work", {})
    assert jobs.work_once()
    job = jobs.get(me, name)
    assert job is not None
    assert job.state == "failed"
    assert "no such dataset" in job.error


_CRASH = """
import sys, time
from gatllm.service.database import open_database
from gatllm.service.accounts import Accounts
from gatllm.service.conversations import Conversations
database = open_database(sys.argv[1])
talks = Conversations(database)
me = Accounts(database).local().account_id
for number in range(10_000):
    talks.begin(me, f"question {number}")
    print(number, flush=True)
"""


def test_nothing_confirmed_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "service.db"
    confirmed = 0
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", _CRASH, path], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 20:
                break
        process.kill()
        confirmed += 1 + max([int(line), *map(int, process.stdout.read().split())])
        process.wait()
        process.stdout.close()
    database = open_database(path)
    assert len(Conversations(database).listed(Accounts(database).local().account_id, count=10_000)) >= confirmed
    database.close()


def test_work_of_a_process_that_was_killed_is_taken_up_at_once(tmp_path: Path) -> None:
    """Not after its lease: the same machine can see that the process is gone."""
    where = tmp_path / "service.db"
    account = Accounts(open_database(where)).local().account_id
    code = f"""
import os, signal
from gatllm.service.database import open_database
from gatllm.service.jobs import Jobs
jobs = Jobs(open_database({str(where)!r}), {{"long": lambda running: os.kill(os.getpid(), signal.SIGKILL)}})
jobs.add({account!r}, "long", {{}}, once="one")
jobs.work_once()
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    database = open_database(where)
    done = threading.Event()

    def long(_: Running) -> dict[str, Any]:
        done.set()
        return {}

    jobs = Jobs(database, {"long": long})
    assert not jobs.work_once()  # its lease stands, and it might live on another machine
    jobs.start()
    assert done.wait(10)  # less than a lease
    jobs.stop()
    job = jobs.find("one")
    assert job is not None
    assert job.attempts == 2
    database.close()


def test_a_living_process_keeps_its_work(tmp_path: Path) -> None:
    database = open_database(tmp_path / "service.db")
    account = Accounts(database).local().account_id
    first = Jobs(database, {"long": lambda _: {}})
    first.add(account, "long", {}, once="one")
    first._take()
    second = Jobs(database, {"long": lambda _: {}})
    second._reclaim()
    assert not second.work_once()
    database.close()


def test_what_an_account_used_is_counted_when_the_database_is_back(tmp_path: Path) -> None:
    import asyncio

    from gatllm.answering import Assistant, FakeGenerator
    from gatllm.review import Reviewer
    from gatllm.service import create_app
    from gatllm.service.parts import count_use

    database = open_database(tmp_path / "service.db")
    parts = create_app(Assistant(FakeGenerator("x"), Reviewer()), database=database).state.parts
    me = parts.accounts.local()
    adding = parts.usage.add

    def away(*_: object) -> None:
        raise DatabaseError("the database can't be reached", "wait")

    parts.usage.add = away
    for _ in range(3):
        asyncio.run(count_use(parts, me, 1, 2))
    assert parts.usage.of(me.account_id) == []
    parts.usage.add = adding
    asyncio.run(count_use(parts, me, 1, 2))
    assert [(row.requests, row.completion_tokens) for row in parts.usage.of(me.account_id)] == [(4, 8)]
    gone = parts.accounts.add_user("ann", "correct horse")
    parts.personal_data.erase(gone)  # while its last answer was written
    parts.uncounted.append((gone, "", 1, 1))
    asyncio.run(count_use(parts, me, 1, 2))
    assert parts.uncounted == []
    database.close()


def test_the_doctor_reads_a_database_and_changes_nothing(tmp_path: Path) -> None:
    where = tmp_path / "service.db"
    with pytest.raises(DatabaseError, match="there is no"):
        check_database(where)
    open_database(where).close()
    assert check_database(where) == "sqlite, 0 accounts"
    where.write_bytes(b"no database at all, but long enough to be read as one" * 100)
    with pytest.raises(DatabaseError, match="damaged"):
        check_database(where)


def test_a_rate_holds_across_workers_and_comes_back_with_time(database: Database) -> None:
    workers = [Rates(database, "questions", a_minute=60, burst=3) for _ in range(2)]
    now = 1_000_000.0
    waits = [workers[number % 2]._wait("questions ann", now) for number in range(5)]
    assert waits == [0, 0, 0, 1, 1]
    assert workers[0]._wait("questions bob", now) == 0  # another's is another's
    assert workers[1]._wait("questions ann", now + 0.5) == 0.5
    assert workers[1]._wait("questions ann", now + 1) == 0
    assert [workers[0]._wait("questions ann", now + 100) for _ in range(4)] == [0, 0, 0, 1]  # never more than a burst


def test_a_rate_is_counted_once_where_many_ask_at_once(database: Database) -> None:
    workers = [Rates(database, "questions", a_minute=1, burst=5) for _ in range(2)]
    let_through: list[bool] = []

    def ask(worker: Rates) -> None:
        for _ in range(8):
            let_through.append(worker._wait("questions ann", 1_000_000.0) == 0)

    threads = [threading.Thread(target=ask, args=(workers[number % 2],)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(let_through), sum(let_through)) == (32, 5)


def test_clients_who_earned_all_again_are_forgotten(database: Database) -> None:
    rates = Rates(database, "questions", a_minute=60)
    rates._wait("questions ann", 1_000.0)
    rates._swept = -1e9
    rates._wait("questions bob", 2_000.0)
    with database.read() as session:
        assert [row.client for row in session.scalars(select(Rate))] == ["questions bob"]


def test_without_its_database_a_rate_refuses_nobody(tmp_path: Path) -> None:
    database = open_database(tmp_path / "service.db")
    rates = Rates(database, "questions", a_minute=1, burst=1)
    with database.begin() as session:
        session.execute(text("drop table rates"))

    async def ask() -> None:
        for _ in range(3):
            await rates.take("ann")

    asyncio.run(ask())


def test_work_that_is_paused_waits_for_the_next_worker_and_only_attempts_in_vain_count(database: Database) -> None:
    me = Accounts(database).local().account_id
    seen: list[int] = []

    def handler(running: Running) -> dict[str, Any]:
        seen.append(len(seen))
        if len(seen) < 9:
            if len(seen) != 8:
                running.say(f"{len(seen)} of 9", advanced=True)
            raise PausedError
        return {}

    jobs = Jobs(database, {"long": handler})
    job = jobs.add(me, "long", {})
    for _ in range(9):
        assert jobs.work_once()
    done = jobs.get(me, job)
    assert done is not None
    assert (done.state, done.attempts) == ("done", 3)
    assert not jobs.work_once()


def test_work_that_somebody_ended_is_not_gone_on_with(database: Database) -> None:
    me = Accounts(database).local().account_id

    def handler(running: Running) -> dict[str, Any]:
        jobs.end(running.id, "enough")
        running.say("more")
        raise AssertionError("it went on")

    jobs = Jobs(database, {"long": handler})
    job = jobs.add(me, "long", {})
    assert jobs.work_once()
    ended = jobs.get(me, job)
    assert ended is not None
    assert (ended.state, ended.error) == ("failed", "enough")
    jobs.end(job, "again")
    assert not jobs.work_once()
