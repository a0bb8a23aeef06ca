"""P(correct): how likely this generator's answer to this prompt is right, before it is written and after.

Two logistic models, fitted on tasks with hidden tests (`benchmarks/confidence.py`), most of which state an example.
Before: from the prompt alone. After: from the generator's log-probabilities, from what running the code against the
prompt's own example showed, and where nothing was stated from how many proposals compute the same. Of the generator
that they were fitted on, what a linear probe reads off its hidden states counts as well; for another one nothing is
certified.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import log1p
from typing import Any, Literal, NamedTuple, Self

from gatllm.answering.estimator import Estimator
from gatllm.answering.library.words import plain_words
from gatllm.answering.messages import SYSTEM
from gatllm.answering.probe import Probe
from gatllm.models import Message, StateReader

BEFORE = ("ln(1 + words)", "conditions")
AFTER = (
    "before", "example passed", "example failed", "mean log-probability", "least log-probability", "ln(1 + tokens)",
    "agreement of proposals"
)  # fmt: skip
READ_BEFORE = ("state of the prompt",)
READ_AFTER = (*AFTER, "state of the answer")
LAYER = 14  # of 24: behind it a prompt and an answer tell most
_HALFWAY = 0.6  # of five proposals three compute the same: this speaks neither for nor against them
SOLVED_WARNED = 0.05  # of the tasks that the generator solves, the fraction that may be warned about
_LONGEST_READ = 3000  # characters of prompt and code: the tasks that the probes were fitted on have fewer
_ENOUGH = 60  # reviewed answers
RISK = 0.05  # the fraction of wrong answers among those that are certified

_EXAMPLE = re.compile(r"assert\s.*|>>>.*|\w+\([^\n]*\)\s*(?:==|->|→|=>|returns?)\s*\S+")
_CODE_WORDS = re.compile(
    r"\b(?:function|funktion|list|liste|string|number|integer|array|tuple|dict|dictionary|python|code|class|method|loop|"
    r"sort|file|json|csv|element|index|matrix|regex|expression|module|import|script|program|lambda|recursi|algorithm|"
    r"parse|convert|reverse|return|def|variable|iterator|generator|exception|decorator|sequence|text|line|lines|random"
    # The same in the languages that people ask in most.
    r"|fonction|cha[îi]ne|función|cadena|código|lista|função|programm|skript|zeichenkette|datei|schleife|klasse|"
    r"функци|строк|список|код|массив|файл|программ)"
    r"|関数|文字列|コード|リスト|配列|プログラム|クラス|ファイル|函数|代码|字符串|列表|数组|程序|文件|함수|코드|문자열|리스트|프로그램",
    re.IGNORECASE,
)
# Questions that ask for an explanation are no tasks like those that the probes know.
_EXPLAINS = re.compile(
    r"\s*(?:what|why|when|which|who|whose|where|explain|describe|compare|is|are|was|does|do|did)\b",
    re.IGNORECASE,
)
_ENGLISH = re.compile(
    r"\b(?:the|that|which|with|and|from|how|what|why|does|write|return|this|each|if|for|are|of|given|create|find)\b",
    re.IGNORECASE,
)
_OTHER_LANGUAGE = re.compile(
    r"\b(?:der|die|das|eine?[nrms]?|und|ist|wie|schreibe?|une?|les|des|est|écris|écrivez|que|los|las|una?|el|escrib[ae]|"
    r"como|il|che|scrivi|uma|escreva|een|het|schrijf|napisz|jest)\b|[^\x00-\u024f\W\d_]",
    re.IGNORECASE,
)
_CONDITIONS = re.compile(
    r"\b(?:and|then|also|but|unless|except|when|where|given|otherwise|without|must|both|using)\b|[;,]", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known about an answer once it is there.

    ``example``: what running it against what the prompt states showed. ``agreement``: the fraction of the proposals
    that compute the same; None where they were not compared. ``invented``: names in the code that do not exist.
    """

    mean_logprob: float
    min_logprob: float
    tokens: int
    example: Literal["passed", "failed", "none"] = "none"
    agreement: float | None = None
    invented: bool = False


