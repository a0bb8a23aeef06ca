"""Reading ahead writes the very tokens that a step for each would have written, in fewer steps."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gatllm.models.chat import ChatOptions
from gatllm.models.decoding import Decoder
from gatllm.models.lookup import Lookup
from gatllm.models.pretrained import PretrainedLM
from tests.models.tiny_lm import write_tiny_lm


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> PretrainedLM:
    return PretrainedLM.load(write_tiny_lm(tmp_path_factory.mktemp("tiny") / "lm"), dtype="float32", device="cpu")


def written(lm: PretrainedLM, prompt: list[int], tokens: int, ahead: int, known: Any = None) -> tuple[Any, Any, int]:
    """Return the tokens, their log-probabilities, and how often the model was called; and what is known then."""
    calls = []
    hook = lm.model.register_forward_pre_hook(lambda *_: calls.append(1))
    decoder = Decoder(lm.model, [prompt], ChatOptions(), 0, known, ahead=ahead)
    steps = [decoder.step()[0] for _ in range(tokens)]
    hook.remove()
    return steps, decoder.known(), len(calls)


def test_what_followed_the_last_tokens_is_found() -> None:
    lookup = Lookup([1, 2, 3, 4, 5, 9, 1, 2, 3])
    assert lookup.following(2) == [4, 5]
    lookup.extend([7])
    assert lookup.following(3) == []
    assert Lookup([1, 2, 3, 4]).following(3) == []  # what stands last is not found in itself


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(3, 270), min_size=2, max_size=12), st.integers(1, 4), st.integers(1, 9))
def test_the_text_is_that_of_single_steps(lm: PretrainedLM, part: list[int], times: int, ahead: int) -> None:
    prompt = part * times
    plain, _, _ = written(lm, prompt, 25, 0)
    fast, known, _ = written(lm, prompt, 25, ahead)
    assert [token for token, _ in fast] == [token for token, _ in plain]
    assert [score for _, score in fast] == pytest.approx([score for _, score in plain], abs=1e-4)
    # What is left behind is right wherever the text was broken off: the next text goes on from it.
    text = prompt + [token for token, _ in plain]
    assert known.tokens == text[: len(known.tokens)]
    assert known.cache.get_seq_length() == len(known.tokens)
    again, _, _ = written(lm, [*text, 7], 5, ahead, known)
    assert [token for token, _ in again] == [token for token, _ in written(lm, [*text, 7], 5, 0)[0]]


def test_a_text_that_repeats_takes_fewer_steps(lm: PretrainedLM) -> None:
    prompt = [40, 41, 42, 43] * 5
    _, _, plain = written(lm, prompt, 60, 0)
    _, _, fast = written(lm, prompt, 60, 7)
    assert plain == 60
    assert fast < 30


def test_nothing_is_read_beyond_the_last_place_of_the_model(lm: PretrainedLM) -> None:
    places = []
    hook = lm.model.register_forward_pre_hook(
        lambda _module, _arguments, given: places.append(int(given["position_ids"].max())), with_kwargs=True
    )
    prompt = [40, 41, 42, 43] * 5
    decoder = Decoder(lm.model, [prompt], ChatOptions(), 0, ahead=7)
    for _ in range(128 - len(prompt)):
        decoder.step()
    hook.remove()
    assert max(places) <= 127


def test_drawn_texts_and_several_rows_read_nothing_ahead(lm: PretrainedLM) -> None:
    prompt = [40, 41, 42, 43] * 5
    drawn = ChatOptions(temperature=0.9, seed=3)
    for rows, options in (([prompt], drawn), ([prompt, prompt], ChatOptions())):
        plain, fast = (Decoder(lm.model, rows, options, 0, ahead=ahead) for ahead in (0, 7))
        for _ in range(20):
            one, other = plain.step(), fast.step()
            assert [token for token, _ in one.values()] == [token for token, _ in other.values()]


def test_weights_of_eight_bits_read_ahead_and_float_ones_on_a_processor_do_not(lm: PretrainedLM) -> None:
    assert lm._ahead == 0
    assert torch.device(lm.model.device).type == "cpu"
