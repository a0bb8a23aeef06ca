"""Hidden states: those that the library's own reading gives, whoever else reads with the model."""

from pathlib import Path
from threading import Thread

import pytest
import torch

from gatllm.models import ChatOptions, ContextOverflowError, Message, PretrainedLM, StateReader
from gatllm.models.states import layer_states
from tests.models.tiny_lm import write_tiny_lm

ASKED: list[Message] = [{"role": "user", "content": "add two numbers"}]
ANSWER = "x = 1 + 2"


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> PretrainedLM:
    torch.set_num_threads(1)
    folder: Path = write_tiny_lm(tmp_path_factory.mktemp("tiny") / "lm")
    return PretrainedLM.load(folder, dtype="float32", device="cpu")


def hooks(lm: PretrainedLM) -> list[int]:
    return [len(block._forward_hooks) for block in lm.model.base_model.layers]  # the library leaves some of its own


def test_the_states_are_those_of_the_library(lm: PretrainedLM) -> None:
    assert isinstance(lm, StateReader)
    head = lm.count_tokens(ASKED)
    whole = [*ASKED, {"role": "assistant", "content": ANSWER}]
    tokens = lm._format.encode(whole)  # type: ignore[arg-type]
    with torch.inference_mode():
        known = lm.model.base_model(torch.tensor([tokens]), output_hidden_states=True).hidden_states
    layers = range(1, len(lm.model.base_model.layers))  # behind the last one comes a norm
    found = lm.states(ASKED, ANSWER, layers)
    assert [*found] == [*layers]
    for layer in layers:
        last, mean = found[layer]
        assert last == pytest.approx(known[layer][0, head - 1].tolist(), abs=1e-5)
        assert mean == pytest.approx(known[layer][0, head:].mean(0).tolist(), abs=1e-5)
        assert lm.states(ASKED, "", [layer])[layer] == (pytest.approx(last, abs=1e-5), [])


def test_whoever_reads_beside_is_not_stopped(lm: PretrainedLM) -> None:
    before, options = hooks(lm), ChatOptions(max_new_tokens=12, temperature=0.0)
    alone, state = lm.generate([ASKED], options), lm.states(ASKED, ANSWER, [1])
    answers, states = [], []
    threads = [
        Thread(target=lambda: answers.append(lm.generate([ASKED], options))),
        Thread(target=lambda: states.extend(lm.states(ASKED, ANSWER, [1]) for _ in range(30))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert [one.text for row in answers for one in row] == [one.text for one in alone]
    assert states == [state] * 30
    assert hooks(lm) == before


def test_what_fails_leaves_no_hook(lm: PretrainedLM) -> None:
    before = hooks(lm)
    with pytest.raises(IndexError):
        layer_states(lm.model, [10**9], [1])
    assert hooks(lm) == before
    with pytest.raises(ContextOverflowError):
        lm.states([{"role": "user", "content": "x " * lm.context}], "", [1])
