"""A council agrees on what most stake stands behind and no judge refuses; its minutes can't be changed unseen."""

import copy

import pytest

from gatllm.answering import Assistant, Council, FakeGenerator, Judge, Member, verify_minutes
from gatllm.errors import UsageError, VerificationError
from gatllm.models import ChatOptions, Message
from gatllm.records import GENESIS, canonical_bytes, sha256
from gatllm.review import Reviewer

GOOD = "```python\ndef double(x):\n    return 2 * x\n```\n"
RENAMED = "```python\ndef twice(number):\n    return 2 * number\n```\n"
OTHER = "```python\ndef double(x):\n    return x + x\n```\n"
BROKEN = "```python\nimport math\nprint(math.nothing)\n```\n"
ASK: list[Message] = [{"role": "user", "content": "double a number"}]


def council(*replies: tuple[str, ...], stakes: tuple[float, ...] = (), rounds: int = 2) -> Council:
    weights = stakes or (1.0,) * len(replies)
    members = [
        Member(f"m{at}", FakeGenerator(*each), stake)
        for at, (each, stake) in enumerate(zip(replies, weights, strict=True))
    ]
    return Council(members, [Judge("reviewer", Reviewer())], rounds=rounds)


def test_equal_structure_is_agreement() -> None:
    ours = council((GOOD,), (RENAMED,), (OTHER,))
    decision = ours.deliberate(ASK, ChatOptions())
    assert decision.agreed
    assert decision.by in ("m0", "m1")
    assert decision.weight == pytest.approx((2 / 3 + 1) / 2)
    assert decision.rounds == 1
    assert verify_minutes(decision.minutes) == decision.by
    assert [member.stake for member in ours.members] == [1.05, 1.05, 0.95]


def test_a_majority_for_what_cannot_be_right_does_not_win() -> None:
    decision = council((BROKEN,), (BROKEN,), (GOOD,), rounds=1).deliberate(ASK, ChatOptions())
    assert decision.by == "m2"
    assert decision.agreed  # a third of the stake, all of the votes


def test_stake_decides_between_sound_answers() -> None:
    decision = council((GOOD,), (OTHER,), stakes=(1.0, 5.0), rounds=1).deliberate(ASK, ChatOptions())
    assert decision.by == "m1"


def test_without_agreement_there_is_feedback_and_another_round() -> None:
    ours = council((BROKEN, GOOD), (BROKEN, GOOD))
    decision = ours.deliberate(ASK, ChatOptions())
    assert decision.agreed
    assert decision.rounds == 2
    asked = ours.members[0].generator.asked[1][-1]["content"]  # type: ignore[attr-defined]
    assert "module math has no nothing" in asked
    assert verify_minutes(decision.minutes) == decision.by


def test_what_nobody_can_agree_on_is_said_so() -> None:
    decision = council((BROKEN,), ("```python\nlen(1, 2)\n```\n",), rounds=2).deliberate(ASK, ChatOptions())
    assert not decision.agreed
    assert decision.rounds == 2


def test_an_assistant_can_ask_a_council() -> None:
    ours = council((GOOD,), (RENAMED,))
    answer = Assistant(ours, Reviewer()).ask("double a number")
    assert answer.text in (GOOD, RENAMED)
    assert answer.generator == "council of m0, m1"
    kept = next(entry for entry in answer.transcript if entry["event"] == "council")
    assert verify_minutes(kept["minutes"]) == kept["by"]


def rechained(minutes: list[dict[str, object]]) -> list[dict[str, object]]:
    previous = GENESIS
    for entry in minutes:
        entry["prev"] = previous
        previous = sha256(canonical_bytes(entry))
    return minutes


@pytest.mark.parametrize(
    ("event", "change", "message"),
    [
        ("reveal", {"text": OTHER}, "not what was committed"),
        ("vote", {"vote": 0.0}, "the count is wrong"),
        ("count", {"best": "m1"}, "the count is wrong"),
        ("council", {"stakes": {"m0": 9.0, "m1": 1.0, "m2": 1.0}}, "the count is wrong"),
    ],
)
def test_changed_minutes_are_found_even_when_the_chain_is_made_anew(
    event: str, change: dict[str, object], message: str
) -> None:
    minutes = list(copy.deepcopy(council((GOOD,), (OTHER,), (RENAMED,)).deliberate(ASK, ChatOptions()).minutes))
    next(entry for entry in minutes if entry["event"] == event).update(change)
    with pytest.raises(VerificationError, match=r"does not follow|not what was|count is wrong"):
        verify_minutes(minutes)
    with pytest.raises(VerificationError, match=message):
        verify_minutes(rechained(minutes))
    with pytest.raises(VerificationError):
        verify_minutes(minutes[:-1])


def test_a_council_needs_everybody() -> None:
    with pytest.raises(UsageError, match="needs members"):
        Council([], [Judge("j", Reviewer())])
    with pytest.raises(UsageError, match="above zero"):
        council((GOOD,), stakes=(0.0,))
    with pytest.raises(UsageError, match="same name"):
        Council([Member("a", FakeGenerator()), Member("a", FakeGenerator())], [Judge("j", Reviewer())])
