"""Members in processes of their own that lie, stall, crash, answer twice, replay, send too much or garbage."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from gatllm.answering import FakeGenerator
from gatllm.answering.council import Council, Identity, Member, Node, NodeServer, read_address, verify_decision
from gatllm.answering.council.network import PASSWORD_VARIABLE, HttpPeer
from gatllm.errors import GatllmError, UsageError
from gatllm.models import ChatOptions, Message
from gatllm.review import Reviewer
from tests.answering.council.hostile_node import BAD

GOOD = "```python\ndef double(x):\n    return 2 * x\n```\n"
ASK: list[Message] = [{"role": "user", "content": "double a number"}]


class Process:
    """A node in a process, and its address once it says where it listens."""

    def __init__(self, behaviour: str, reply: str = GOOD) -> None:
        command = [sys.executable, "-m", "tests.answering.council.hostile_node", behaviour, reply]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])

    @cached_property
    def address(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


FAULTS = ("lie", "stall", "twice", "swap", "huge", "garbage", "replay")


@pytest.fixture(scope="module")
def nodes() -> Iterator[dict[str, Process]]:
    """Three honest nodes, two that will be killed, one of each fault: started side by side, since that takes time."""
    running = {f"honest {number}": Process("honest") for number in range(3)}
    running |= {f"doomed {number}": Process("honest") for number in range(2)}
    running |= {fault: Process(fault, GOOD if fault == "replay" else BAD) for fault in FAULTS}
    running["lie again"] = Process("lie", BAD)
    yield running
    for each in running.values():
        each.kill()


def members(nodes: dict[str, Process], *names: str) -> list[Member]:
    return [read_address(nodes[name].address) for name in names]


HONEST = ("honest 0", "honest 1", "honest 2")


@pytest.mark.parametrize("behaviour", FAULTS[:-1])
def test_less_than_a_third_that_is_faulty_changes_nothing(behaviour: str, nodes: dict[str, Process]) -> None:
    council = Council(members(nodes, *HONEST, behaviour), timeout=20.0)
    decision = council.deliberate(ASK, ChatOptions())
    assert decision.agreed
    assert decision.text == GOOD
    assert decision.weight >= 0.75
    assert verify_decision(decision.log) in {each["key"] for each in council.members[:3]}
    faults = {entry["member"] for entry in decision.log if entry["event"] == "fault"}
    assert faults == (set() if behaviour == "lie" else {council.members[3]["key"]})


def test_old_messages_do_not_count_again(nodes: dict[str, Process]) -> None:
    council = Council(members(nodes, *HONEST, "replay"), timeout=60.0)
    first, second = (council.deliberate(ASK, ChatOptions()) for _ in range(2))
    assert not [entry for entry in first.log if entry["event"] == "fault"]
    (fault,) = [entry for entry in second.log if entry["event"] == "fault"]
    assert "another decision" in fault["what"]
    assert second.agreed
    assert verify_decision(second.log)


def test_a_member_that_is_killed_is_gone_and_the_others_agree(nodes: dict[str, Process]) -> None:
    council = Council(members(nodes, *HONEST[:2], "doomed 0", "doomed 1"), timeout=60.0)
    nodes["doomed 0"].process.kill()  # SIGKILL
    nodes["doomed 0"].process.wait()
    decision = council.deliberate(ASK, ChatOptions())
    assert decision.agreed
    assert decision.weight == pytest.approx(0.75)
    only = Council(members(nodes, "doomed 1"), timeout=60.0)
    nodes["doomed 1"].process.kill()
    nodes["doomed 1"].process.wait()
    decision = council.deliberate(ASK, ChatOptions())
    assert not decision.agreed  # half of the stake can't decide
    assert verify_decision(decision.log) is None
    with pytest.raises(GatllmError, match="no member of the council proposed"):
        only.deliberate(ASK, ChatOptions())


def test_half_that_lies_is_no_agreement(nodes: dict[str, Process]) -> None:
    chosen = members(nodes, *HONEST[:2], "lie", "lie again")
    decision = Council(chosen, rounds=1, timeout=60.0).deliberate(ASK, ChatOptions())
    assert not decision.agreed
    assert verify_decision(decision.log) is None


def test_a_node_opens_nothing_before_it_is_bound_and_believes_no_forgery(nodes: dict[str, Process]) -> None:
    peer = HttpPeer(nodes["honest 0"].address)
    key = peer.describe()["key"]
    request = {"decision": "a" * 64, "round": 1, "turns": ASK, "options": {}}
    (committed,) = peer.call("propose", request, 60.0)
    assert committed["text"] is None
    asked = {"decision": "a" * 64, "round": 1, "seen": [], "stakes": {key: 1.0}}
    with pytest.raises(GatllmError, match="only after it was committed to"):
        peer.call("reveal", asked, 60.0)
    forged = {**committed, "commitment": "b" * 64}
    with pytest.raises(GatllmError, match="not signed by its sender"):
        peer.call("reveal", asked | {"seen": [forged]}, 60.0)
    opened = peer.call("reveal", asked | {"seen": [committed]}, 60.0)
    assert opened[0]["text"] == GOOD
    assert peer.call("propose", request, 60.0) == [committed]  # asked again, it does not choose again


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/council/propose", b"{", 400),
        ("/council/propose", b"[1, 2]", 400),
        ("/council/vote", json.dumps({"decision": "x", "round": 1, "seen": [{}], "stakes": {}}).encode(), 400),
        ("/council/dance", b"{}", 404),
        ("/elsewhere", b"{}", 404),
    ],
)
def test_bad_requests_are_refused(path: str, body: bytes, status: int, nodes: dict[str, Process]) -> None:
    address = nodes["honest 0"].address
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(address + path, body))  # noqa: S310  # our own node
    refused.value.close()
    assert refused.value.code == status
    assert HttpPeer(address).describe()["name"].startswith("honest")


def test_a_pinned_key_has_to_be_the_one(nodes: dict[str, Process]) -> None:
    address = nodes["honest 0"].address
    key = HttpPeer(address).describe()["key"]
    assert Council([read_address(f"{key}@{address}=2.5")]).members[0]["stake"] == 2.5
    with pytest.raises(GatllmError, match="has another key"):
        Council([read_address(f"{'0' * 64}@{address}")])


def test_a_node_with_a_password_answers_only_who_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "sesame")
    server = NodeServer(Node("shy", Identity.generate(), FakeGenerator(GOOD), Reviewer()))
    serving = threading.Thread(target=server.run, daemon=True)
    serving.start()
    member = read_address(server.address)
    assert Council([member]).deliberate(ASK, ChatOptions()).text == GOOD
    for wrong in ("", "sesam", "sésame"):
        monkeypatch.setenv(PASSWORD_VARIABLE, wrong)
        with pytest.raises(GatllmError, match="password is missing or wrong"):
            member.peer.describe()
        with pytest.raises(GatllmError, match="password is missing or wrong"):
            member.peer.call("propose", {"decision": "0" * 64, "round": 1}, 10.0)
    server.stop()
    serving.join()


def test_a_node_that_others_can_reach_needs_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    with pytest.raises(UsageError, match="could let this node work"):
        NodeServer(Node("open", Identity.generate(), FakeGenerator(GOOD), Reviewer()), "0.0.0.0")  # noqa: S104


@pytest.mark.parametrize("text", ["", "localhost:80", "http://x=0", "http://x=-1", "ab@http://x", "http://x:y", "3x"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="not a member of a council"):
        read_address(text)


def test_nobody_there_is_one_clear_line() -> None:
    with pytest.raises(GatllmError, match="did not answer"):
        Council([read_address("http://127.0.0.1:9")])
