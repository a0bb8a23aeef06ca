"""FlexAttention's rule is ours. Uncompiled it runs on any device, slowly; compiled kernels need a GPU."""

import warnings

import pytest
import torch

from gatllm.models import Pattern, attend
from gatllm.models.flex import flex_attend


@pytest.mark.parametrize(
    "pattern", [Pattern(causal=True, window=9), Pattern(window=9), Pattern(window=9, global_tokens=3)]
)
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_flex_attention_is_exact(pattern: Pattern, padded: bool, device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    query, key, value = (torch.randn(2, 200, 2, 16, device=device) for _ in range(3))
    padding = torch.zeros(2, 200, dtype=torch.bool, device=device)
    padding[0, 150:] = True
    wanted = padding if padded else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it advises to compile
        got = flex_attend(query, key, value, pattern, wanted)
    expected = attend(query.cpu(), key.cpu(), value.cpu(), pattern, None if wanted is None else wanted.cpu())
    torch.testing.assert_close(got.cpu(), expected, atol=2e-3 if device == "cuda" else 1e-5, rtol=1e-3)
