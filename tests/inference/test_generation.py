"""Batched, cached, streamed: always the text that the plain loop would write."""

import itertools
import threading
from typing import Any

import pytest
import torch

from gatllm.errors import GatllmError, UsageError
from gatllm.inference import Prefix, Sampling, generate, stream
from gatllm.models import GPT, DiscriminatorConfig, GPTConfig, Seq2Seq, Seq2SeqConfig, build
from gatllm.models.chat import ContextOverflowError
from gatllm.tokenizers import train_bpe, train_characters

LETTERS = train_characters(["abcdefghijklmnopqrstuvwxyz .!"])
SMALL: dict[str, Any] = {
    "vocabulary": LETTERS.size + 3, "context": 48, "layers": 2, "heads": 2, "width": 16, "initialisation": "orthogonal"
}  # fmt: skip
PROMPTS = ["hello", "a", "the quick brown", ""]
CHOICES = [{}, {"window": 5, "global_tokens": 2}, {"positions": "learned"}]


def gpt(**choice: Any) -> GPT:
    return build(GPTConfig(**SMALL, **choice), seed=4).eval()


def plain(model: GPT, ids: list[int], count: int) -> list[int]:
    """Greedy, uncached, one row."""
    ids = ids or [LETTERS.end_id]
    out: list[int] = []
    with torch.no_grad():
        for _ in range(count):
            logits = model(torch.tensor([ids + out]))[0, -1]
            logits[LETTERS.pad_id] = -torch.inf
            logits[LETTERS.size :] = -torch.inf
            out.append(int(logits.argmax()))
    return out


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_a_batch_of_different_prompts_is_the_plain_loop(choice: dict[str, Any]) -> None:
    model = gpt(**choice)
    answers = generate(model, LETTERS, PROMPTS, Sampling(max_new_tokens=20, ignore_end=True))
    for prompt, (answer,) in zip(PROMPTS, answers, strict=True):
        assert list(answer.tokens) == plain(model, LETTERS.encode(prompt), 20)
        assert answer.finish == "length"
        assert answer.text == LETTERS.decode(answer.tokens)


def test_log_probabilities_are_the_models() -> None:
    model = gpt()
    ((answer,),) = generate(model, LETTERS, ["hello"], Sampling(max_new_tokens=9, top_logprobs=3, temperature=2.0))
    ids = torch.tensor([LETTERS.encode("hello") + list(answer.tokens)])
    with torch.no_grad():
        logits = model(ids)[0, 4:-1]
    logits[:, LETTERS.pad_id] = -torch.inf
    logits[:, LETTERS.size :] = -torch.inf
    expected = logits.log_softmax(-1)
    torch.testing.assert_close(
        torch.tensor(answer.logprobs), expected.gather(1, ids[0, 5:, None])[:, 0], atol=1e-5, rtol=1e-4
    )
    best = expected.topk(3)
    assert [[token for token, _ in top] for top in answer.top_logprobs] == best.indices.tolist()
    assert answer.mean_logprob == pytest.approx(sum(answer.logprobs) / len(answer.logprobs))


def test_an_answer_depends_on_its_seed_and_not_on_its_batch() -> None:
    model, hot = gpt(), Sampling(max_new_tokens=16, temperature=1.5, top_k=9, seed=7, n=3)
    alone = generate(model, LETTERS, ["hello"], hot)[0]
    together = generate(
        model, LETTERS, PROMPTS, [hot, Sampling(max_new_tokens=5), hot, Sampling(max_new_tokens=5, n=2)]
    )
    assert [answer.tokens for answer in together[0]] == [answer.tokens for answer in alone]
    assert [len(group) for group in together] == [3, 1, 3, 2]
    assert [answer.sample for answer in alone] == [0, 1, 2]
    assert len({answer.tokens for answer in alone}) == 3
    assert generate(model, LETTERS, ["hello"], Sampling(**{**hot.model_dump(), "seed": 8}))[0] != alone


