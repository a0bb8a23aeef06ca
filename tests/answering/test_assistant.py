"""From prompt to answer: confidence, review, correction, sources, transcript."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gatllm.answering import (
    Answer,
    Assessment,
    Assistant,
    ConfidenceModel,
    DataRequestFile,
    Draft,
    FakeGenerator,
    Library,
    Text,
)
from gatllm.answering.checking import apply_edits
from gatllm.data import Dataset
from gatllm.errors import UsageError
from gatllm.models import ChatOptions, Completion, ContextOverflowError, Message, PretrainedLM
from gatllm.records import GENESIS, canonical_bytes, read_log, verify_inclusion
from gatllm.review import Reviewer
from gatllm.sandbox import Runner
from tests.models.tiny_lm import write_tiny_lm

GOOD = "Like this:\n\n```python\ndef double(x):\n    return 2 * x\n```\n\nThat is all.\n"
BROKEN = "```python\ndef double(x)\n    return 2 * x\n```\n"
INVENTED = "```python\nimport math\n\n\ndef area(r):\n    return math.pi * math.square(r)\n```\n"
REPAIRED = "```python\nimport math\n\n\ndef area(r):\n    return math.pi * r**2\n```\n"


def assistant(*replies: str, rounds: int = 1, **options: object) -> tuple[Assistant, FakeGenerator]:
    generator = FakeGenerator(*replies)
    return Assistant(generator, Reviewer(), rounds=rounds, **options), generator  # type: ignore[arg-type]


def test_a_good_answer_passes_unchanged() -> None:
    answer = assistant(GOOD)[0].ask("double a number")
    assert answer.text == GOOD
    assert answer.verdict == "real"
    assert answer.edits == ()
    assert answer.confidence is answer.threshold is None
    assert answer.warning == ""


def test_broken_code_is_corrected_before_it_is_shown() -> None:
    ours, generator = assistant(BROKEN)
    shown = "".join(event.text for event in ours.stream("double a number") if isinstance(event, Text))
    answer = ours.ask("double a number")
    assert shown == answer.text == BROKEN.replace("(x)\n", "(x):\n")
    assert answer.verdict == "real"
    assert [(edit.text, edit.why) for edit in answer.edits] == [(":", "line 1: expected ':'")]
    assert len(generator.asked) == 2  # two questions, no re-prompt


def test_invented_names_are_asked_about_again() -> None:
    ours, generator = assistant(INVENTED, REPAIRED)
    answer = ours.ask("area of a circle")
    assert answer.text == REPAIRED
    assert answer.verdict == "real"
    assert answer.reviews[0].rounds == 1
    assert "module math has no square" in generator.asked[1][-1]["content"]
    assert apply_edits(answer.reviews[0].proposed, answer.edits) == answer.reviews[0].code


def test_where_there_is_no_room_to_ask_again_the_answer_stays() -> None:
    generator = FakeGenerator(INVENTED, REPAIRED, context=60)
    answer = Assistant(generator, Reviewer(), rounds=1).ask("area of a circle")
    assert len(generator.asked) == 1
    assert answer.text == INVENTED
    assert answer.verdict == "fake"


def test_what_stays_wrong_is_called_fake() -> None:
    answer = assistant(INVENTED, INVENTED, rounds=2)[0].ask("area of a circle")
    assert answer.verdict == "fake"
    assert any("math has no square" in note.message for note in answer.reviews[0].notes)


def test_a_near_name_is_put_right_without_asking() -> None:
    ours, generator = assistant("```python\nimport math\nprint(math.sqroot(2))\n```\n")
    answer = ours.ask("root of two")
    assert "math.sqrt(2)" in answer.text
    assert [(edit.found, edit.text, edit.by) for edit in answer.edits] == [("sqroot", "sqrt", "knowledge")]
    assert len(generator.asked) == 1


def test_a_broken_snippet_goes_to_the_discriminator_first() -> None:
    ours, generator = assistant("The colon was missing.")
    answer = ours.ask("Why does this fail?\n\ndef add(a, b)\n    return a + b\n")
    assert answer.reviews[0].from_prompt
    assert "def add(a, b):\n    return a + b\n" in answer.text
    assert answer.text.endswith("The colon was missing.")
    assert "does not run (line 1: expected ':'). Corrected: inserted `:` in line 1." in answer.text
    assert "inserted `:` in line 1" in generator.asked[0][-1]["content"]


def test_other_languages_are_shown_unchecked() -> None:
    answer = assistant("```sql\nSELECT FROM WHERE\n```\n")[0].ask("a query")
    assert answer.text == "```sql\nSELECT FROM WHERE\n```\n"
    assert answer.verdict == answer.reviews[0].verdict == "unchecked"


def test_an_answer_that_was_cut_off_says_so() -> None:
    answer = assistant(GOOD)[0].ask("double", options=ChatOptions(max_new_tokens=3))
    assert answer.finish_reason == "length"


def test_events_come_in_order_and_drafts_join_to_the_proposal() -> None:
    events = list(assistant(GOOD)[0].stream("double a number"))
    assert isinstance(events[0], Assessment)
    assert isinstance(events[-1], Answer)
    assert "".join(event.text for event in events if isinstance(event, Draft)) == GOOD
    kinds = [type(event).__name__ for event in events]
    assert kinds.index("CodeReview") < max(at for at, kind in enumerate(kinds) if kind == "Text")


def test_closing_the_stream_stops_the_generator() -> None:
    class Counting(FakeGenerator):
        closed = False

        def stream(self, messages: Sequence, options: ChatOptions):  # type: ignore[no-untyped-def,type-arg]
            try:
                yield from super().stream(messages, options)
            finally:
                self.closed = True

    generator = Counting(GOOD)
    events = Assistant(generator, Reviewer()).stream("double")
    next(events)
    next(events)
    events.close()
    assert generator.closed


def test_a_small_context_is_the_users_before_it_is_the_instructions(tmp_path: Path) -> None:
    generator = PretrainedLM.load(write_tiny_lm(tmp_path / "lm", context=128), dtype="float32", device="cpu")
    asked: list[int] = []
    answer = generator.stream

    def stream(messages: Sequence[Message], options: ChatOptions) -> Iterator[str | Completion]:
        asked.append(generator.count_tokens(messages))
        return answer(messages, options)

    generator.stream = stream  # type: ignore[method-assign]
    said = Assistant(generator, Reviewer(), options=ChatOptions(max_new_tokens=4)).ask("who is john")
    assert said.text
    assert asked[0] == generator.count_tokens([{"role": "user", "content": "who is john"}])
    with pytest.raises(ContextOverflowError, match="the model reads at most 128"):
        Assistant(generator, Reviewer()).ask("who is john " * 20)


def test_a_too_long_conversation_is_refused() -> None:
    ours = Assistant(FakeGenerator(GOOD, context=10), Reviewer())
    with pytest.raises(ContextOverflowError):
        ours.ask("word " * 20)


@pytest.fixture
def informed(library: Library, confidence: ConfidenceModel, tmp_path: Path) -> Assistant:
    requests = DataRequestFile(tmp_path / "deep" / "data_requests.jsonl")
    return Assistant(FakeGenerator(GOOD), Reviewer(), library, confidence=confidence, data_requests=requests)


def test_a_prompt_near_the_data_is_answered_without_a_warning(informed: Assistant) -> None:
    answer = informed.ask("Return a random element from a non-empty sequence")
    assert answer.confidence is not None
    assert answer.threshold is not None
    assert answer.confidence >= answer.threshold
    assert answer.warning == ""
    assert informed.data_requests is not None
    assert informed.data_requests.all() == []


def test_a_prompt_far_from_the_data_is_warned_about_and_kept_as_a_data_request(informed: Assistant) -> None:
    answer = informed.ask("Which wine goes with roast duck?")
    assert "can't answer this accurately" in answer.warning
    assert "go on at your own decision" in answer.warning
    assert answer.text == GOOD
    assert informed.data_requests is not None
    assert [one.prompt for one in informed.data_requests.all()] == ["Which wine goes with roast duck?"]


def test_the_user_may_decline_to_go_on(informed: Assistant) -> None:
    answer = informed.ask("Which wine goes with roast duck?", proceed=False)
    assert answer.declined
    assert answer.text == ""
    assert informed.generator.asked == []  # type: ignore[attr-defined]


def test_the_transcript_is_a_log_whose_chain_holds(informed: Assistant, tmp_path: Path) -> None:
    from gatllm.answering import Transcript

    answer = informed.ask("choose a random element")
    kept = Transcript()
    kept.entries = list(answer.transcript)
    kept.save(tmp_path / "transcript.jsonl")
    entries = read_log(tmp_path / "transcript.jsonl")
    assert [entry["event"] for entry in entries] == ["prompt", "confidence", "review", "proposal", "answer"]
    assert entries[0]["prev"] == GENESIS
    assert entries[-1]["text"] == answer.text


def test_sources_are_found_and_proven(library: Library, confidence: ConfidenceModel, dataset: Path) -> None:
    import inspect
    import textwrap

    copied = inspect.getsource(textwrap.indent)
    renamed = copied.replace("text", "words").replace("prefix", "start").replace("line", "row")
    generator = FakeGenerator(f"```python\n{copied}```\n", f"```python\n{renamed}```\n")
    ours = Assistant(generator, Reviewer(), library, confidence=confidence, rounds=0)
    leaves = [canonical_bytes(record) for record in Dataset.open(dataset).records()]
    for kind in ("verbatim", "structure"):
        answer = ours.ask("indent some lines")
        first = answer.sources[0]
        assert first.origin.endswith("textwrap.py")
        assert any(piece.kind == kind for piece in first.evidence)
        for piece in first.evidence:
            assert answer.text[piece.start : piece.end] == piece.text
        assert first.contributor == "Ada"
        assert first.merkle_root == Dataset.open(dataset).manifest.merkle_root
        assert verify_inclusion(leaves[first.leaf], first.leaf, first.leaves, first.proof, first.merkle_root)
        assert not verify_inclusion(leaves[first.leaf] + b" ", first.leaf, first.leaves, first.proof, first.merkle_root)


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner(workers=1) as found:
        yield found


WRONG = "```python\ndef double(x):\n    return x + 2\n```\n"
STATED = "Write double.\nassert double(5) == 10"


def test_a_first_proposal_that_does_what_is_stated_ends_the_work(runner: Runner) -> None:
    ours, generator = assistant(GOOD, runner=runner)
    answer = ours.ask(STATED)
    assert answer.text == GOOD
    assert answer.reviews[0].trial is not None
    assert [(check.passed, check.got) for check in answer.reviews[0].trial.checks] == [(True, "it returned 10")]
    assert len(generator.asked) == 1


def test_what_fails_the_prompts_own_example_is_revised_with_the_report(runner: Runner) -> None:
    ours, generator = assistant(WRONG, GOOD, runner=runner)
    answer = ours.ask(STATED)
    assert "return 2 * x" in answer.text
    assert answer.verdict == "real"
    assert answer.reviews[0].rounds == 1
    assert "double(5) must return 10, but it returned 7" in generator.asked[5][-1]["content"]
    assert apply_edits(answer.reviews[0].proposed, answer.edits) == answer.reviews[0].code
    run = [entry for entry in answer.transcript if entry["event"] == "review"]
    assert [entry["run"] for entry in run] == ["failed", *["passed"] * 5]


def test_what_is_told_of_the_generator_is_told_of_its_first_proposal(runner: Runner) -> None:
    """Its block ended before it did: by then others had been drawn."""
    ours, _ = assistant(f"{WRONG}It calls `json.parse_text`, {'and so on ' * 30}.\n", GOOD, runner=runner)
    answer = ours.ask(STATED)
    assert "return 2 * x" in answer.text
    assert "Correction: There is no `json.parse_text`." in answer.text
    assert answer.completion_tokens > 90
    assert [entry["event"] for entry in answer.transcript].index("re-prompt") > 0
    first = next(entry for entry in answer.transcript if entry["event"] == "proposal")
    assert "json.parse_text" in first["text"]
    ours, _ = assistant(f"{WRONG}It calls much, {'and so on ' * 30}.\n", GOOD, runner=runner)
    cut = ours.ask(STATED, options=ChatOptions(max_new_tokens=60))
    assert cut.finish_reason == "length"


def test_of_proposals_that_pass_one_of_the_largest_cluster_is_shown(runner: Runner) -> None:
    odd = "```python\ndef double(x):\n    return 10\n```\n"
    same_as_good = "```python\ndef double(n):\n    return n + n\n```\n"
    ours, generator = assistant(WRONG, WRONG, odd, GOOD, same_as_good, WRONG, runner=runner)
    (review,) = ours.ask(STATED).reviews
    assert "return 2 * x" in review.code
    assert review.agreement == pytest.approx(2 / 3)
    assert len(generator.asked) == 6


def test_where_no_proposal_passes_the_first_one_stays_and_is_called_fake(runner: Runner) -> None:
    ours, _ = assistant(WRONG, runner=runner)
    answer = ours.ask(STATED)
    assert answer.text == WRONG
    assert answer.verdict == "fake"


def test_without_a_sandbox_the_answer_says_not_run() -> None:
    answer = assistant(GOOD)[0].ask(STATED)
    assert answer.reviews[0].trial is not None
    assert answer.reviews[0].trial.outcome == "not run"
    assert answer.verdict == "real"


@pytest.mark.parametrize(
    "code",
    [
        "def first[T](items: list[T]) -> T:\n    return items[0]\n",
        "type Pair[T] = tuple[T, T]\n",
        "!pip install numpy\nimport numpy\n",
        "%timeit sum(range(10))\n",
        "pip install requests\n",
        "print(f'{'a'}')\n",
    ],
)
def test_what_other_readers_understand_is_never_repaired(code: str) -> None:
    answer = assistant(f"```python\n{code}```\n")[0].ask("show it")
    assert answer.text == f"```python\n{code}```\n"
    assert answer.edits == ()
    assert answer.verdict != "fake"


@pytest.mark.parametrize("options", [ChatOptions(max_new_tokens=9), ChatOptions(stop=("return",))])
def test_what_was_cut_off_is_never_repaired(options: ChatOptions) -> None:
    reply = '```python\ndef double(x):\n    """Double\n    what json gives and return it'
    answer = assistant(reply)[0].ask("double", options=options)
    assert answer.verdict == "unchecked"
    assert answer.edits == ()
    assert answer.reviews[0].code == answer.reviews[0].proposed


