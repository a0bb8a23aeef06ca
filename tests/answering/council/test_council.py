"""A council agrees on what more than two thirds of the stake are for; its log can't be changed unseen."""

import copy
import json
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from gatllm.answering import Assistant, Council, FakeGenerator, Identity, LocalPeer, Member, Node, Transcript
from gatllm.answering.council import schema, seats, verify_decision, verify_transcript
from gatllm.answering.council.council import Decision
from gatllm.answering.council.counting import agreed_on, standing, tally
from gatllm.answering.council.messages import Critique, Proposal, Vote, commitment, fresh, read_message
from gatllm.errors import GatllmError, UsageError, VerificationError
from gatllm.models import ChatOptions, Completion, Message
from gatllm.records import GENESIS, canonical_bytes, sha256
from gatllm.review import Reviewer
from gatllm.sandbox import Runner

GOOD = "```python\ndef double(x):\n    return 2 * x\n```\n"
RENAMED = "```python\ndef twice(number):\n    return 2 * number\n```\n"
OTHER = "```python\ndef double(x):\n    return x + x\n```\n"
BROKEN = "```python\nimport math\nprint(math.nothing)\n```\n"
ASK: list[Message] = [{"role": "user", "content": "double a number"}]


def council(*replies: tuple[str, ...], stakes: tuple[float, ...] = (), rounds: int = 2) -> Council:
    nodes = [Node(f"m{at}", Identity.generate(), FakeGenerator(*each), Reviewer()) for at, each in enumerate(replies)]
    weights = stakes or (1.0,) * len(replies)
    return Council([Member(LocalPeer(node), stake) for node, stake in zip(nodes, weights, strict=True)], rounds=rounds)


def names(ours: Council, key: str | None) -> str | None:
    return next((each["name"] for each in ours.members if each["key"] == key), None)


def test_all_vote_for_what_most_stake_is_behind() -> None:
    ours = council((GOOD,), (RENAMED,), (OTHER,))
    decision = ours.deliberate(ASK, ChatOptions())
    assert decision.agreed
    assert decision.by in ("m0", "m1")
    assert decision.weight == 1
    assert decision.rounds == 1
    assert names(ours, verify_decision(decision.log)) == decision.by


def test_a_majority_for_what_cannot_be_right_does_not_win() -> None:
    decision = council((BROKEN,), (BROKEN,), (GOOD,), rounds=1).deliberate(ASK, ChatOptions())
    assert decision.by == "m2"
    assert decision.agreed


def test_reviewers_run_what_the_question_states() -> None:
    """Two members write the same wrong code: read alone, it would win."""
    wrong = "```python\ndef double(x):\n    return x ** 2\n```\n"
    stated: list[Message] = [{"role": "user", "content": "Write double.\nassert double(5) == 10"}]
    with Runner(workers=1) as runner:
        nodes = [
            Node(f"m{at}", Identity.generate(), FakeGenerator(reply), Reviewer(), runner=runner)
            for at, reply in enumerate((wrong, wrong, GOOD))
        ]
        decision = Council([Member(LocalPeer(node)) for node in nodes]).deliberate(stated, ChatOptions())
    assert (decision.by, decision.agreed, decision.rounds) == ("m2", True, 1)
    found = [
        entry["message"]["findings"] for entry in decision.log if entry.get("message", {}).get("kind") == "Critique"
    ]
    assert sum("double(5) must return 10, but it returned 25" in str(each) for each in found) == 6


@pytest.mark.parametrize("reply", ["def double(x):\n    return x ** 2\n", "One has to double it."])
def test_what_has_no_fence_or_no_code_is_held_against_what_is_stated_too(reply: str) -> None:
    stated: list[Message] = [{"role": "user", "content": "Write double.\nassert double(5) == 10"}]
    with Runner(workers=1) as runner:
        nodes = [
            Node(f"m{at}", Identity.generate(), FakeGenerator(text), Reviewer(), runner=runner)
            for at, text in enumerate((reply, reply, GOOD))
        ]
        decision = Council([Member(LocalPeer(node)) for node in nodes], rounds=1).deliberate(stated, ChatOptions())
    assert (decision.by, decision.agreed) == ("m2", True)


def test_of_what_passes_alike_the_one_that_computes_something_else_stands_worse() -> None:
    answers = ("return x + x", "y = 2 * x\n    return y", "return 10 if x == 5 else x * x")
    decision, found = stated_double(answers, (1.0, 1.0, 1.0))
    assert (decision.by, decision.agreed) == ("m1", True)
    assert sum("most proposals compute something else" in each for each in found) == len(answers)