def test_stop_strings_and_tokens_end_the_answer() -> None:
    model = gpt()
    ((whole,),) = generate(model, LETTERS, ["hello"], Sampling(max_new_tokens=30, ignore_end=True))
    stop = whole.text[6:8]
    first = whole.text.index(stop)
    pieces = list(stream(model, LETTERS, ["hello"], Sampling(max_new_tokens=30, ignore_end=True, stop=(stop,))))
    assert "".join(piece.text for piece in pieces) == whole.text[:first]
    assert pieces[-1].whole is not None
    assert pieces[-1].whole.finish == "stop"
    token = whole.tokens[4]
    ((short,),) = generate(
        model, LETTERS, ["hello"], Sampling(max_new_tokens=30, ignore_end=True, stop_tokens=(token,))
    )
    assert short.tokens == whole.tokens[: whole.tokens.index(token) + 1]


def test_pieces_are_whole_characters_and_make_the_whole_text() -> None:
    bytes_only = train_bpe(["x"], size=261)
    model = build(
        GPTConfig(vocabulary=bytes_only.size, context=80, layers=1, heads=2, width=16, initialisation="orthogonal")
    )
    text = "naïve 😀 čaj"
    ids = bytes_only.encode(text)

    def forced(states: torch.Tensor) -> torch.Tensor:  # a model that recites, whatever it reads
        logits = torch.zeros(*states.shape[:-1], bytes_only.size)
        logits[..., next(recited)] = 9.0
        return logits

    recited = iter([*ids, bytes_only.end_id])
    model.logits = forced  # type: ignore[method-assign, assignment]
    pieces = list(stream(model, bytes_only, ["x"], Sampling(max_new_tokens=70)))
    assert "".join(piece.text for piece in pieces) == text
    assert all("\ufffd" not in piece.text for piece in pieces)
    assert len(pieces) > len(text) - 3
    assert pieces[-1].whole is not None
    assert (pieces[-1].whole.finish, pieces[-1].whole.text) == ("stop", text)


def test_cancelling_ends_all_rows_and_closing_ends_the_work() -> None:
    cancel = threading.Event()
    got = []
    for piece in stream(
        gpt(), LETTERS, ["hello", "world"], Sampling(max_new_tokens=40, ignore_end=True), cancel=cancel
    ):
        got.append(piece)
        if len(got) == 6:
            cancel.set()
    finished = [piece.whole for piece in got if piece.whole]
    assert [answer.finish for answer in finished] == ["cancelled", "cancelled"]
    assert all(len(answer.tokens) <= 5 for answer in finished)
    flow = stream(gpt(), LETTERS, ["hello"], Sampling(max_new_tokens=40, ignore_end=True))
    next(flow)
    flow.close()


