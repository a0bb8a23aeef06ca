"""Reading ahead writes the very tokens that a step for each would have written, in fewer steps."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gatllm.models.chat import ChatOptions
from gatllm.models.engine import Engine
from gatllm.models.lookup import Lookup
from gatllm.models.pretrained import PretrainedLM
from tests.models.growing import Grown, grow
from tests.models.tiny_lm import write_tiny_lm


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> PretrainedLM:
    return PretrainedLM.load(write_tiny_lm(tmp_path_factory.mktemp("tiny") / "lm"), dtype="float32", device="cpu")


@contextmanager
def steps(lm: PretrainedLM) -> Iterator[list[int]]:
    """Yield a list that gets the last position of each step."""
    places: list[int] = []
    hook = lm.model.register_forward_pre_hook(
        lambda _module, _arguments, given: places.append(int(given["position_ids"].max())), with_kwargs=True
    )
    yield places
    hook.remove()


def written(lm: PretrainedLM, prompt: list[int], tokens: int, ahead: int) -> tuple[Grown, int]:
    """Return what was written, and how often the model was called."""
    with steps(lm) as calls:
        [grown] = grow(Engine(lm.model, ahead=ahead), [(prompt, ChatOptions(tokens))])
    return grown, len(calls)


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
    plain, _ = written(lm, prompt, 25, 0)
    engine = Engine(lm.model, ahead=ahead)
    [fast] = grow(engine, [(prompt, ChatOptions(25))])
    assert fast.tokens == plain.tokens
    assert fast.logprobs == pytest.approx(plain.logprobs, abs=1e-4)
    # What is left behind is right wherever the text was broken off: the next text begins with it.
    again = [*prompt, *plain.tokens, 7]
    assert grow(engine, [(again, ChatOptions(5))])[0].tokens == written(lm, again, 5, 0)[0].tokens


def test_a_text_that_repeats_takes_fewer_steps(lm: PretrainedLM) -> None:
    prompt = [40, 41, 42, 43] * 5
    assert written(lm, prompt, 60, 0)[1] == 60
    assert written(lm, prompt, 60, 7)[1] < 30


def test_nothing_is_read_beyond_the_last_place_of_the_model(lm: PretrainedLM) -> None:
    prompt = [40, 41, 42, 43] * 5
    with steps(lm) as places:
        grow(Engine(lm.model, ahead=7), [(prompt, ChatOptions(128 - len(prompt)))])
    assert max(places) <= 127


def test_drawn_texts_read_nothing_ahead(lm: PretrainedLM) -> None:
    prompt, drawn = [40, 41, 42, 43] * 5, ChatOptions(20, temperature=0.9, seed=3)
    with steps(lm) as calls:
        [fast] = grow(Engine(lm.model, ahead=7), [(prompt, drawn)])
    assert len(calls) == 20
    assert fast.tokens == grow(Engine(lm.model), [(prompt, drawn)])[0].tokens


def test_weights_of_eight_bits_read_ahead_and_float_ones_on_a_processor_do_not(
    lm: PretrainedLM, tmp_path: Path
) -> None:
    from gatllm.models import int8

    assert lm._engine._ahead == 0
    assert torch.device(lm.model.device).type == "cpu"
    if int8.is_available():
        int8.write_int8(lm.model, tmp_path)
        assert PretrainedLM(int8.read_int8(tmp_path), lm.tokenizer, "packed")._engine._ahead > 0