def test_many_members_of_little_stake_are_no_majority() -> None:
    answers = ("return x + x", "return 10 if x == 5 else x * x", "y = x * x\n    return 10 if x == 5 else y")
    decision, found = stated_double(answers, (8.0, 1.0, 1.0))
    assert (decision.by, decision.agreed) == ("m0", True)
    assert not any("most proposals compute something else" in each for each in found)


def stated_double(answers: Sequence[str], stakes: Sequence[float]) -> tuple[Decision, list[str]]:
    """What a council decides where an example is stated that all answers pass, and what its reviewers found."""
    stated: list[Message] = [{"role": "user", "content": "Write double.\nassert double(5) == 10"}]
    keys = sorted((Identity.generate() for _ in answers), key=lambda key: key.public, reverse=True)
    with Runner(workers=1) as runner:
        nodes = [  # of equals the last one's key would decide
            Node(
                f"m{at}", key, FakeGenerator(f"```python\ndef double(x):\n    {code}\n```\n"), Reviewer(), runner=runner
            )
            for at, (key, code) in enumerate(zip(keys, answers, strict=True))
        ]
        members = [Member(LocalPeer(node), stake) for node, stake in zip(nodes, stakes, strict=True)]
        decision = Council(members, rounds=1).deliberate(stated, ChatOptions())
    found = [each["message"] for each in decision.log if each.get("message", {}).get("kind") == "Critique"]
    return decision, [str(each["findings"]) for each in found]


def test_stake_decides_between_sound_answers() -> None:
    assert council((GOOD,), (OTHER,), stakes=(1.0, 5.0), rounds=1).deliberate(ASK, ChatOptions()).by == "m1"


def test_the_first_third_of_the_stake_is_not_enough() -> None:
    key = [Identity.generate() for _ in range(3)]
    stakes = {each.public: 1.0 for each in key}
    votes = [each.sign(Vote(decision="0" * 64, round=1, sender=each.public, of="a" * 64)) for each in key]
    assert agreed_on(tally(votes[:2], stakes)) is None  # two thirds, and not more
    assert agreed_on(tally(votes, stakes)) == "a" * 64


def test_critiques_of_a_minority_move_no_score() -> None:
    key = [Identity.generate() for _ in range(4)]
    stakes = {each.public: 1.0 for each in key}
    head = {"decision": "0" * 64, "round": 1}
    salt = fresh()
    mine = Proposal(**head, sender=key[0].public, commitment=commitment(GOOD, salt), text=GOOD, salt=salt)
    scores = (0.9, 0.8, 0.9, 0.0)
    critiques = [
        Critique(**head, sender=each.public, of=key[0].public, score=s) for each, s in zip(key, scores, strict=True)
    ]
    (value,) = standing([mine], critiques, stakes).values()
    assert value == pytest.approx((1 / 4 + 0.8) / 2)


