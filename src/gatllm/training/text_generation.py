"""Questions and answers in; a model that answers, out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from gatllm.data import Dataset, Options, Rows, build, divide
from gatllm.errors import UsageError
from gatllm.progress import Progress, Report, silent
from gatllm.records import digest
from gatllm.training.known import I_DO_NOT_KNOW, Known
from gatllm.training.recipe import Recipe
from gatllm.training.training import train

if TYPE_CHECKING:
    from torch import Tensor

    from gatllm.models import Message, PretrainedLM, Seq2Seq
    from gatllm.tokenizers import Tokenizer
    from gatllm.training.run import Run

_LONGEST = 2048  # bytes of a question or an answer
_BATCH = 32
_FEWEST_STEPS = 1000
_EPOCHS = 20
_STEPS_PER_LOOK = 25
_FEW = 100  # pairs: learnt at a higher rate, as an adapter has hardly anything to forget


class TextGeneration:
    """An encoder-decoder that learns question/answer pairs by heart.

    ``TextGeneration(data).fit().answer("who is …")``. Of 200 pairs or more, about a tenth is held back and tells how
    well it answers what it was never told; of fewer all are learnt, and `held_out` is 0.

    Args:
        data: ``{"question": "answer"}``, ``{"training_data": [{"input", "output"}]}``, a list of pairs or of objects, a
            pandas DataFrame, or a file: JSON, JSONL, CSV or Parquet. ``<end>`` may end an answer.
        out: the run folder; the dataset goes beside it, as ``OUT-data``. Default: a folder in ``runs`` whose name
            follows from the data and the keys, so that the same call finds it again.
        base: a pretrained model to teach by a low-rank adapter: smollm2, qwen-coder, a hub id, a folder or a GGUF file.
            It understands questions put in other words. What it was never told it answers from what it knows; see
            `gatllm data refusals` for teaching it not to.
        report: told how far it is.
        keys: override keys of the recipe; two underscores stand for the dot: ``train__minutes=5``.

    Raises:
        UsageError: the data has no such form, or nothing in it is a question with an answer.
    """

    def __init__(
        self, data: object, out: str | Path | None = None, *, base: str = "", report: Report = silent, **keys: Any
    ) -> None:
        self._source = Path(data) if isinstance(data, str | Path) else Rows(data, "questions")
        self._out = None if out is None else Path(out)
        self._base = base
        self._report = report
        self._keys = {key.replace("__", "."): value for key, value in keys.items()}
        self.run: Run | None = None
        self._loaded: tuple[Seq2Seq, Tokenizer] | None = None
        self._known: Known | None = None
        self._lm: PretrainedLM | None = None

    def fit(self) -> Self:
        """Learn the answers: until each is given word for word, or the budget is spent.

        The same call resumes a run that was interrupted, and loads one that is finished.

        Raises:
            UsageError: a key is unknown.
            GatllmError: the data can't be read, or training fails.
        """
        from gatllm.models import Seq2Seq, load_run

        path = self._out or Path("runs") / f"text-generation-{self._name()}"
        dataset = self._dataset(path)
        if self._base:
            from gatllm.models.tuned import load_lm

            self.run = train(
                Recipe.of(_tuned_recipe(path.name, dataset, self._base), self._keys), path, report=self._report
            )
            self._lm = load_lm(path, dtype="float32")
            return self
        self.run = train(Recipe.of(_recipe(path.name, dataset), self._keys), path, report=self._report)
        loaded = load_run(path)
        if not isinstance(loaded.model, Seq2Seq):
            raise UsageError("questions and answers need an encoder-decoder", 'leave model.kind at "seq2seq"')
        self._loaded = loaded.model, loaded.tokenizer
        keyed = [(record["origin"], (record["prompt"], record["text"])) for record in dataset.records()]
        self._known = Known(divide(keyed).train)  # what was held back it was never told
        return self

    def _name(self) -> str:
        source = self._source
        content = [[item.prompt, item.read().decode("utf-8", "replace")] for item in _items(source)]
        keys = {key: str(value) for key, value in self._keys.items()} | ({"base": self._base} if self._base else {})
        return digest([content, keys])[:8]

    def _dataset(self, path: Path) -> Dataset:
        """Build the dataset of the pairs as they are: they are their owner's, so none is taken for a repetition."""
        options = Options(near=0.0, secrets="keep", addresses="keep")
        dataset = build(self._source, path.with_name(f"{path.name}-data"), options=options, replace=True)
        if not all(record.get("prompt") for record in dataset.records()):
            raise UsageError(f"{self._source} holds no questions and answers", 'write {"question": "answer"}')
        if left_out := list(dataset.rejected()):
            first = f"{left_out[0]['origin']}: {left_out[0]['reasons'][0].get('message', '')}"
            self._report(Progress("data", len(dataset), note=f"{len(left_out):,} entries are left out ({first})"))
        return dataset

    @overload
    def answer(self, question: str, *, n: Literal[1] = 1, **sampling: Any) -> str: ...
    @overload
    def answer(self, question: Sequence[str], *, n: Literal[1] = 1, **sampling: Any) -> list[str]: ...
    @overload
    def answer(self, question: str | Sequence[str], *, n: int, **sampling: Any) -> Any: ...

    def answer(self, question: str | Sequence[str], *, n: int = 1, **sampling: Any) -> Any:
        """Return the answer to a question, or those to several, asked side by side.

        A question that resembles none it was told gets "I do not know", not the answer to the nearest one.

        Args:
            question: one question or several.
            n: answers to each; above 1 each question has a list of them (with a ``temperature``: they differ).
            sampling: as `gatllm.inference.Sampling`, greedy by default.

        Raises:
            UsageError: it has learnt nothing yet.
            ContextOverflowError: a question is longer than the model reads.
        """
        from gatllm.inference import Sampling, generate

        questions = [question] if isinstance(question, str) else list(question)
        if self._lm is not None:
            said = self._asked(self._lm, questions, n, sampling)
            return said[0] if isinstance(question, str) else said
        model, tokenizer = self._fitted()
        options = Sampling(**{"n": n, **sampling})
        known = self._known
        asked = [one for one in questions if known is None or one in known]
        written = iter(generate(model, tokenizer, asked, options) if asked else [])
        groups = [
            [answer.text for answer in next(written)] if known is None or one in known else [I_DO_NOT_KNOW] * n
            for one in questions
        ]
        answers: list[Any] = [group[0] for group in groups] if n == 1 else list(groups)
        return answers[0] if isinstance(question, str) else answers

    def _asked(self, lm: PretrainedLM, questions: Sequence[str], n: int, sampling: dict[str, Any]) -> list[Any]:
        """Return the answers of a pretrained model that was taught, as `answer` does."""
        from gatllm.models import ChatOptions

        rows: list[list[Message]] = [[{"role": "user", "content": text}] for text in questions for _ in range(n)]
        try:
            options = ChatOptions(**{"max_new_tokens": 128, **sampling})
        except TypeError as error:
            raise UsageError(f"a pretrained model has no such option: {error}", "see models.ChatOptions") from None
        texts = [one.text.strip() for one in lm.generate(rows, options)]
        return texts if n == 1 else [texts[at : at + n] for at in range(0, len(texts), n)]

    def get_embeddings(self, texts: str | Sequence[str], *, mask: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Return position-encoded contextual embeddings, (batch, max tokens, width); zeros after a text's end.

        With ``mask`` also where a token is: (batch, max tokens), bool.

        Raises:
            UsageError: it has learnt nothing yet.
            ContextOverflowError: a text is longer than the model reads.
        """
        from gatllm.inference import get_embeddings

        if self._lm is not None:
            raise UsageError("a pretrained base gives no embeddings here", "leave out base")
        return get_embeddings(*self._fitted(), texts, mask=mask)

    @property
    def held_out(self) -> int:
        """How many pairs were held back from learning, to measure by."""
        return int(self.run.metrics.get("held_out", 0)) if self.run is not None else 0

    def _fitted(self) -> tuple[Seq2Seq, Tokenizer]:
        if self._loaded is None:
            raise UsageError("it has learnt nothing yet", "call .fit() first")
        return self._loaded


def _items(source: Path | Rows) -> Any:
    from gatllm.data import Columns, open_source

    return source.items(Columns()) if isinstance(source, Rows) else open_source(str(source))


def _tuned_recipe(name: str, dataset: Dataset, base: str) -> dict[str, Any]:
    """Return the recipe that teaches a pretrained model by its adapter: few pairs are gone through often."""
    from gatllm.models.tuned import positions_of

    passes = max(3, min(40, 2000 // max(len(dataset), 1)))
    context = min(256, positions_of(base))
    return {
        "name": name,
        "objective": "chat",
        "data": {"source": str(dataset.path)},
        "model": {"kind": "pretrained", "base": base, "adapter": "lora", "rank": 16, "context": context},
        "train": {
            "epochs": passes,
            "batch": 4,
            "optimizer": "adamw",
            "lr": 1e-3 if len(dataset) < _FEW else 2e-4,
            "betas": [0.9, 0.999],
            "warmup": 0.1,
            "evaluations": min(10, passes),
            "samples": 2,
            "checkpoints": 5,
            "keep": 1,
        },
    }


def _recipe(name: str, dataset: Dataset) -> dict[str, Any]:
    records = list(dataset.records())
    longest = {key: max(len(record[key].encode()) for record in records) for key in ("prompt", "text")}
    steps = max(_FEWEST_STEPS, _EPOCHS * -(-len(records) // _BATCH))
    return {
        "name": name,
        "objective": "seq2seq",
        # A token is a byte at the least: what has so many bytes fits into so many tokens.
        "data": {
            "source": str(dataset.path),
            "source_tokens": min(_LONGEST, max(128, longest["prompt"])),
            "target_tokens": min(_LONGEST, max(64, longest["text"])),
            "validation_limit": 512,
        },
        # Bytes at the least: any question can be read, whatever its letters.
        "tokenizer": {"kind": "bpe", "size": 1024},
        "model": {"kind": "seq2seq", "layers": 2, "heads": 4, "width": 128},
        "train": {
            "steps": steps,
            "batch": min(_BATCH, len(records)),
            "optimizer": "muon",
            "lr": 3e-3,
            "matrix_lr": 0.02,
            "evaluations": min(200, steps // _STEPS_PER_LOOK),
            "samples": 5,
            "select": "best",
            "measure": "learnt",
            "until": {"learnt": 1.0},
        },
    }
