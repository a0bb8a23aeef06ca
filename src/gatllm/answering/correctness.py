"""P(correct): how likely this generator's answer to this prompt is right, before it is written and after.

Two logistic models, fitted on tasks with hidden tests whose example assertion was part of the prompt
(`benchmarks/confidence.py`). Before: from the prompt alone. After: from the generator's log-probabilities and from what
running the code against the prompt's own example showed. What they were fitted on is one generator; for another one the
numbers are the same and nothing is certified.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import log1p
from typing import Any, Literal, Self

from gatllm.answering.estimator import Estimator
from gatllm.answering.library.words import plain_words

BEFORE = ("ln(1 + words)", "conditions")
AFTER = (
    "before", "example passed", "example failed", "mean log-probability", "least log-probability", "ln(1 + tokens)"
)  # fmt: skip
SOLVED_WARNED = 0.05  # of the tasks that the generator solves, the fraction that may be warned about
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
class CorrectnessModel:
    """Both models, and for which generator they are.

    ``lowest``: the probability before, below which there is a warning: of the tasks that were solved `SOLVED_WARNED`
    lie below it. ``certified``: the probability after, from which on at most `RISK` of the answers are wrong, with the
    confidence of `Estimator.threshold`; None where that can't be certified.
    """

    generator: str
    before_model: Estimator
    after_model: Estimator
    lowest: float
    certified: float | None

    @classmethod
    def fit(cls, generator: str, tasks: Sequence[Task]) -> Self:
        """Fit on tasks with a known outcome.

        Raises:
            GatllmError: there are too few tasks of either outcome.
        """
        labels = [task.right for task in tasks]
        before = Estimator.fit(BEFORE, [before_features(task.prompt) for task in tasks], labels, balanced=False)
        # Every task twice: as it was, and as if its prompt had stated no example.
        after_rows, after_labels, groups = [], [], []
        for number, task in enumerate(tasks):
            chance = before.held_out[number][0]
            for signals in (task.signals, _without_example(task.signals)):
                after_rows.append(after_features(chance, signals))
                after_labels.append(task.right)
                groups.append(number)
        after = Estimator.fit(AFTER, after_rows, after_labels, groups=groups, balanced=False)
        solved = sorted(score for score, right in before.held_out if right)
        threshold, sure = after.threshold(1 - RISK)
        return cls(generator, before, after, solved[int(SOLVED_WARNED * len(solved))], threshold if sure else None)

    def before(self, prompt: str) -> float:
        """Return the probability that the answer to a prompt will be right.

        The features count English: for a prompt in another language it is what holds for all tasks together.
        """
        if not is_english(prompt):
            return self.before_model.quality.base_rate
        return self.before_model.probability(before_features(prompt))

    def after(self, prompt: str, signals: Signals) -> float:
        """Return the probability that an answer is right."""
        return self.after_model.probability(after_features(self.before(prompt), signals))

    def is_for(self, generator: str) -> bool:
        """Tell whether the models were fitted on this generator (in any of its forms)."""
        return generator.lower().startswith(self.generator)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "generator": self.generator, "before": self.before_model.to_json(), "after": self.after_model.to_json(),
            "lowest": self.lowest, "certified": self.certified,
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read back what `to_json` gave."""
        before, after = (Estimator.from_json(value[name]) for name in ("before", "after"))
        return cls(value["generator"], before, after, value["lowest"], value["certified"])


@dataclass(frozen=True, slots=True)
class Task:
    """A prompt whose answer was tested: what was known about the answer, and whether hidden tests passed."""

    prompt: str
    signals: Signals
    right: bool


@cache
def shipped() -> CorrectnessModel:
    """Return the models that ship with gatllm."""
    text = files("gatllm.answering").joinpath("correctness.json").read_text(encoding="utf-8")
    return CorrectnessModel.from_json(json.loads(text))


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
    ]


def _without_example(signals: Signals) -> Signals:
    return Signals(signals.mean_logprob, signals.min_logprob, signals.tokens)


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