class TestContext:
    def test_the_default_refuses_and_says_both_numbers(self) -> None:
        with pytest.raises(GatllmError, match="5 tokens and an answer of 50 don't fit the context of 48"):
            generate(gpt(), LETTERS, ["hello"], Sampling(max_new_tokens=50))
        assert (
            generate(gpt(), LETTERS, ["hello"], Sampling(max_new_tokens=44, ignore_end=True))[0][0].finish == "length"
        )

    def test_stop_ends_where_the_context_is_full(self) -> None:
        ((answer,),) = generate(
            gpt(), LETTERS, ["hello"], Sampling(max_new_tokens=500, overflow="stop", ignore_end=True)
        )
        assert (answer.finish, len(answer.tokens)) == ("context", 44)

    @pytest.mark.parametrize("choice", CHOICES, ids=str)
    def test_slide_continues_from_the_newest_half(self, choice: dict[str, Any]) -> None:
        model = gpt(**choice)
        sampling = Sampling(max_new_tokens=70, overflow="slide", ignore_end=True)
        answers = generate(model, LETTERS, ["hello", "the quick brown fox jumps over", "abc" * 50], sampling)
        for prompt, (answer,) in zip(["hello", "the quick brown fox jumps over", "abc" * 50], answers, strict=True):
            ids = LETTERS.encode(prompt)
            ids = ids[-24:] if len(ids) > 48 else ids
            out: list[int] = []
            while len(out) < 70:
                count = min(70 - len(out), 49 - len(ids))
                out += (new := plain(model, ids, count))
                ids = [*ids, *new][-24:]
            assert list(answer.tokens) == out

    def test_a_long_prompt_is_refused(self) -> None:
        with pytest.raises(ContextOverflowError):
            generate(gpt(), LETTERS, ["a" * 49], Sampling(overflow="stop"))


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_a_conversation_reads_each_turn_once(choice: dict[str, Any]) -> None:
    model, prefix, sampling = gpt(**choice), Prefix(), Sampling(max_new_tokens=6, ignore_end=True)
    text = LETTERS.encode("hello")
    for turn in range(3):
        ((answer,),) = generate(model, LETTERS, [text], sampling, prefix=prefix)
        assert list(answer.tokens) == plain(model, text, 6)
        assert answer.reused_tokens == (0 if turn == 0 else len(text) - 4)
        text = [*text, *answer.tokens, *LETTERS.encode("and")]
    other = LETTERS.encode("help me")  # shares three letters; a window that has moved on can't go back
    ((answer,),) = generate(model, LETTERS, [other], sampling, prefix=prefix)
    assert list(answer.tokens) == plain(model, other, 6)
    assert answer.reused_tokens == (0 if "window" in choice else 3)


def test_an_encoder_decoder_answers_sources_of_different_lengths() -> None:
    model: Seq2Seq = build(Seq2SeqConfig(**SMALL), seed=4).eval()
    answers = generate(model, LETTERS, PROMPTS, Sampling(max_new_tokens=12, ignore_end=True))
    for prompt, (answer,) in zip(PROMPTS, answers, strict=True):
        source = torch.tensor([LETTERS.encode(prompt) or [LETTERS.end_id]])
        target = [LETTERS.end_id]
        with torch.no_grad():
            for _ in range(12):
                logits = model(source, torch.tensor([target]))[0, -1]
                logits[LETTERS.pad_id] = -torch.inf
                logits[LETTERS.size :] = -torch.inf
                target.append(int(logits.argmax()))
        assert list(answer.tokens) == target[1:]
    with pytest.raises(UsageError, match="nothing to forget"):
        generate(model, LETTERS, ["a"], Sampling(overflow="slide", max_new_tokens=4))


def test_misuse_is_one_line() -> None:
    critic = build(DiscriminatorConfig(**SMALL))
    with pytest.raises(GatllmError, match="a discriminator writes no text"):
        generate(critic, LETTERS, ["a"])
    with pytest.raises(UsageError, match="2 samplings for 1 prompts"):
        generate(gpt(), LETTERS, ["a"], [Sampling(), Sampling()])
    with pytest.raises(UsageError, match="one prompt and one answer"):
        generate(gpt(), LETTERS, ["a", "b"], prefix=Prefix())
    assert generate(gpt(), LETTERS, []) == []


def test_finished_rows_leave_the_batch() -> None:
    model = gpt()
    sizes: list[int] = []
    extend = model.extend

    def counting(tokens: torch.Tensor, *rest: Any) -> torch.Tensor:
        sizes.append(tokens.shape[0])
        return extend(tokens, *rest)

    model.extend = counting  # type: ignore[method-assign]
    requests = [Sampling(max_new_tokens=count, ignore_end=True) for count in (3, 9, 6)]
    generate(model, LETTERS, ["a", "b", "c"], requests)
    assert [(size, len(list(group))) for size, group in itertools.groupby(sizes)] == [(3, 3), (2, 3), (1, 3)]
