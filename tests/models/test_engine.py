"""Answers that grow together are those that each would have been alone, and none can harm another."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from gatllm.models import int8
from gatllm.models.chat import ChatOptions, Completion, Message
from gatllm.models.engine import Engine
from gatllm.models.pretrained import QWEN_CODER, PretrainedLM, cached_weights
from tests.models.growing import Grown, grow, start
from tests.models.tiny_lm import write_tiny_lm

PROMPTS = [[at * 17 + 5, *range(40 + at, 48 + 3 * at)] for at in range(8)]  # each begins otherwise
GREEDY = [ChatOptions(20)] * 8
DRAWN = [ChatOptions(20, temperature=0.9, top_p=0.95, seed=at) for at in range(8)]


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> PretrainedLM:
    return PretrainedLM.load(write_tiny_lm(tmp_path_factory.mktemp("tiny") / "lm"), dtype="float32", device="cpu")


def gpt2() -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(vocab_size=300, n_positions=128, n_embd=32, n_layer=2, n_head=4))


def windowed() -> Any:
    from transformers import MistralConfig, MistralForCausalLM

    config = MistralConfig(
        vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, sliding_window=8,
    )  # fmt: skip
    return MistralForCausalLM(config)


def older() -> Any:
    """A model with attention code of its own, which the library can't exchange."""
    from transformers import BloomConfig, BloomForCausalLM

    return BloomForCausalLM(BloomConfig(vocab_size=300, hidden_size=32, n_layer=2, n_head=4))


@contextmanager
def before_each_step(model: Any, act: Callable[[list[int]], None]) -> Iterator[None]:
    hook = model.register_forward_pre_hook(
        lambda _module, _arguments, given: act(given["input_ids"][0].tolist()), with_kwargs=True
    )
    yield
    hook.remove()


def alone(model: Any, options: list[ChatOptions]) -> list[Grown]:
    """Each by an engine of its own: nothing is shared."""
    return [grow(Engine(model), [asked])[0] for asked in zip(PROMPTS, options, strict=True)]


@pytest.mark.parametrize("options", [GREEDY, DRAWN], ids=["greedy", "drawn"])
@pytest.mark.parametrize("make", [None, gpt2, windowed, older], ids=["llama", "gpt2", "windowed", "older"])
def test_together_as_alone(lm: PretrainedLM, make: Callable[[], Any] | None, options: list[ChatOptions]) -> None:
    model = make().eval() if make else lm.model
    together = grow(Engine(model), list(zip(PROMPTS, options, strict=True)))
    for one, other in zip(together, alone(model, options), strict=True):
        assert one.tokens == other.tokens
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_one_that_is_read_anew_for_each_token_says_the_same(lm: PretrainedLM) -> None:
    """Without any cache, by 🤗 Transformers' own attention."""
    [grown] = grow(Engine(lm.model), [(PROMPTS[1], ChatOptions(12))])
    tokens = list(PROMPTS[1])
    with torch.inference_mode():
        for token in grown.tokens:
            assert int(lm.model(torch.tensor([tokens])).logits[0, -1].argmax()) == token
            tokens.append(token)


@pytest.mark.skipif(not int8.is_available(), reason="no kernels for eight bits")
def test_with_eight_bits_even_the_rounding_is_that_of_a_text_alone(lm: PretrainedLM, tmp_path: Path) -> None:
    int8.write_int8(lm.model, tmp_path)
    model = int8.read_int8(tmp_path)
    together = grow(Engine(model), list(zip(PROMPTS, DRAWN, strict=True)))
    assert [each.logprobs for each in together] == [each.logprobs for each in alone(model, DRAWN)]


def test_who_comes_later_joins(lm: PretrainedLM) -> None:
    """The first has said something, and says the rest beside the others, in steps that read a token of each."""
    engine, sizes = Engine(lm.model), []
    reached, go_on = threading.Event(), threading.Event()

    def watch(tokens: list[int]) -> None:
        sizes.append(len(tokens))
        if len(sizes) == 5:
            reached.set()
            assert go_on.wait(30)

    with before_each_step(lm.model, watch):
        [(_, first)] = start(engine, [(PROMPTS[0], GREEDY[0])])
        assert reached.wait(30)
        later = start(engine, list(zip(PROMPTS[1:], GREEDY[1:], strict=True)))
        go_on.set()
        for grown in [first, *(grown for _, grown in later)]:
            grown.wait()
    assert sizes.count(8) > 10
    assert [each.tokens for each in (first, *(grown for _, grown in later))] == [
        each.tokens for each in alone(lm.model, GREEDY)
    ]


def test_who_leaves_is_not_read_any_more_and_the_others_go_on(lm: PretrainedLM) -> None:
    engine, sizes = Engine(lm.model), []
    rows: list[Any] = []

    def watch(tokens: list[int]) -> None:
        sizes.append(len(tokens))
        if len(sizes) == 4:
            rows[2][0].over = True

    with before_each_step(lm.model, watch):
        rows += start(engine, list(zip(PROMPTS[:3], GREEDY[:3], strict=True)))
        for _, grown in rows[:2]:
            grown.wait()
    assert sizes[3] == 3
    assert set(sizes[4:]) == {2}  # from the very next step on
    assert len(rows[2][1].tokens) < 20
    assert [grown.tokens for _, grown in rows[:2]] == [each.tokens for each in alone(lm.model, GREEDY)[:2]]


