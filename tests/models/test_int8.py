"""Weights of eight bits: close to the float maps, the same for a row alone and in a batch, whole after reloading."""

import shutil
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from gatllm.errors import GatllmError
from gatllm.models import int8, pretrained
from gatllm.models.chat import ChatOptions
from gatllm.models.pretrained import PretrainedLM
from gatllm.models.smoothing import largest_inputs
from gatllm.records import file_sha256
from tests.models.tiny_lm import write_tiny_lm

pytestmark = pytest.mark.skipif(not int8.is_available(), reason="this processor has no such kernels")
USER = [{"role": "user", "content": "add two numbers"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_lm(tmp_path_factory.mktemp("tiny") / "lm")


@pytest.mark.parametrize("bias", [True, False])
def test_a_map_is_close_to_its_float_one_whatever_the_size_of_a_row(bias: bool) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(96, 40, bias=bias)
    given = linear.bias.detach() if bias else None
    made = int8.Int8Linear(*int8.quantized(linear.weight.detach()), given)
    x = torch.randn(3, 7, 96) * torch.tensor([1e-3, 1.0, 1e3])[:, None, None]
    with torch.inference_mode():
        wanted, found = linear(x), made(x)
    assert found.shape == wanted.shape
    error = (found - wanted).norm(dim=(1, 2)) / wanted.norm(dim=(1, 2))
    assert float(error.max()) < 0.03


def test_a_map_from_the_inner_width_stays_close_where_a_few_inputs_are_huge() -> None:
    torch.manual_seed(0)
    x = torch.randn(20, 256)
    x[:, 7] *= 300
    errors = []
    for outputs in (64, 200):  # back from the inner width, and any other
        weight, scale = int8.quantized(torch.randn(outputs, 256))
        wanted = x @ (weight.float() * scale[:, None]).T
        wanted -= x[:, 7:8] @ (weight.float() * scale[:, None])[:, 7:8].T
        found = int8.Int8Linear(weight, scale, None)(x) - x[:, 7:8] @ (weight.float() * scale[:, None])[:, 7:8].T
        errors.append(float((found - wanted).norm() / wanted.norm()))
    assert errors[0] < 0.02 < 0.3 < errors[1]


def test_a_sample_smooths_inputs_that_are_always_large(folder: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    for name, norm in model.named_modules():
        if "norm" in name:
            norm.weight.data[3] *= 50
    tokens = torch.tensor([5, 60, 7, 99, 140, 11, 32])
    errors = []
    with torch.inference_mode():
        wanted = model(tokens[None]).logits.log_softmax(-1)
        for sample in (None, torch.tensor([8, 61, 9, 100])):
            place = tmp_path / str(len(errors))
            place.mkdir()
            int8.write_int8(model, place, sample)
            found = int8.read_int8(place)(tokens[None]).logits.log_softmax(-1)
            errors.append(float((wanted.exp() * (wanted - found)).sum(-1).mean()))
    assert errors[1] < errors[0] / 3


def test_a_sample_longer_than_the_positions_is_cut(folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    read = []
    model.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].shape[1]))
    model.config.max_position_embeddings = 8
    assert largest_inputs(model, torch.arange(5, 25)).keys() >= {"lm_head"}
    assert read == [8]


def test_a_row_does_not_depend_on_what_else_is_in_the_batch() -> None:
    torch.manual_seed(0)
    made = int8.Int8Linear(*int8.quantized(torch.randn(24, 64)), None)
    rows = torch.randn(5, 64) * torch.tensor([1.0, 100.0, 1e-4, 3.0, 0.0])[:, None]
    with torch.inference_mode():
        together = made(rows)
        for at, row in enumerate(rows):
            assert torch.equal(made(row[None])[0], together[at])


def test_large_products_do_not_overflow() -> None:
    """Sums of 8 by 8 bits would leave 16 bits on a processor without VNNI."""
    made = int8.Int8Linear(torch.full((8, 64), 127, dtype=torch.int8), torch.ones(8), None)
    with torch.inference_mode():
        assert made(torch.ones(1, 64)).tolist() == [[pytest.approx(127 * 64)] * 8]
        assert made(-torch.ones(1, 64)).tolist() == [[pytest.approx(-127 * 64)] * 8]


def test_written_and_read_it_is_the_model_again(folder: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    int8.write_int8(model, tmp_path)
    assert int8.is_int8(tmp_path)
    assert not int8.is_int8(folder)
    again = int8.read_int8(tmp_path)
    tokens = torch.tensor([[5, 60, 7, 99, 140]])
    with torch.inference_mode():
        wanted, found = model(tokens).logits.log_softmax(-1), again(tokens).logits.log_softmax(-1)
    assert float((wanted - found).abs().max()) < 0.1
    assert again.device.type == "cpu"
    assert again.get_input_embeddings().weight.shape[0] == model.config.vocab_size
    assert not any(tensor.is_meta for tensor in (*again.parameters(), *again.buffers()))


def test_the_copy_in_the_cache_is_made_once_and_again_where_it_is_damaged(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "converted-0123456789abcdef"
    shutil.copytree(folder, source)
    told: list[str] = []
    copy = pretrained._packed(source, "0123456789abcdef" * 4, lambda progress: told.append(progress.task))
    assert [task.startswith("packing") for task in told] == [True]
    assert pretrained._packed(source, "0123456789abcdef" * 4, lambda progress: told.append(progress.task)) == copy
    assert len(told) == 1
    weights = copy / int8.FILE
    good = file_sha256(weights)
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    pretrained._packed(source, "0123456789abcdef" * 4, lambda progress: told.append(progress.task))
    assert (len(told), file_sha256(weights)) == (2, good)
    lm = PretrainedLM.load(copy)
    assert lm.generate([USER], ChatOptions(max_new_tokens=5))[0].completion_tokens == 5  # type: ignore[list-item]


def test_a_cut_copy_is_one_clear_line(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "converted-0123456789abcdef"
    shutil.copytree(folder, source)
    copy = pretrained._packed(source, "0123456789abcdef" * 4, lambda _: None)
    (copy / int8.FILE).write_bytes((copy / int8.FILE).read_bytes()[:-64])
    with pytest.raises(GatllmError, match="can't load a language model"):
        PretrainedLM.load(copy)


def test_the_speed_of_maps_is_that_of_one_of_them() -> None:
    """Not a time of its own: however quick the machine is, the same map tells the same order of magnitude."""
    torch.set_num_threads(1)
    told = int8.weights_per_second()
    made = int8.Int8Linear(torch.ones(8960, 1536, dtype=torch.int8), torch.full((8960,), 0.01), None)
    row = torch.ones(1, 1536)
    spent = []
    with torch.inference_mode():
        for _ in range(20):
            began = time.perf_counter()
            made(row)
            spent.append(time.perf_counter() - began)
    assert 0.02 < told * min(spent) / (8960 * 1536) < 50
