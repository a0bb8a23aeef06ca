"""A question on its way: prompt → confidence → proposal → review → answer with its sources."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from copy import copy
from dataclasses import asdict, dataclass, field
from typing import Any, Literal
from uuid import uuid4

from gatllm.answering.answer import Answer, Assessment, CodeReview, Draft, Event, SimilarCode, Source, Text, Verdict
from gatllm.answering.asked_names import mentioned
from gatllm.answering.blocks import BlockSplitter, CodeBlock, Segment, find_code, split
from gatllm.answering.checking import CodeReviewer, review_code, unchecked
from gatllm.answering.confidence import PRECISION, ConfidenceModel
from gatllm.answering.correctness import CorrectnessModel, asks_for_code
from gatllm.answering.data_requests import DataRequestStore
from gatllm.answering.knowledge import mentions
from gatllm.answering.library import Library, Passage
from gatllm.answering.material import without_orders
from gatllm.answering.messages import write_messages
from gatllm.answering.search import Round, Search
from gatllm.answering.signals import signals_of, warning_of
from gatllm.answering.sources import find_sources, similar_code
from gatllm.answering.specification import read_specification
from gatllm.answering.threshold import Difficulty, Reliability, difficulty
from gatllm.answering.transcript import Transcript
from gatllm.answering.trial import CodeRunner
from gatllm.answering.wording import correction_of, prose_of, whole_characters
from gatllm.errors import UsageError
from gatllm.models import ChatGenerator, ChatOptions, Completion, Message, PretrainedLM, TooLongError
from gatllm.records import sha256

_CHARACTERS = 8  # of a prompt for each token of context: more than any text has
_ANSWER = 64  # tokens that instructions, references and passages leave for it, or give way
WARNING = (
    "confidence {confidence:.0%} is below the threshold of {threshold:.0%}: the model can't answer this accurately, "
    "because {reason}; you may go on at your own decision"
)
MISSING = "it names what does not exist"
_UNCOVERED = "the data hardly covers it"
_UNLIKELY = "it solves few tasks like this one"


class Assistant:
    """Answers prompts with a generator whose code passes a discriminator, and tells what to think of the answer.

    Args:
        generator: who proposes.
        reviewer: who checks and repairs code (`gatllm.review.Reviewer`).
        library: the datasets to compare with and to trace answers to; None: no confidence, no sources.
        confidence: calibrated on ``library``; without one it is calibrated here.
        reliability: how often proposals passed so far; it raises the threshold where they fail (None: begins anew).
        data_requests: where prompts below the threshold are kept; None: nowhere.
        options: how to generate, where a call says nothing else.
        rounds: how often more proposals are asked for where a code block does not pass the reviewers or its run.
        breadth: how many proposals are drawn in a round; 0: none, as each of a council's is a debate.
        runner: the sandbox (`gatllm.sandbox.Runner`) in which code is run against what the prompt states; None: it is
            not run, and the answer says so.
        precision: what fraction of the prompts above the threshold the data must cover.
        correctness: tells how likely an answer is right, before and after; without it the confidence is how likely the
            data covers the prompt.
        retrieval: how many tokens of the datasets' own code the generator is shown with a prompt; 0: none.
    """

    def __init__(
        self,
        generator: ChatGenerator,
        reviewer: CodeReviewer,
        library: Library | None = None,
        *,
        confidence: ConfidenceModel | None = None,
        reliability: Reliability | None = None,
        data_requests: DataRequestStore | None = None,
        options: ChatOptions | None = None,
        rounds: int = 2,
        breadth: int = 4,
        runner: CodeRunner | None = None,
        precision: float = PRECISION,
        retrieval: int = 0,
        correctness: CorrectnessModel | None = None,
    ) -> None:
        self.correctness = correctness
        self.retrieval = retrieval
        self.generator = generator
        self.reviewer = reviewer
        self.library = library
        self.reliability = reliability or Reliability()
        self.data_requests = data_requests
        self.options = options or ChatOptions(max_new_tokens=400)
        self.rounds = rounds
        self.breadth = breadth
        self.runner = runner
        self.confidence = confidence or (ConfidenceModel.calibrate(library) if library else None)
        self._threshold = self.confidence.estimator.threshold(precision) if self.confidence else None

    def beside(self, generator: ChatGenerator) -> Assistant:
        """Return an assistant with another generator that shares all else, what it learns about itself excepted."""
        other = copy(self)
        other.generator, other.reliability = generator, Reliability()
        return other

    def assess(self, prompt: str) -> Assessment:
        """Tell how far the prompt may be trusted to the model, before anything is generated."""
        # Names in the code of a prompt are checked as code; here are those that its words speak of.
        names = tuple(mentioned(prose_of(prompt)))
        if self.confidence is None or self._threshold is None:
            return Assessment(None, None, False, {}, "", mentioned=names)
        base, certified = self._threshold
        level = difficulty(prompt)
        covered = self.confidence.score(prompt)
        value, features, reason = covered.value, dict(covered.features), _UNCOVERED
        if self.correctness is not None:
            likely = self.correctness.before(prompt, self.generator)
            value, base, certified, reason = likely.value, likely.lowest, False, _UNLIKELY
            features["covered by the data"] = covered.value
            if covered.value < self._threshold[0] and not asks_for_code(prompt):
                value, reason = min(value, covered.value, base / 2), "nothing like it is in the data"
        missing = [each.name for each in names if not each.exists]
        if missing:  # a small generator goes along with any name
            value, reason = min(value, base / 2), f"{MISSING}: {', '.join(missing)}"
        threshold = self.reliability.threshold(base, level)
        low = value < threshold
        warnings = [WARNING.format(confidence=value, threshold=threshold, reason=reason)] if low else []
        return Assessment(value, threshold, certified, features, "; ".join(warnings), level, names)

    def threshold_of(self, level: Difficulty) -> float | None:
        """Return what the confidence must reach now for a question of this difficulty; None: nothing to compare."""
        if self._threshold is None:
            return None
        base = self.correctness.lowest(self.generator) if self.correctness is not None else self._threshold[0]
        return self.reliability.threshold(base, level)

    def ask(
        self,
        prompt: str,
        history: Sequence[Message] = (),
        options: ChatOptions | None = None,
        *,
        proceed: bool = True,
        learn: bool = False,
    ) -> Answer:
        """Answer a prompt; see `stream`."""
        answer = None
        for event in self.stream(prompt, history, options, proceed=proceed, learn=learn):
            answer = event if isinstance(event, Answer) else answer
        assert answer is not None  # noqa: S101  # a stream ends with its answer
        return answer

    def stream(
        self,
        prompt: str,
        history: Sequence[Message] = (),
        options: ChatOptions | None = None,
        *,
        proceed: bool = True,
        learn: bool = False,
    ) -> Generator[Event, None, None]:
        """Yield the assessment, then drafts, reviewed text and reviews as they come, and last the answer.

        Prose is handed on as it is written, a code block when it is complete and reviewed. Closing the iterator stops
        the work.

        Args:
            prompt: the user's words.
            history: the turns before, a system message included if there is to be another than `SYSTEM`.
            options: overrides the assistant's own.
            proceed: go on below the threshold; if not, the answer is empty and ``declined``.
            learn: let the outcome move the threshold: only for users who are authenticated, or who own the machine.

        Raises:
            UsageError: the prompt is empty.
            ContextOverflowError: prompt and history are too long for the generator.
        """
        if not prompt.strip():
            raise UsageError("there is no question", "write one")
        if len(prompt) > (most := _CHARACTERS * self.generator.context):
            raise TooLongError(len(prompt), most, self.generator.context)
        work = _Work(self, prompt, list(history), options or self.options, learn)
        yield work.assessment
        if work.assessment.warning and not proceed:
            yield work.answer(declined=True)
            return
        with closing(work.run()) as events:
            yield from events
        yield work.answer()


@dataclass
class _Work:
    """One question being answered."""

    owner: Assistant
    prompt: str
    history: list[Message]
    options: ChatOptions
    learn: bool = False
    transcript: Transcript = field(default_factory=Transcript)
    text: str = ""
    reviews: list[CodeReview] = field(default_factory=list)
    completions: list[Completion] = field(default_factory=list)
    first: Completion | None = None
    retrieved: list[Passage] = field(default_factory=list)
    near: list[Passage] = field(default_factory=list)  # kept for where the first proposal fails what is stated
    further: list[Message] | None = None  # what is read for those that are drawn then

    def __post_init__(self) -> None:
        owner = self.owner
        self.search = Search(
            owner.generator, owner.reviewer, owner.runner, read_specification(self.prompt), self.options,
            rounds=owner.rounds, breadth=owner.breadth,
        )  # fmt: skip
        self.assessment = self.owner.assess(self.prompt)
        found = self.assessment
        self.transcript.add(
            "prompt", text=self.prompt, sha256=sha256(self.prompt.encode("utf-8", "surrogatepass")),
            history=len(self.history), generator=self.owner.generator.name,
        )  # fmt: skip
        self.transcript.add(
            "confidence", value=found.confidence, threshold=found.threshold, certified=found.certified,
            features=found.features, warning=found.warning, difficulty=found.difficulty,
        )  # fmt: skip
        if found.warning and self.owner.data_requests and found.confidence is not None and found.threshold is not None:
            self.owner.data_requests.add(self.prompt, found.confidence, found.threshold)

    def run(self) -> Generator[Event, None, None]:
        """Propose and review, piece by piece."""
        repaired = self._repair_prompt()
        if repaired is not None:
            yield repaired
            yield self._show(f"{correction_of(repaired)}\n\n{CodeBlock('python', '').with_code(repaired.code)}\n")
        yield from self._remarks()
        messages = self._messages(repaired)
        splitter = BlockSplitter()
        with closing(self._propose(messages)) as pieces:
            for piece in pieces:
                yield Draft(piece)
                for segment in splitter.feed(piece):
                    yield from self._segment(segment, messages)
        for segment in splitter.finish():
            yield from self._segment(segment, messages)
        if not any(completion.text.strip() for completion in self.completions):
            yield self._show("The generator returned nothing: ask again, or in other words.\n")
        yield from self._invented()

    def _remarks(self) -> Iterator[Text]:
        """Say first what the prompt takes for granted and is not so."""
        for mention in self.assessment.mentioned:
            if not mention.exists:
                yield self._show(f"{mention.words}\n\n")
        _, orders = without_orders(self.prompt)
        if orders:
            quoted = "; ".join(f"“{order[:80]}”" for order in orders[:3])
            yield self._show(f"The material holds text addressed to the assistant, which was left out: {quoted}\n\n")

    def _invented(self) -> Iterator[Text]:
        """Say last which of the names in the answer's own prose do not exist."""
        # Names of the prompt too: a small generator explains what it was just told not to exist.
        said = split(self.first.text) if self.first is not None else []
        prose = "".join(piece.text for piece in said if not isinstance(piece, CodeBlock))
        found = [each for each in mentions(prose) if not each.exists]
        if found:
            self.transcript.add("invented", names=[mention.name for mention in found])
            yield self._show("\n\n" + "\n".join(f"Correction: {mention.words}" for mention in found) + "\n")

    def _repair_prompt(self) -> CodeReview | None:
        """Code in the prompt that does not compile goes to the discriminator first."""
        found = find_code(self.prompt)
        if found is None:
            return None
        review = review_code(found.code, self.owner.reviewer, from_prompt=True)
        self._record(review, "prompt")
        if not review.changed:
            return None
        self.reviews.append(review)
        return review

    def _messages(self, repaired: CodeReview | None) -> list[Message]:
        owner = self.owner
        library = owner.library if owner.retrieval else None
        near = library.retrieve(self.prompt, owner.retrieval) if library is not None else []
        messages, orders = write_messages(self.prompt, self.history, [], self.assessment.mentioned, repaired)
        if near:
            shown, _ = write_messages(self.prompt, self.history, near, self.assessment.mentioned, repaired)
            if self.search.can_judge:  # what is near misleads a small generator more often than it helps
                self.near, self.further = near, shown
            elif self._has_room(shown):
                self._show_passages(near)
                messages = shown
        if orders:
            self.transcript.add("left out", sentences=orders)
        if not self._has_room(messages):  # then what the user said comes before what is said about it
            return [*self.history, {"role": "user", "content": without_orders(self.prompt)[0]}]
        return messages

    def _has_room(self, messages: Sequence[Message]) -> bool:
        generator = self.owner.generator
        if not isinstance(generator, PretrainedLM):
            return True
        answer = min(self.options.max_new_tokens, generator.context // 4, _ANSWER)
        return generator.count_tokens(messages) + answer <= generator.context

    def _show_passages(self, passages: list[Passage]) -> None:
        self.retrieved = passages
        self.transcript.add("retrieved", passages=[_described(each) for each in passages])

    def _propose(self, messages: Sequence[Message]) -> Generator[str, None, None]:
        """Yield the pieces of a proposal and keep its completion."""
        for said in self.owner.generator.stream(messages, self.options):
            piece = whole_characters(said)
            if isinstance(piece, Completion):
                # A block that ended before the proposal did may have had further ones drawn already.
                self.first = piece
                self.completions.append(piece)
                if piece.decision is not None:
                    self.transcript.add("council", **piece.decision)
                self.transcript.add(
                    "proposal", text=piece.text, finish_reason=piece.finish_reason,
                    completion_tokens=piece.completion_tokens,
                    mean_logprob=round(piece.mean_logprob, 6), min_logprob=round(piece.min_logprob, 6),
                )  # fmt: skip
            else:
                yield piece

    def _segment(self, segment: Segment, messages: list[Message]) -> Generator[Event, None, None]:
        if not isinstance(segment, CodeBlock):
            yield self._show(segment.text)
            return
        if not segment.is_python or not segment.code.strip() or not segment.closed:
            # What was cut off says nothing about the generator, and what it would have become can't be known.
            review = unchecked(segment.language, segment.code)
        else:
            first = self.search.judge(segment.code, segment.language)
            self._record(first, "block")
            if self.learn:
                self.owner.reliability.learn(difficulty(self.prompt), first.verdict == "real" and not first.changed)
            review = self._improve(first, messages)
        self.reviews.append(review)
        yield review
        yield self._show(segment.with_code(review.code))

    def _improve(self, first: CodeReview, messages: list[Message]) -> CodeReview:
        """Look for something better than a proposal that does not pass."""
        best = first
        # Once, and not where the answer is about code that the prompt brings along.
        compare = find_code(self.prompt) is None and all(each is self.first for each in self.completions)
        for found in self.search.improve(first, messages, further=self.further, compare=compare):
            if isinstance(found, Round):
                if found.further and self.near and not self.retrieved:
                    self._show_passages(self.near)
                self.completions += found.completions
                self.transcript.add(
                    "re-prompt" if found.complaint else "compare", round=found.number, complaint=found.complaint,
                    texts=[completion.text for completion in found.completions],
                )  # fmt: skip
                for review in found.reviews:
                    self._record(review, f"round {found.number}")
            else:
                best = found
        return best

    def _record(self, review: CodeReview, what: str) -> None:
        self.transcript.add(
            "review", of=what, proposed=review.proposed, code=review.code, verdict=review.verdict,
            probability=review.probability,
            notes=[f"{note.by} line {note.line} {note.rule}: {note.message}" for note in review.notes],
            edits=[[edit.start, edit.end, edit.text, edit.by] for edit in review.edits],
            run=review.trial.outcome if review.trial else "", checks=_checks(review),
        )  # fmt: skip

    def _show(self, text: str) -> Text:
        self.text += text
        return Text(text)

    def _verdict(self) -> Verdict:
        verdicts = {review.verdict for review in self.reviews}
        return "fake" if "fake" in verdicts else "real" if "real" in verdicts else "unchecked"

    def _sources(self) -> list[Source]:
        if self.owner.library is None or not self.text.strip():
            return []
        return find_sources(self.owner.library, self.text, retrieved=self.retrieved)

    def _similar(self) -> list[SimilarCode]:
        if self.owner.library is None or not self.text.strip():
            return []
        return similar_code(self.owner.library, self.prompt, self.text)

    def answer(self, *, declined: bool = False) -> Answer:
        """Put the answer together; the transcript ends with it."""
        sources = self._sources()
        first = self.first or Completion("", "stop", 0, 0)
        signals, model = signals_of(self.reviews, first), self.owner.correctness
        confidence, certified = self.assessment.confidence, False
        if model is not None and signals is not None:
            generator, shown = self.owner.generator, [each.code for each in self.reviews if not each.from_prompt]
            confidence, sure, _ = model.after(self.prompt, signals, shown[-1], generator)
            certified = sure and model.is_for(generator.name)
            self.transcript.add("correctness", value=round(confidence, 6), certified=certified, signals=asdict(signals))
        reason: Literal["stop", "length"] = first.finish_reason
        self.transcript.add(
            "answer", text=self.text, verdict=self._verdict(), declined=declined,
            sources=[
                {"record": source.record_id, "root": source.merkle_root, "fraction": source.fraction}
                for source in sources
            ],
        )  # fmt: skip
        return Answer(
            id=uuid4().hex[:16],
            prompt=self.prompt,
            text=self.text,
            confidence=confidence,
            certified=certified,
            threshold=self.assessment.threshold,
            warning=warning_of(self.assessment, first, signals, confidence if signals and model else None),
            verdict=self._verdict(),
            reviews=tuple(self.reviews),
            sources=tuple(sources),
            similar=tuple(self._similar()),
            generator=self.owner.generator.name,
            finish_reason=reason,
            prompt_tokens=first.prompt_tokens,
            completion_tokens=sum(completion.completion_tokens for completion in self.completions),
            mean_logprob=first.mean_logprob,
            min_logprob=first.min_logprob,
            assessment=self.assessment,
            transcript=tuple(self.transcript.entries),
            declined=declined,
        )


def _described(passage: Passage) -> dict[str, Any]:
    return {"document": passage.document, "name": passage.name, "cosine": round(passage.cosine, 4)}


def _checks(review: CodeReview) -> list[list[str | bool]]:
    return [[check.stated, check.passed, check.got] for check in review.trial.checks] if review.trial else []
