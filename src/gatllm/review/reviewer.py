"""The discriminator at work: checks a text, points at what is wrong, and repairs it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from gatllm.review.alarm import Alarm
from gatllm.review.careful import COMPARED, LanguageModel, Ranked, in_order, reread
from gatllm.review.critics import LARGEST, Finding, compile_error, mistakes, syntax_error
from gatllm.review.detection import Detection, detect, for_newer
from gatllm.review.edits import rewrite
from gatllm.review.effort import FOR_RULES, PATIENCE, Effort, OutOfTimeError
from gatllm.review.forward import TorchForward
from gatllm.review.gate import Step, harm
from gatllm.review.meaning import doubts
from gatllm.review.names import with_known_names
from gatllm.review.pool import closed_first, gather
from gatllm.review.probability import load_intention
from gatllm.review.region import line_span, place
from gatllm.review.repair import improve
from gatllm.review.rules import apply_rules
from gatllm.review.tag_words import tag_words
from gatllm.review.tagger import Scores, Tagger, Window, features, tokens_of, windows_of
from gatllm.review.tags import TAGS

if TYPE_CHECKING:
    from gatllm.models import Discriminator
    from gatllm.tokenizers.lexicon import Lexeme, Lexicon

By = Literal["rule", "model", "search", "generator"]
WHO: tuple[By, ...] = get_args(By)  # of several who found a repair, the first is named
THRESHOLD = 0.5
_TOGETHER = 8  # texts whose windows share batches
_AGAINST = -6.0  # log-odds: where it holds the best of several repairs for wrong by 400 to 1, that is a guess
_MOST = 1 << 19  # characters; what is longer is data, and would take the model many seconds
_MOST_TOKENS = 60_000  # the same: a second or two of one core
_LARGE = 200_000  # characters; of what is longer the part near the error is looked at
_LONGEST_LINE = 50_000  # characters of a line that is repaired: compiling it hundreds of times takes a second
_DATA = 20_000  # characters of a line that is data
_DATA_LINE = re.compile(rf"^.{{{_DATA + 1},}}$", re.M)
_NEAR = 30  # lines on each side that such a part has at least
_MARGIN = re.compile(r"^(?=[^\W\d@])", re.M)  # a statement at the margin
_HOSTILE = re.compile(
    "too many nested (?:parentheses|[ft]-strings)|too many levels of indentation|nested too deeply|too many statically"
)
_SHOWN = 10  # suggestions about meaning: one for each place
_LEAST = 24  # tokens; what is shorter gives the model nothing to judge by
_VAGUE = -4.0  # log-odds of a token's likeliest edit up to which it is not worth naming


@dataclass(frozen=True, slots=True)
class Suspect:
    """A place that looks wrong: line and column from 1, what to do there in plain words, how likely it is wrong."""

    line: int
    column: int
    words: str
    probability: float


@dataclass(frozen=True, slots=True)
class Review:
    """What was found out about a text. ``probability`` is that of being fake (real 0, fake 1).

    It is None without a model, and where a text is too long, or compiles and is too short, to be judged.
    """

    verdict: Literal["real", "fake"]
    probability: float | None
    suspects: tuple[Suspect, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to repair a text; ``score`` is the model's log-odds for it (None: the model did not find it).

    ``harm`` is what it would do that nobody asked for (`gate.harm`); with any it is a suggestion, never written.
    ``probability`` is that of being what was meant (`probability`); None where nothing was measured.
    """

    text: str
    score: float | None
    harm: tuple[str, ...] = ()
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Repair:
    """The best text found that does no harm; ``candidates`` holds it first, then suggestions.

    ``by`` says who found it (model: the discriminator; generator: the language model of the careful tier); ``why`` why
    nothing was changed where ``changed`` is false, or what is left to do by hand where it is true. ``rules`` names the
    rules that had a part in it, ``needs`` the Python version that the text is for where it is a newer one than this,
    ``tier`` who ranked the candidates.
    """

    text: str
    changed: bool
    compiles: bool
    candidates: tuple[Candidate, ...]
    by: By | Literal[""]
    why: str = ""
    rules: tuple[str, ...] = ()
    needs: str = ""
    tier: Literal["fast", "careful"] = "fast"

    @property
    def probability(self) -> float | None:
        """How likely the first candidate is what was meant; None where there is none, or nothing was measured."""
        return self.candidates[0].probability if self.candidates else None

    @property
    def likeliest(self) -> str:
        """The repair, or else the first suggestion, or else the text as it was; for measures, not to be written."""
        return self.candidates[0].text if self.candidates else self.text