@dataclass(frozen=True)
class Moments:
    """The models of both moments.

    ``lowest``: the probability before, below which there is a warning: of the tasks that were solved `SOLVED_WARNED`
    lie below it. ``certified``: the probability after, from which on at most `RISK` of the answers are wrong, with the
    confidence of `Estimator.threshold`; None where that can't be certified.
    """

    before: Estimator
    after: Estimator
    lowest: float
    certified: float | None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        models = {"before": self.before.to_json(), "after": self.after.to_json()}
        return models | {"lowest": self.lowest, "certified": self.certified}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read back what `to_json` gave."""
        before, after = (Estimator.from_json(value[name]) for name in ("before", "after"))
        return cls(before, after, value["lowest"], value["certified"])


class Likelihood(NamedTuple):
    """P(correct).

    ``enough``: before, whether it is high enough not to be warned about; after, whether it is certified. ``lowest``:
    what is warned about below it.
    """

    value: float
    enough: bool
    lowest: float


@dataclass(frozen=True)
class CorrectnessModel:
    """What holds for any generator, and for the one it was fitted on what its hidden states tell besides.

    ``plain`` knows the prompt's words and what running the answer showed; ``read`` knows two `Probe` as well: of the
    state behind the prompt, and of the mean state of the code that is shown.
    """

    generator: str
    plain: Moments
    read: Moments | None = None
    probes: tuple[Probe, Probe] | None = None

    @classmethod
    def fit(cls, generator: str, tasks: Sequence[Task]) -> Self:
        """Fit on tasks with a known outcome; with probes where each of them has its states.

        Raises:
            GatllmError: there are too few tasks of either outcome.
        """
        numbers = {prompt: number for number, prompt in enumerate(sorted({task.prompt for task in tasks}))}
        groups = [numbers[task.prompt] for task in tasks]
        plain = _moments(
            tasks, groups, BEFORE, [before_features(task.prompt) for task in tasks], AFTER, [()] * len(tasks)
        )
        states = [task.states for task in tasks if task.states is not None]
        if len(states) < len(tasks):
            return cls(generator, plain)
        # Every prompt twice, as it was and without its example, so that the probe learns not to look for one.
        both = [state for each in (0, 1) for state in [one[each] for one in states]]
        right = [task.right for task in tasks]
        first = [task.right if task.first is None else task.first for task in tasks]
        prompt, before = Probe.fit(LAYER, both, first * 2, groups * 2)
        answer, after = Probe.fit(LAYER, [one for *_, one in states], right, groups)
        read = _moments(
            tasks,
            groups,
            READ_BEFORE,
            [(value,) for value in before[: len(tasks)]],
            READ_AFTER,
            [(value,) for value in after],
        )
        return cls(generator, plain, read, (prompt, answer))

    def before(self, prompt: str, generator: object = None) -> Likelihood:
        """Return how likely the answer to a prompt will be right; a ``generator`` that is known has its states read.

        What the features tell holds for English: for a prompt in another language it is what holds for all tasks.
        """
        moments, features = self.plain, before_features(prompt)
        if not is_english(prompt):
            value = moments.before.quality.base_rate
            return Likelihood(value, value >= moments.lowest, moments.lowest)
        if self.read is not None and self.probes is not None and (reader := self._reader(generator, prompt)):
            probe = self.probes[0]
            state, _ = reader.states(messages_of(prompt), "", [probe.layer])[probe.layer]
            moments, features = self.read, [probe.logit(state)]
        value = moments.before.probability(features)
        return Likelihood(value, value >= moments.lowest, moments.lowest)

    def after(self, prompt: str, signals: Signals, code: str = "", generator: object = None) -> Likelihood:
        """Return how likely an answer is right that shows ``code``; see `before`."""
        moments, more = self.plain, []
        if is_english(prompt):
            ahead = moments.before.probability(before_features(prompt))
        else:
            ahead = moments.before.quality.base_rate
        if (
            self.read is not None
            and self.probes is not None
            and code.strip()
            and is_english(prompt)
            and (reader := self._reader(generator, prompt + code))
        ):
            layer = self.probes[0].layer
            state, mean = reader.states(messages_of(prompt), as_answer(code), [layer])[layer]
            first, second = (probe.logit(read) for probe, read in zip(self.probes, (state, mean), strict=True))
            moments, ahead, more = self.read, self.read.before.probability([first]), [second]
        value = moments.after.probability([*after_features(ahead, signals), *more])
        return Likelihood(value, moments.certified is not None and value >= moments.certified, moments.lowest)

    def lowest(self, generator: object = None) -> float:
        """Return the probability before, below which there is a warning; see `Moments`."""
        moments = self.read if self.read is not None and self._reader(generator, "") else self.plain
        return moments.lowest

    def _reader(self, generator: object, text: str) -> StateReader | None:
        """The generator, if these are its probes, and a text is like those that they were fitted on."""
        alike = len(text) <= _LONGEST_READ and not _EXPLAINS.match(text)
        if alike and isinstance(generator, StateReader) and self.is_for(getattr(generator, "name", "")):
            return generator
        return None

    def is_for(self, generator: str) -> bool:
        """Tell whether the models were fitted on this generator (in any of its forms)."""
        return generator.lower().startswith(self.generator)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        read = {} if self.read is None or self.probes is None else {
            "read": self.read.to_json(), "probes": [probe.to_json() for probe in self.probes]
        }  # fmt: skip
        return {"generator": self.generator, "plain": self.plain.to_json(), **read}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read back what `to_json` gave."""
        plain = Moments.from_json(value["plain"])
        if "read" not in value:
            return cls(value["generator"], plain)
        first, second = (Probe.from_json(probe) for probe in value["probes"])
        return cls(value["generator"], plain, Moments.from_json(value["read"]), (first, second))