def test_the_decision_travels_with_the_completion_when_two_ask_at_once() -> None:
    """Each transcript holds the decision about its own question."""

    class Echo(FakeGenerator):
        def generate(self, conversations: Sequence[Sequence[Message]], options: ChatOptions) -> list[Completion]:
            word = conversations[0][-1]["content"].split()[-1]
            return [Completion(f"The answer about {word}.", "stop", 1, 1)]

    ours = Assistant(Council(seats(Node("echo", Identity.generate(), Echo(), Reviewer()), 3)), Reviewer())
    answers = {}

    def ask(word: str) -> None:
        answers[word] = ours.ask(f"tell me of {word}")

    threads = [threading.Thread(target=ask, args=(f"thing{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for word, answer in answers.items():
        kept = next(entry for entry in answer.transcript if entry["event"] == "council")
        opened = {entry["message"]["text"] for entry in kept["log"] if entry.get("message", {}).get("text")}
        assert opened == {f"The answer about {word}."} == {answer.text}
        assert verify_decision(kept["log"]) is not None


def test_no_agreement_is_said_and_warned_about(tmp_path: Path) -> None:
    class Deaf(Node):
        def vote(self, *_: object) -> list[object]:
            return []

    nodes = [Node("a", Identity.generate(), FakeGenerator(GOOD), Reviewer()), Deaf("b", Identity.generate())]
    ours = Assistant(Council([Member(LocalPeer(node)) for node in nodes], rounds=2), Reviewer())
    answer = ours.ask("double a number")
    assert "the council did not agree: 50% of the stake" in answer.warning
    kept = Transcript()
    kept.entries = list(answer.transcript)
    kept.save(tmp_path / "t.jsonl")
    assert verify_transcript(tmp_path / "t.jsonl")["councils"][0]["agreed"] is False


def rechained(log: list[dict[str, object]]) -> list[dict[str, object]]:
    previous = GENESIS
    for entry in log:
        entry["prev"] = previous
        previous = sha256(canonical_bytes(entry))
    return log


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("Proposal", {"text": OTHER}, "not signed"),
        ("Vote", {"of": "0" * 64}, "not signed"),
        ("Critique", {"score": 0.0}, "not signed"),
        ("Verdict", {"weight": 0.5}, "not signed"),
        ("count", {"best": None}, "the count is wrong"),
        ("council", {"quorum": 0.1}, "not complete"),
        ("council", {"decision": "0" * 64}, "another decision"),
    ],
)
def test_a_changed_log_is_found_even_when_the_chain_is_made_anew(
    kind: str, change: dict[str, object], message: str
) -> None:
    log = copy.deepcopy(list(council((GOOD,), (OTHER,), (RENAMED,)).deliberate(ASK, ChatOptions()).log))
    found = next(e for e in log if kind in (e["event"], e.get("message", {}).get("kind")) and (
        kind != "Proposal" or e["message"]["text"]))  # fmt: skip
    (found.get("message") or found).update(change)
    with pytest.raises(VerificationError):
        verify_decision(log)
    with pytest.raises(VerificationError, match=message):
        verify_decision(rechained(log))


def test_a_vote_that_is_left_out_is_found() -> None:
    log = copy.deepcopy(list(council((GOOD,), (OTHER,), (RENAMED,)).deliberate(ASK, ChatOptions()).log))
    at = next(number for number, entry in enumerate(log) if entry.get("message", {}).get("kind") == "Vote")
    del log[at]
    for number, entry in enumerate(log):
        entry["seq"] = number
    with pytest.raises(VerificationError, match="the count is wrong"):
        verify_decision(rechained(log))


def test_a_transcript_is_verified_from_its_file(tmp_path: Path) -> None:
    answer = Assistant(council((GOOD,), (RENAMED,)), Reviewer()).ask("double a number")
    assert answer.generator == "council of m0, m1"
    kept = Transcript()
    kept.entries = list(answer.transcript)
    kept.save(tmp_path / "t.jsonl")
    found = verify_transcript(tmp_path / "t.jsonl")
    assert found["councils"][0]["agreed"]
    assert found["entries"] == len(answer.transcript)
    text = (tmp_path / "t.jsonl").read_text().replace('"agreed":true', '"agreed":false')
    (tmp_path / "t.jsonl").write_text(text)
    with pytest.raises(VerificationError):
        verify_transcript(tmp_path / "t.jsonl")
    with pytest.raises(GatllmError, match="missing"):
        verify_transcript(tmp_path / "none.jsonl")


def test_the_schema_in_the_docs_is_that_of_the_code() -> None:
    kept = json.loads((Path(__file__).parents[3] / "docs" / "council.schema.json").read_text())
    assert kept == schema()
    assert set(kept["discriminator"]["mapping"]) == {
        "Proposal", "Revision", "Confidence", "Critique", "Vote", "Verdict"
    }  # fmt: skip


@pytest.mark.parametrize("value", [None, [], {}, {"kind": "Vote"}, {"kind": "Dance"}, "x" * 1000, {"version": 2}])
def test_what_is_no_message(value: object) -> None:
    with pytest.raises(VerificationError, match="this is not a message"):
        read_message(value)


def test_a_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    first = Identity.load(tmp_path / "deep" / "node.pem")
    assert Identity.load(tmp_path / "deep" / "node.pem").public == first.public
    assert (tmp_path / "deep" / "node.pem").stat().st_mode & 0o077 == 0
    (tmp_path / "bad.pem").write_text("?")
    with pytest.raises(GatllmError, match="no Ed25519 key"):
        Identity.load(tmp_path / "bad.pem")


def test_a_council_needs_everybody() -> None:
    node = Node("a", Identity.generate(), FakeGenerator(), None)
    with pytest.raises(UsageError, match="generates and one that reviews"):
        Council([Member(LocalPeer(node))])
    with pytest.raises(UsageError, match="above zero"):
        council((GOOD,), stakes=(0.0,))
    with pytest.raises(UsageError, match="have the key"):
        Council([Member(LocalPeer(node)), Member(LocalPeer(node))])
    with pytest.raises(UsageError, match="needs members"):
        Council([])