@dataclass(frozen=True, slots=True)
class _View:
    probability: float
    suspects: tuple[Suspect, ...]


class Reviewer:
    """Checks and repairs texts with a discriminator, or with the parser-guided search alone. Thread-safe."""

    def __init__(
        self,
        tagger: Tagger | None = None,
        *,
        alarm: Alarm | None = None,
        fallback: bool = True,
        name: str = "",
        language_model: LanguageModel | None = None,
    ) -> None:
        self._tagger = tagger
        self._alarm = alarm
        self.threshold = THRESHOLD if alarm is None else alarm.threshold
        self._fallback = fallback
        self._language_model = language_model
        self.name = name

    def careful(self, model: LanguageModel) -> Reviewer:
        """Return a reviewer like this one whose repairs a language model has a say in (`careful`): slower, surer."""
        return Reviewer(self._tagger, alarm=self._alarm, fallback=self._fallback, name=self.name, language_model=model)

    @property
    def tagger(self) -> Tagger | None:
        """The discriminator's tags and odds; None where the search is all there is."""
        return self._tagger

    @property
    def has_model(self) -> bool:
        """Whether a discriminator is at work, not the search alone."""
        return self._tagger is not None

    @classmethod
    def of(cls, model: Discriminator, lexicon: Lexicon) -> Reviewer:
        """Return a reviewer for a model in memory, without the search as fallback."""
        return cls(Tagger(TorchForward(model), lexicon, model.config.context), fallback=False)

    @classmethod
    def load(cls, run: Path | str, *, quick: bool = False) -> Reviewer:
        """Load the discriminator of a run folder.

        Args:
            run: the folder.
            quick: compute without torch where that is possible: ready at once, slower for much text.

        Raises:
            GatllmError: the folder holds no discriminator, or is damaged.
        """
        from gatllm.review.loading import load_alarm, load_tagger

        tagger = load_tagger(Path(run), quick=quick)
        return cls(tagger, alarm=load_alarm(Path(run)), name=str(run))

    def check(self, text: str) -> Review:
        """Judge a text: the compiler's and linter's findings, and the model's view where there is one."""
        return self.check_all([text])[0]

    def check_all(
        self, texts: Sequence[str], *, linter: Callable[[Sequence[str]], Sequence[tuple[Finding, ...]]] = mistakes
    ) -> list[Review]:
        """Judge many texts; the linter runs once for all of them.

        Args:
            texts: the texts.
            linter: what gives each text's findings beside the compiler's; ruff's mistakes by default.
        """
        with ThreadPoolExecutor(1) as beside:  # ruff is another process: it works while the model does
            findings = beside.submit(linter, texts)
            errors = [compile_error(text) for text in texts]
            doubtful = [
                tuple(one.finding for one in doubts(text)) if error is None and len(text) <= _MOST else ()
                for text, error in zip(texts, errors, strict=True)
            ]
            views: list[_View | None] = []
            for start in range(0, len(texts), _TOGETHER):
                part = slice(start, start + _TOGETHER)
                views += self._look(texts[part], errors[part])
            found = [(*linted, *own) for linted, own in zip(findings.result(), doubtful, strict=True)]
            return [self._review(*one) for one in zip(errors, found, views, strict=True)]

    def _look(self, texts: Sequence[str], errors: Sequence[Finding | None]) -> list[_View | None]:
        """What the model sees in each text; None where there is nothing for it to judge by."""
        if self._tagger is None:
            return [None] * len(texts)
        cut: list[tuple[list[Lexeme], list[Window]]] = []
        for text, error in zip(texts, errors, strict=True):
            hostile = error is not None and _HOSTILE.search(error.message) is not None
            tokens = tokens_of(self._tagger.lexicon, text) if len(text) <= _MOST and not hostile else []
            enough = (_LEAST if error is None else 1) <= len(tokens) <= _MOST_TOKENS
            cut.append((tokens, windows_of(tokens, self._tagger.context) if enough else []))
        scores = iter(self._tagger.score([window for _, windows in cut for window in windows], edits=False))
        views: list[_View | None] = []
        for (tokens, windows), text, error in zip(cut, texts, errors, strict=True):
            own = [next(scores) for _ in windows]
            if not own:
                views.append(None)
                continue
            probability = 1.0 if error is not None else self._probability(own)
            fake = probability >= self.threshold
            views.append(_View(probability, _suspects(text, tokens, windows, own) if fake else ()))
        return views

    def _review(self, error: Finding | None, findings: tuple[Finding, ...], view: _View | None) -> Review:
        found = (*((error,) if error is not None else ()), *findings)
        if view is None:
            return Review("fake" if found else "real", None, (), found)
        fake = view.probability >= self.threshold or bool(findings)
        return Review("fake" if fake else "real", view.probability, view.suspects, found)

    def _probability(self, scores: list[Scores]) -> float:
        if self._alarm is not None:
            return self._alarm.probability(features(scores))
        logit = max(score.fake for score in scores)
        return 1 / (1 + math.exp(-min(max(logit, -60.0), 60.0)))

    def features(self, text: str) -> tuple[float, ...]:
        """What the calibration is fitted to; nothing without a model."""
        if self._tagger is None:
            return ()
        tokens = tokens_of(self._tagger.lexicon, text)
        return features(self._tagger.score(windows_of(tokens, self._tagger.context), edits=False))

    def localise(self, text: str, most: int = 1) -> list[tuple[int, int, float]]:
        """Return the ``most`` suspicious tokens of a text, whatever the verdict: (start, end, probability), best first.

        Offsets are characters; nothing without a model.
        """
        if self._tagger is None:
            return []
        tokens = tokens_of(self._tagger.lexicon, text)
        windows = windows_of(tokens, self._tagger.context)
        best: dict[int, float] = {}
        for window, score in zip(windows, self._tagger.score(windows, edits=False), strict=True):
            for number, probability in enumerate(score.errors.tolist(), window.first):
                best[number] = max(best.get(number, 0.0), probability)
        found = sorted(best.items(), key=lambda pair: -pair[1])[:most]
        return [(tokens[number].start, tokens[number].end, probability) for number, probability in found]

    def fix(self, text: str, *, candidates: int = 1, semantic: bool = False, seconds: float = PATIENCE) -> Repair:
        """Repair a text that does not compile; one that does is returned as it is.

        What is returned as changed compiles and passes the gate (`gate.harm`): no name, number, operator or word of a
        string vanishes or appears except by a named rule. What trips the gate is a suggestion.

        Args:
            text: any text.
            candidates: different repairs and suggestions to look for.
            semantic: look for errors of meaning in a text that compiles; these are suggestions.
            seconds: give up after about this long, and say so. What is found within it does not depend on it: the work
                is bounded by counting (`effort`), so that a busy machine repairs as an idle one does.
        """
        breaks = text.count("\n")
        if "\r\n" in text and text.count("\r\n") == breaks == text.count("\r"):  # rules need not know of them
            return _with_returns(
                self.fix(text.replace("\r\n", "\n"), candidates=candidates, semantic=semantic, seconds=seconds)
            )
        try:
            return self._fixed(text, candidates, semantic, Effort.of(seconds=seconds))
        except OutOfTimeError:
            why = f"gave up after {seconds:g} s: the machine is busy, or it takes too much"
        except RecursionError:  # what the parser reads may still be too deep for Python to walk
            why = "it is nested too deeply to be repaired"
        return Repair(text, False, False, (), "", why)

    def _fixed(self, text: str, candidates: int, semantic: bool, effort: Effort) -> Repair:
        if len(text) > LARGEST:
            return Repair(text, False, False, (), "", too_large(text))
        error = compile_error(text)
        if error is None:
            return (
                self._suggest(text, candidates)
                if semantic
                else Repair(text, False, True, (), "", "it compiles already")
            )
        if (settled := self._settled(text, error, candidates, effort)) is not None:
            return settled
        repair = self._pooled(text, error, candidates, effort)
        # A newer Python reads more within fields: there only a rule knows how to say the same for this one.
        doubtful = not repair.changed or (repair.by != "rule" and "f-string" in error.message)
        newer = for_newer(text, error) if doubtful else None
        return repair if newer is None else _detected(text, newer, candidates)

    def _pooled(self, text: str, error: Finding, most: int, effort: Effort) -> Repair:
        """The likeliest of all repairs that anyone finds and that pass the gate; written if it is likely enough."""
        order, tier = self._ranked(text, error, most, effort)
        kept = tuple(Candidate(one.text, one.score, one.harm, value) for one, value in order[:most])
        if not kept:
            return Repair(text, False, False, (), "", f"line {error.line}: {error.message}; no small edit ends that")
        first, best = order[0]
        if first.harm:
            why = (
                f"not sure what was meant: {_listed(first.harm)} (--candidates 3 shows what it could be{self._hint()})"
            )
            return Repair(text, False, False, kept, "", why, tier=tier)
        # Of the search alone nothing was measured that would tell its good repairs from the others.
        several = sum(not one.harm for one, _ in order) > 1 and first.by <= {"model", "search"}
        unsure = best < load_intention().threshold or (several and (first.score or 0.0) < _AGAINST)
        if self._tagger is not None and unsure and first.by - {"generator"} != {"rule"}:
            sure = f"{best:.0%}; --candidates 3 shows it{self._hint()}"
            why = f"line {error.line}: {error.message}; no repair is sure enough ({sure})"
            return Repair(text, False, False, kept, "", why, tier=tier)
        by: By = next(who for who in WHO if who in first.by)
        rules = tuple(dict.fromkeys(step.rule for step in first.steps))
        return Repair(first.text, True, True, kept, by, _left_to_do(first.steps), rules, tier=tier)

    def _hint(self) -> str:
        return "" if self._language_model is not None else ", --careful asks a language model"

    def _ranked(
        self, text: str, error: Finding, most: int, effort: Effort
    ) -> tuple[Ranked, Literal["fast", "careful"]]:
        """All repairs with their probabilities, what may be written first, and who ranked them."""
        intention, model = load_intention(), self._language_model
        sure = intention if self._fallback else None
        wanted = most if model is None else max(most, COMPARED)
        found, asked = gather(text, error, self._tagger, sure, most=wanted, effort=effort)
        order = in_order(list(zip(found, intention.of(text, error, found, asked=asked), strict=True)))
        if model is None:
            return order, "fast"
        order, heard = reread(text, error, order, model)
        left = closed_first(text, error, [one for one, _ in order])
        return [pair for pair in order if pair[0] in left], "careful" if heard else "fast"

    def _settled(self, text: str, error: Finding, most: int, effort: Effort) -> Repair | None:
        """What needs no search: texts that are not Python files with a slip, too large, or wrong beyond the grammar."""
        if _HOSTILE.search(error.message):
            return Repair(text, False, False, (), "", f"line {error.line}: {error.message}")
        start, end = line_span(text, error.line)
        if end - start > _LONGEST_LINE:
            why = f"line {error.line}: {error.message}; the line is too long to repair"
            return Repair(text, False, False, (), "", why)
        if len(text) > _LARGE or _beside_data(text, error.line):
            return self._fix_part(text, error, most, effort)
        if (seen := detect(text, error)) is not None:
            return _detected(text, seen, most)
        return self._by_rules(text, effort) if syntax_error(text) is None else None

    def _fix_part(self, text: str, error: Finding, most: int, effort: Effort) -> Repair:
        """Repair the lines around the error of a large text, which is compiled as a whole only to judge the result."""
        start, end = _around(text, error.line)
        part = self._fixed(text[start:end], most, False, effort)
        if not part.changed:
            return Repair(text, False, False, (), "", f"line {error.line}: {error.message}", needs=part.needs)
        whole = text[:start] + part.text + text[end:]
        left = compile_error(whole)
        if left is not None:
            return Repair(text, False, False, (), "", f"line {left.line}: {left.message}")
        candidate = replace(part.candidates[0], text=whole)
        why = _moved(part.why, text.count("\n", 0, start))
        return Repair(whole, True, True, (candidate,), part.by, why, part.rules, tier=part.tier)

    def _by_rules(self, text: str, effort: Effort) -> Repair:
        """Repair what parses and does not compile: the grammar has no opinion there, so that only rules count."""
        plain, error, steps = apply_rules(text, compile_error(text), effort.apart(FOR_RULES))
        harms = harm(text, plain, steps) if error is None else ()
        if error is None and not harms:
            rules = tuple(dict.fromkeys(step.rule for step in steps))
            return Repair(plain, True, True, (Candidate(plain, None),), "rule", _left_to_do(steps), rules)
        first = compile_error(text)
        return Repair(text, False, False, (), "", f"line {first.line}: {first.message}" if first else "")

    def _suggest(self, text: str, most: int) -> Repair:
        """Suggest changes of meaning, one for each place; nothing proves them, so that they are never written."""
        if len(text) > _MOST:
            return Repair(text, False, True, (), "", "it is too long to be looked at")
        found = [doubt for doubt in doubts(text) if doubt.change is not None]
        texts = {rewrite(text, [doubt.change]): None for doubt in found if doubt.change is not None}
        if (respelt := with_known_names(text)) is not None:
            texts[respelt] = None
        scores: dict[str, float] = {}
        if not texts and self._tagger is not None and (solution := improve(self._tagger, text)) is not None:
            scores[solution.text] = solution.score
        if not (texts or scores):
            looked = "the discriminator is not sure of any change" if self._tagger is not None else "nothing is suspect"
            return Repair(text, False, True, (), "", looked)
        unproven = ("nothing proves it",)
        candidates = [
            Candidate(one, scores.get(one), unproven) for one in (*texts, *scores) if compile_error(one) is None
        ]
        return Repair(text, False, True, tuple(candidates[: max(most, _SHOWN)]), "", "a suggestion, nothing proves it")