@dataclass(frozen=True, slots=True)
class Task:
    """A prompt whose answer was tested: what was known about the answer, and whether hidden tests passed.

    ``first``: whether the first proposal passes; None: the answer is the first proposal, which nobody reviewed.
    ``states``: of the prompt's last token, of that of the prompt without its example, and the mean over the answer, all
    behind `LAYER`.
    """

    prompt: str
    signals: Signals
    right: bool
    first: bool | None = None
    states: tuple[Sequence[float], Sequence[float], Sequence[float]] | None = None


def _moments(
    tasks: Sequence[Task],
    groups: Sequence[int],
    before_names: Sequence[str],
    before_rows: Sequence[Sequence[float]],
    after_names: Sequence[str],
    more: Sequence[Sequence[float]],
) -> Moments:
    """Fit both models, the first on what is shown: reviewed answers, where there are enough of them."""
    reviewed = [number for number, task in enumerate(tasks) if task.first is not None]
    shown = reviewed if len(reviewed) >= _ENOUGH else range(len(tasks))
    before = Estimator.fit(
        before_names,
        [before_rows[number] for number in shown],
        [tasks[number].right for number in shown],
        groups=[groups[number] for number in shown],
        balanced=False,
    )
    held_out = dict(zip(shown, (value for value, _ in before.held_out), strict=True))
    rows = [
        [*after_features(held_out.get(number, before.probability(before_rows[number])), task.signals), *more[number]]
        for number, task in enumerate(tasks)
    ]
    right = [task.right for task in tasks]
    after = Estimator.fit(after_names, rows, right, groups=groups, balanced=False)
    solved = sorted(score for score, right in before.held_out if right)
    threshold, sure = after.threshold(1 - RISK)
    return Moments(before, after, solved[int(SOLVED_WARNED * len(solved))], threshold if sure else None)


@cache
def shipped() -> CorrectnessModel:
    """Return the models that ship with gatllm."""
    text = files("gatllm.answering").joinpath("correctness.json").read_text(encoding="utf-8")
    return CorrectnessModel.from_json(json.loads(text))


def messages_of(prompt: str) -> list[Message]:
    """Return the conversation in which a prompt's state is read."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}]


def as_answer(code: str) -> str:
    """Return the answer in which the state of shown code is read: the code alone."""
    return f"```python\n{code.strip()}\n```"


def asks_for_code(prompt: str) -> bool:
    """Tell whether a prompt speaks of code at all, or brings some along."""
    return bool(_CODE_WORDS.search(prompt) or _EXAMPLE.search(prompt) or "`" in prompt)


def is_english(prompt: str) -> bool:
    """Tell whether a prompt is in English, as far as a few frequent words tell; examples in it do not count."""
    prose = _EXAMPLE.sub(" ", prompt)
    return bool(_ENGLISH.search(prose)) or not _OTHER_LANGUAGE.search(prose)


def before_features(prompt: str) -> list[float]:
    """Return `BEFORE` of a prompt, its example left out."""
    prose = _EXAMPLE.sub(" ", prompt)
    return [log1p(len(plain_words(prose))), float(min(len(_CONDITIONS.findall(prose)), 6))]


def after_features(before: float, signals: Signals) -> list[float]:
    """Return `AFTER` of an answer."""
    return [
        before,
        float(signals.example == "passed"),
        float(signals.example == "failed"),
        signals.mean_logprob,
        signals.min_logprob,
        log1p(signals.tokens),
        # Where an example was stated only those that pass it are compared, which says something else.
        0.0 if signals.agreement is None or signals.example != "none" else signals.agreement - _HALFWAY,
    ]


def reasons(signals: Signals) -> list[str]:
    """Return what speaks against an answer, in words."""
    found = []
    if signals.example == "failed":
        found.append("it fails the prompt's own example")
    if signals.invented:
        found.append("it names what does not exist")
    # Where nothing is stated, right ones differ too (how is it counted, to how many places?): it has to stand alone.
    if signals.agreement is not None and signals.agreement <= (0.5 if signals.example != "none" else 0.3):
        found.append("proposals disagree")
    return found
