"""``gatllm sample`` and ``gatllm embed``: text and vectors from a trained model."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from gatllm.cli.console import note, print_json, table
from gatllm.cli.options import Device, RunFolder
from gatllm.cli.sampling_options import SamplingOptions
from gatllm.errors import GatllmError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from gatllm.inference import Sampling
    from gatllm.models import LoadedRun

_STDIN = "/dev/stdin"  # what "-" arrives as
_DEFAULTS = SamplingOptions()


def sample(
    run: RunFolder,
    prompts: Annotated[list[str] | None, Parameter(negative="")] = None,
    *,
    drawn: SamplingOptions = _DEFAULTS,
    device: Device = "cpu",
    fast: bool = False,
    quiet: bool = False,
    json: bool = False,
) -> None:
    """Generate text from a trained model: a GPT continues each prompt, an encoder-decoder answers it.

    Parameters
    ----------
    prompts
        What to begin with; "-" reads standard input. Without any, a GPT begins a new text.
    fast
        Compute in bfloat16 with weights laid out for this processor (rounds differently, so other answers).
    quiet
        Print the answers only: no prompt, no speed.
    json
        Print JSON: text, tokens, log-probabilities, why it ended.
    """
    from gatllm.inference import packed
    from gatllm.models import GPT, Seq2Seq, load_run
    from gatllm.models.tuned import is_pretrained

    if is_pretrained(run):
        from gatllm.cli.sample_pretrained import sample_pretrained

        sample_pretrained(
            run, _read(prompts) or [""], drawn.chat_options(), drawn.n, device=device, quiet=quiet, json=json
        )
        return
    loaded = load_run(run, device=device)
    if fast and device == "cpu" and isinstance(loaded.model, GPT | Seq2Seq):
        loaded = replace(loaded, model=packed(loaded.model))
    sampling = drawn.sampling("stop" if isinstance(loaded.model, Seq2Seq) else "slide")
    texts = _read(prompts)
    if not texts and isinstance(loaded.model, Seq2Seq):
        raise UsageError("an encoder-decoder answers a prompt", "give one")
    texts = texts or [""]
    if json:
        _print_answers(loaded, texts, sampling)
    else:
        _print_text(loaded, texts, sampling, quiet=quiet)


def _read(prompts: list[str] | None) -> list[str]:
    return [sys.stdin.read() if prompt == _STDIN else prompt for prompt in prompts or []]


def _print_answers(loaded: LoadedRun, texts: list[str], sampling: Sampling) -> None:
    from gatllm.inference import generate

    def describe(token: int, logprob: float) -> dict[str, Any]:
        return {"id": token, "text": loaded.tokenizer.decode([token]), "logprob": round(logprob, 6)}

    answers = generate(loaded.model, loaded.tokenizer, texts, sampling)
    print_json(
        [
            {
                "prompt": texts[answer.prompt],
                "sample": answer.sample,
                "text": answer.text,
                "finish": answer.finish,
                "prompt_tokens": answer.prompt_tokens,
                "tokens": list(answer.tokens),
                "logprobs": [round(value, 6) for value in answer.logprobs],
                **({"top_logprobs": [[describe(*one) for one in top] for top in answer.top_logprobs]}
                   if sampling.top_logprobs else {}),
            }
            for group in answers
            for answer in group
        ]
    )  # fmt: skip


def _print_text(loaded: LoadedRun, texts: list[str], sampling: Sampling, *, quiet: bool) -> None:
    """Stream a single answer; print several one after the other."""
    import time

    from gatllm.inference import stream

    start, count = time.perf_counter(), 0
    single = len(texts) * sampling.n == 1
    wholes = []
    # A GPT continues its prompt, so that both together are the text; an answer stands alone.
    shown = [text if loaded.model.config.kind == "gpt" and not quiet else "" for text in texts]
    pieces = stream(loaded.model, loaded.tokenizer, texts, sampling)  # a prompt that can't be read is an error here
    if single:
        _write(shown[0])
    for piece in pieces:
        if single:
            _write(piece.text)
        if piece.whole is not None:
            wholes.append(piece.whole)
            count += len(piece.whole.tokens)
    if single:
        _write("\n")
    for answer in sorted(wholes, key=lambda one: (one.prompt, one.sample)) if not single else []:
        if not quiet:
            note(f"--- prompt {answer.prompt + 1}, answer {answer.sample + 1} ({answer.finish})")
        _write(f"{shown[answer.prompt]}{answer.text}\n")
    if not quiet:
        seconds = time.perf_counter() - start
        note(f"{count:,} tokens in {seconds:.2f} s, {count / max(seconds, 1e-9):,.0f} tokens/s, seed {sampling.seed}")


def _write(text: str) -> None:
    # Text can hold lone surrogates, which a strict stream refuses.
    sys.stdout.write(text.encode("utf-8", "replace").decode("utf-8"))
    sys.stdout.flush()


def embed(
    run: RunFolder,
    sentences: Annotated[list[str], Parameter(negative="")],
    *,
    tokens: bool = False,
    out: Path | None = None,
    device: Device = "cpu",
    json: bool = False,
) -> None:
    """Turn sentences into vectors of a trained model, and show how close they are to each other.

    Parameters
    ----------
    sentences
        The texts; "-" reads standard input, one text a line.
    tokens
        One vector for each token instead of one for each text: shape (batch, most tokens, width).
    out
        A .safetensors file for the vectors ("embeddings") instead of printing.
    json
        Print the vectors as JSON.
    """
    from gatllm.inference import get_embeddings, pooled_embeddings
    from gatllm.models import load_run, save_weights
    from gatllm.models.tuned import is_pretrained

    texts = [line for text in sentences for line in (sys.stdin.read().splitlines() if text == _STDIN else [text])]
    if not texts:
        raise GatllmError("no text on standard input", "write one text a line")
    if is_pretrained(run):
        vectors = _embedded(run, texts, device, tokens=tokens)
    else:
        loaded = load_run(run, device=device)
        vectors = (get_embeddings if tokens else pooled_embeddings)(loaded.model, loaded.tokenizer, texts).cpu()
    if out is not None:
        save_weights(out, {"embeddings": vectors}, {"kind": "tokens" if tokens else "pooled"})
        note(f"{out}: embeddings {tuple(vectors.shape)}")
    elif json:
        print_json({"shape": list(vectors.shape), "embeddings": vectors.tolist()})
    elif tokens:
        rows = [(text, *values) for text, values in zip(texts, vectors.norm(dim=-1).tolist(), strict=True)]
        names = [str(place + 1) for place in range(vectors.shape[1])]
        table(f"lengths of the vectors of {tuple(vectors.shape)}", ("text", *names), [_short(row) for row in rows])
    else:
        names = [str(place + 1) for place in range(len(texts))]
        rows = [(text, *values) for text, values in zip(texts, (vectors @ vectors.T).tolist(), strict=True)]
        table(f"cosine similarity, {tuple(vectors.shape)}", ("text", *names), [_short(row) for row in rows])


def _embedded(run: Path, texts: list[str], device: str, *, tokens: bool) -> Tensor:
    """Return the vectors of a pretrained model, (texts, width).

    Raises:
        UsageError: one for each token is wanted.
    """
    import torch

    from gatllm.models.tuned import load_lm

    if tokens:
        raise UsageError(f"{run} is a pretrained model: it gives one vector for each text", "leave out --tokens")
    return torch.tensor(load_lm(run, device=device).embed(texts)[0])


def _short(row: tuple[Any, ...]) -> tuple[str, ...]:
    text = " ".join(str(row[0]).split())
    return (text if len(text) <= 40 else text[:39] + "…", *(f"{value:.3f}" for value in row[1:]))