def _with_returns(repair: Repair) -> Repair:
    """Give back the carriage returns of a text all of whose lines end with one."""
    texts = [one.text.replace("\n", "\r\n") for one in repair.candidates]
    found = tuple(replace(one, text=text) for one, text in zip(repair.candidates, texts, strict=True))
    return replace(repair, text=repair.text.replace("\n", "\r\n"), candidates=found)


def too_large(text: str) -> str:
    """Say that a text is too large to be repaired."""
    return f"too large to repair: {len(text) / 1e6:.1f} million characters (limit {LARGEST / 1e6:.0f})"


def _beside_data(text: str, line: int) -> bool:
    """Tell whether a line other than that of the error is so long that it is data."""
    return len(text) > _DATA and any(
        len(one) > _DATA for number, one in enumerate(text.split("\n"), 1) if number != line
    )


def _around(text: str, line: int) -> tuple[int, int]:
    """Offsets of the lines around one, from the beginning of a statement at the margin to that of another.

    No line of data is among them, save that of the error.
    """
    start, _ = line_span(text, max(line - _NEAR, 1))
    at, _ = line_span(text, line)
    above = [found.start() for found in _MARGIN.finditer(text, start, at)]
    _, last = line_span(text, line + _NEAR)
    below = _MARGIN.search(text, last)
    begins = next((one for one in above if at - one <= _LARGE // 2), at) if above else start
    ends = min(below.start() if below else len(text), last + _LARGE)
    _, end = line_span(text, line)
    for data in _DATA_LINE.finditer(text, begins, ends):
        if data.end() < at:
            begins = data.end() + 1
        elif data.start() > end:
            return begins, data.start()
    return begins, ends


def _detected(text: str, seen: Detection, most: int) -> Repair:
    """What can be done about a text that is not a Python file with a slip in it."""
    harms = () if seen.sure else (seen.words,)
    found = tuple(Candidate(one, None, harms) for one in seen.candidates[:most])
    if seen.sure:
        return Repair(found[0].text, True, True, found, "rule", rules=(seen.kind.replace(" ", "-"),))
    return Repair(text, False, False, found, "", seen.words, needs=seen.needs)


def _moved(words: str, lines: int) -> str:
    """Words about a line of a part, as they hold in the whole text."""
    return re.sub(r"^line (\d+)", lambda found: f"line {int(found[1]) + lines}", words)


def _left_to_do(steps: Sequence[Step]) -> str:
    """What a repair can't bring back: code that a chat left out."""
    for step in steps:
        if step.rule == "placeholder":
            old, new = step.before.split("\n"), step.after.split("\n")
            line = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
            return f"line {line + 1}: code was left out here (`{old[line].strip()}`): it is still missing"
    return ""


def _listed(harms: tuple[str, ...]) -> str:
    return ", ".join(harms[:3]) + (f" and {len(harms) - 3} more" if len(harms) > 3 else "")


def _suspects(text: str, tokens: list[Lexeme], windows: list[Window], scores: list[Scores]) -> tuple[Suspect, ...]:
    best: dict[int, Suspect] = {}
    for window, score in zip(windows, scores, strict=True):
        for number, probability in enumerate(score.errors.tolist()):
            at = window.first + number
            if probability < 0.5 or (at in best and best[at].probability >= probability):
                continue
            token = tokens[at]
            line, column = place(text, token.end if "\n" in token.text else token.start)
            clear = score.odds[number] > _VAGUE
            words = tag_words(TAGS[score.tags[number]], token.text) if clear else f"`{token.text.strip()}` looks wrong"
            best[at] = Suspect(line, column, words, probability)
    return tuple(sorted(best.values(), key=lambda suspect: -suspect.probability)[:10])