def test_what_does_not_exist_is_said_first_and_what_exists_is_told_to_the_generator() -> None:
    ours, generator = assistant("Call `sorted(names)`; also `json.parse_text` helps.")
    answer = ours.ask("How do I use `list.reverse_sorted()` with json.loads(x)?")
    assert answer.text.startswith("There is no `list.reverse_sorted`. There is `list.reverse` and `sorted`.\n")
    assert "Correction: There is no `json.parse_text`." in answer.text
    assert "json.loads(s, *," in generator.asked[0][-1]["content"]


def test_an_empty_question_and_one_of_100_000_characters_are_refused_before_anything_reads_them() -> None:
    ours, generator = assistant(GOOD)
    with pytest.raises(UsageError, match="no question"):
        ours.ask(" \n")
    with pytest.raises(ContextOverflowError, match=r"100,000 characters, at most 32,768"):
        ours.ask("x" * 100_000)
    assert generator.asked == []


def test_a_generator_that_returns_nothing_is_said_to() -> None:
    answer = assistant("")[0].ask("double a number")
    assert answer.text == "The generator returned nothing: ask again, or in other words.\n"
    assert answer.verdict == "unchecked"


@pytest.mark.parametrize("reply", ["again and " * 5000, "```python\n" + "x = 1 \n" * 5000])
def test_a_generator_that_loops_ends_at_the_longest_answer_and_counts_for_nothing(reply: str) -> None:
    ours, _ = assistant(reply)
    before = ours.reliability.rate("easy")
    last = list(ours.stream("double", options=ChatOptions(max_new_tokens=50), learn=True))[-1]
    assert isinstance(last, Answer)
    assert (last.finish_reason, last.completion_tokens, last.verdict) == ("length", 50, "unchecked")
    assert not last.certified
    assert ours.reliability.rate("easy") == before
