"""What an answer consists of, and the events it comes as."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from gatllm.answering.knowledge import Mention

Verdict = Literal["real", "fake", "unchecked"]
Outcome = Literal["passed", "failed", "not run", "nothing stated"]


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reviewer found: line (from 1), rule, and what in words. ``error``: the code can't be right."""

    line: int
    rule: str
    message: str
    by: str
    error: bool


@dataclass(frozen=True, slots=True)
class Edit:
    """A correction: characters ``start`` to ``end`` of the proposed code became ``text``, and why."""

    start: int
    end: int
    found: str
    text: str
    by: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One example and what the candidate made of it."""

    stated: str
    passed: bool
    got: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What a run showed. ``not run``: there is no sandbox, or the code does not define what the prompt asks for."""

    outcome: Outcome
    checks: tuple[Check, ...] = ()
    why: str = ""

    @property
    def passed(self) -> int:
        """How many examples passed."""
        return sum(check.passed for check in self.checks)

    def report(self) -> str:
        """Return what failed, in words for whoever is to correct it."""
        failed = [f"{check.stated}, but {check.got}" for check in self.checks if not check.passed]
        return "\n".join([*([self.why] if self.why else []), *failed[:3]])


@dataclass(frozen=True, slots=True)
class CodeReview:
    """One code block under review.

    Attributes:
        probability: the discriminator's, of being fake; None where none is loaded.
        trial: what running it against the prompt's own examples showed; None for a block that is not run.
        rounds: how often the generator was asked again.
        proposals: how many proposals were compared.
        agreement: the fraction of the proposals that compute the same as this one on generated inputs (the mass of its
            functional cluster); None where they were not compared.
    """

    language: str
    proposed: str
    code: str
    verdict: Verdict
    probability: float | None = None
    notes: tuple[Note, ...] = ()
    edits: tuple[Edit, ...] = ()
    from_prompt: bool = False
    rounds: int = 0
    trial: Trial | None = None
    proposals: int = 1
    agreement: float | None = None

    @property
    def changed(self) -> bool:
        """Whether the reviewers changed the code."""
        return self.code != self.proposed


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage that answer and dataset share, and how many bits it carries beyond what chance explains.

    ``start`` to ``end``: its characters in the answer, ``text`` what stands there. ``passage``: the dataset's own, from
    character ``place`` and line ``line`` of the record. Where ``kind`` is structure they differ in names and literals.
    """

    kind: Literal["verbatim", "structure"]
    start: int
    end: int
    text: str
    passage: str
    place: int
    line: int
    bits: float


@dataclass(frozen=True, slots=True)
class Source:
    """A record that an answer shares passages with beyond chance, and the proof that a registered dataset holds it.

    ``bits``: the evidence in all; ``fraction``: this record's part of the evidence of all sources (rewards follow it).
    ``retrieved``: the generator was shown the record. ``proof`` is the RFC 6962 path from leaf ``leaf`` of ``leaves``
    to ``merkle_root``.
    """

    dataset: str
    record_id: str
    origin: str
    licence: str
    contributor: str
    wallet: str
    bits: float
    fraction: float
    retrieved: bool
    evidence: tuple[Evidence, ...]
    leaf: int
    leaves: int
    merkle_root: str
    proof: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SimilarCode:
    """A passage about the same things as the answer (cosine of their words): no source, it earns nothing."""

    dataset: str
    origin: str
    name: str
    line: int
    cosine: float


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is known before a word is generated: may the model be trusted with this prompt?"""

    confidence: float | None
    threshold: float | None
    certified: bool
    features: dict[str, float]
    warning: str
    difficulty: str = ""
    mentioned: tuple[Mention, ...] = ()  # the library's names that the words of the prompt speak of


@dataclass(frozen=True, slots=True)
class Draft:
    """Raw text from the generator, not yet reviewed: a sign of life, not to be shown as an answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """Text of the answer, reviewed where it is code. The texts joined are the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A reviewed answer with everything that is known about it.

    ``confidence`` is the probability of being right, after the answer was written where it holds code, and
    ``certified`` tells whether at most 5 % of answers like it are wrong. ``confidence`` and ``threshold`` are None when
    no dataset is at hand to compare with. ``verdict`` is that of the
    worst code block; ``unchecked`` when there is none. ``declined``: the user asked not to go on below the threshold.
    """

    id: str
    prompt: str
    text: str
    confidence: float | None
    threshold: float | None
    warning: str
    verdict: Verdict
    reviews: tuple[CodeReview, ...]
    sources: tuple[Source, ...]
    similar: tuple[SimilarCode, ...]
    generator: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    mean_logprob: float
    min_logprob: float
    assessment: Assessment
    transcript: tuple[dict[str, Any], ...] = field(repr=False)
    declined: bool = False
    certified: bool = False

    @property
    def edits(self) -> tuple[Edit, ...]:
        """All corrections, block after block."""
        return tuple(edit for review in self.reviews for edit in review.edits)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"edits": [asdict(edit) for edit in self.edits]}


Event = Assessment | Draft | Text | CodeReview | Answer