def test_one_that_fails_fails_alone(lm: PretrainedLM) -> None:
    """In the model, or where its token is taken."""
    engine, calls = Engine(lm.model), []

    def refuse(tokens: list[int]) -> None:
        calls.append(tokens)
        if 251 in tokens:
            raise RuntimeError("this one can't be read")

    with before_each_step(lm.model, refuse):
        asked = [*zip(PROMPTS[:3], GREEDY[:3], strict=True), ([250, 251, 252], ChatOptions(20))]
        *good, bad = grow(engine, asked)
    assert str(bad.error) == "this one can't be read"
    expected = [each.tokens for each in alone(lm.model, GREEDY)]
    assert [each.tokens for each in good] == expected[:3]

    rows = start(engine, list(zip(PROMPTS[3:6], GREEDY[3:6], strict=True)))
    broken = rows[0][0]
    broken.take = lambda token, logprob: bool(1 // 0)
    for _, grown in rows:
        grown.wait()
    assert isinstance(rows[0][1].error, ZeroDivisionError)
    assert [grown.tokens for _, grown in rows[1:]] == expected[4:6]


def test_a_long_prompt_is_read_beside_the_tokens_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatllm.models.engine._PART", 16)
    model = PretrainedLM.load(write_tiny_lm(tmp_path / "lm", context=512), dtype="float32", device="cpu").model
    engine, sizes = Engine(model), []
    long = [3 + at * 7 % 260 for at in range(200)]
    with before_each_step(model, lambda tokens: sizes.append(len(tokens))):
        short, other = grow(engine, [(PROMPTS[0], ChatOptions(40)), (long, ChatOptions(5))])
    assert max(sizes) <= 16 + 1
    assert sizes.count(17) > 8  # a part of the prompt and a token of the other
    assert short.tokens == grow(Engine(model), [(PROMPTS[0], ChatOptions(40))])[0].tokens
    assert other.tokens == grow(Engine(model), [(long, ChatOptions(5))])[0].tokens


def test_the_same_prompt_is_read_once(lm: PretrainedLM) -> None:
    read: list[int] = []
    prompt = PROMPTS[7] * 3
    drawn = [(prompt, ChatOptions(3, temperature=1.0, seed=seed)) for seed in range(4)]
    with before_each_step(lm.model, lambda tokens: read.append(len(tokens))):
        together = grow(Engine(lm.model), drawn)
    assert sum(read) <= len(prompt) + 3 + 4 * 3
    assert [each.tokens for each in together] == [grow(Engine(lm.model), [one])[0].tokens for one in drawn]


def test_kept_texts_are_bounded_and_later_turns_replace_earlier_ones(
    lm: PretrainedLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatllm.models.engine._KEPT", 60)
    monkeypatch.setattr("gatllm.models.engine._IDLE", 0.05)
    engine = Engine(lm.model)
    [first] = grow(engine, [(PROMPTS[4], ChatOptions(5))])
    turn = [*PROMPTS[4], *first.tokens, 9]
    grow(engine, [(turn, ChatOptions(5))])
    for prompt in PROMPTS[5:]:
        grow(engine, [(prompt, ChatOptions(5))])
        assert sum(len(tokens) for tokens, _ in engine._kept) <= 60
    assert not any(tokens == turn[: len(tokens)] for tokens, _ in engine._kept[:-1] if len(tokens) < len(turn) - 1)


def test_the_thread_ends_when_there_is_nothing_to_do_and_begins_again(
    lm: PretrainedLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatllm.models.engine._IDLE", 0.05)
    engine = Engine(lm.model)
    [once] = grow(engine, [(PROMPTS[0], ChatOptions(3))])
    until = time.monotonic() + 30
    while engine._thread is not None and time.monotonic() < until:
        time.sleep(0.02)
    assert engine._thread is None
    assert grow(engine, [(PROMPTS[0], ChatOptions(3))])[0].tokens == once.tokens


def test_many_readers_at_once(lm: PretrainedLM) -> None:
    """Streams of many threads, some of which are closed on the way: each gets its own answer."""
    asked: list[list[Message]] = [[{"role": "user", "content": f"{at}: say {'x' * at}"}] for at in range(12)]
    expected = [lm.generate([one], ChatOptions(24, temperature=0.8, seed=at))[0].text for at, one in enumerate(asked)]
    found: dict[int, str] = {}

    def read(at: int) -> None:
        pieces = lm.stream(asked[at], ChatOptions(24, temperature=0.8, seed=at))
        for number, piece in enumerate(pieces):
            if isinstance(piece, Completion):
                found[at] = piece.text
            elif at % 3 == 2 and number == 2:
                break

    threads = [threading.Thread(target=read, args=(at,)) for at in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {at: text for at, text in found.items() if at % 3 != 2} == {
        at: text for at, text in enumerate(expected) if at % 3 != 2
    }


@pytest.mark.slow
@pytest.mark.skipif(cached_weights(QWEN_CODER) is None, reason="the default generator is not on this machine")
def test_the_default_generator_says_to_eight_at_once_what_it_says_to_each() -> None:
    lm = PretrainedLM.load(dtype="int8")
    subjects = ("list", "dictionary", "generator", "decorator", "context manager", "closure", "set", "deque")
    asked: list[list[Message]] = [
        [{"role": "user", "content": f"Explain in plain words what a {subject} is."}] for subject in subjects
    ]
    for options in (ChatOptions(24), ChatOptions(24, temperature=0.8, seed=5)):
        together: dict[int, str] = {}

        def read(at: int, options: ChatOptions = options, together: dict[int, str] = together) -> None:
            *_, last = lm.stream(asked[at], options)
            assert isinstance(last, Completion)
            together[at] = last.text

        lm.generate([asked[0]], options)  # what all begin with is known in either way
        threads = [threading.Thread(target=read, args=(at,)) for at in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        alone_ = {at: lm.generate([one], options)[0].text for at, one in enumerate(asked)}
        assert sum(together[at] == alone_[at] for at in range(8)) == 8
