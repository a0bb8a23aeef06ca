"""The hand-written gradients are those of the plain definitions."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gatllm.models.attention import attend
from gatllm.models.fused import dropout, rms_norm, short_attention, short_mask, squared_relu
from gatllm.models.pattern import Pattern
from gatllm.models.positions import Rotary, rotary_tables, rotate

EPSILON = 1e-3


def assert_same(ours: Tensor, plain: Tensor, *inputs: Tensor) -> None:
    torch.testing.assert_close(ours, plain)
    way_back = torch.randn_like(ours)
    for one, other in zip(
        torch.autograd.grad(ours, inputs, way_back), torch.autograd.grad(plain, inputs, way_back), strict=True
    ):
        torch.testing.assert_close(one, other)


def double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def test_rms_norm() -> None:
    x = double(3, 5, 8)
    assert_same(rms_norm(x, EPSILON), F.rms_norm(x, (8,), eps=EPSILON), x)


def test_squared_relu() -> None:
    x = double(3, 5, 8)
    assert_same(squared_relu(x), F.relu(x).square(), x)


@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("qk_norm", [False, True])
@pytest.mark.parametrize("pattern", [Pattern(), Pattern(causal=True), Pattern(window=3, global_tokens=1)])
@pytest.mark.parametrize("padded", [False, True])
def test_short_attention(rotary: bool, qk_norm: bool, pattern: Pattern, padded: bool) -> None:
    batch, tokens, heads, head = 2, 7, 3, 4
    qkv = double(batch, tokens, 3 * heads * head)
    rotary = None
    if rotary:
        rotary = Rotary(*(table.double() for table in rotary_tables(tokens, head, 100.0)))
    padding = torch.zeros(batch, tokens, dtype=torch.bool)
    padding[1, 5:] = True
    wanted_padding = padding if padded else None

    query, key, value = qkv.view(batch, tokens, 3, heads, head).unbind(2)
    if rotary is not None:
        query, key = (rotate(part[:, :, None], rotary)[:, :, 0] for part in (query, key))
    if qk_norm:
        query, key = (F.rms_norm(part, (head,), eps=EPSILON) for part in (query, key))
    plain = attend(query, key, value, pattern, wanted_padding).flatten(2)
    mask = short_mask(pattern, qkv, heads, wanted_padding)
    ours = short_attention(qkv, heads, rotary, EPSILON if qk_norm else None, mask)
    keep = ~(padding if padded else torch.zeros_like(padding))
    assert_same(ours[keep], plain[keep], qkv)


def test_in_bfloat16_the_gradients_are_close() -> None:
    batch, tokens, heads, head = 2, 16, 2, 8
    wide = torch.randn(batch, tokens, 3 * heads * head, requires_grad=True)
    rotary = rotary_tables(tokens, head, 100.0)
    mask = short_mask(Pattern(causal=True), wide, heads, None)
    way_back = torch.randn(batch, tokens, heads * head)
    exact = torch.autograd.grad(short_attention(wide, heads, rotary, EPSILON, mask), wide, way_back)[0]
    narrow = wide.detach().bfloat16().requires_grad_()
    mask = short_mask(Pattern(causal=True), narrow, heads, None)
    rough = short_attention(narrow, heads, rotary, EPSILON, mask)
    grad = torch.autograd.grad(rough, narrow, way_back.bfloat16())[0]
    assert F.cosine_similarity(grad.float().flatten(), exact.flatten(), dim=0) > 0.999


@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_dropout_keeps_the_mean(probability: float) -> None:
    x = torch.ones(200, 999)
    dropped = dropout(x, probability, True)
    assert abs((dropped == 0).float().mean() - probability) < 0.005
    assert abs(dropped.mean() - 1) < 0.01
    assert dropout(x, probability, False) is x
    torch.manual_seed(5)
    first = dropout(x, probability, True)
    torch.manual_seed(5)
    assert torch.equal(first, dropout(x, probability, True))


@pytest.mark.parametrize("probability", [0.0005, 0.999])
def test_dropout_of_nearly_none_or_all_is_that(probability: float) -> None:
    torch.manual_seed(1)
    dropped = dropout(torch.ones(400, 1000), probability, True)
    assert dropped.isfinite().all()
    assert abs(float((dropped == 0).float().mean()) - probability) < 0.0002
    assert abs(float(dropped.mean()) - 1) < 0.2
