"""Every architecture, under every choice: shapes, causality, padding, gradients."""

from typing import Any

import pytest
import torch

from gatllm.errors import GatllmError, UsageError
from gatllm.models import DiscriminatorConfig, GPTConfig, Seq2SeqConfig, build, config_from_dict

SMALL: dict[str, Any] = {"vocabulary": 17, "context": 96, "layers": 2, "heads": 2, "width": 16}
CHOICES: list[dict[str, Any]] = [
    {},
    {"positions": "learned", "norm": "layer", "norm_gain": True, "bias": True, "activation": "gelu", "qk_norm": False},
    {"positions": "sinusoidal", "norm_place": "post", "activation": "relu", "embedding_norm": False},
    {"norm_place": "sandwich", "activation": "swiglu", "norm_gain": True, "initialisation": "xavier"},
    {"window": 4, "activation": "geglu", "initialisation": "orthogonal"},
    {"window": 3, "global_tokens": 2, "initialisation": "gpt2"},
    {"window": 3, "full_every": 2, "tied": True},
]


def choices(**more: Any) -> list[Any]:
    return [pytest.param({"initialisation": "gpt2", **choice, **more}, id=str(choice)) for choice in CHOICES]


@pytest.mark.parametrize("choice", choices())
def test_no_gpt_logit_sees_the_future(choice: dict[str, Any]) -> None:
    model = build(GPTConfig(**SMALL, **choice), seed=1).eval()
    tokens = torch.randint(17, (2, 90))
    changed = tokens.clone()
    changed[:, 60:] = (changed[:, 60:] + 1) % 17
    with torch.no_grad():
        before, after = model(tokens), model(changed)
    assert before.shape == (2, 90, 17)
    torch.testing.assert_close(before[:, :60], after[:, :60], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(before[:, 60:], after[:, 60:], atol=1e-3)


@pytest.mark.parametrize("choice", choices())
def test_padding_never_changes_a_generator_logit(choice: dict[str, Any]) -> None:
    model = build(Seq2SeqConfig(**SMALL, **choice), seed=1).eval()
    source, target = torch.randint(17, (2, 80)), torch.randint(17, (2, 70))
    padding = torch.zeros(2, 80, dtype=torch.bool)
    padding[0, 50:] = True
    with torch.no_grad():
        together = model(source, target, padding)
        alone = model(source[:1, :50], target[:1])
    assert together.shape == (2, 70, 17)
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["attention", "mean", "first"])
@pytest.mark.parametrize("choice", [choice for choice in choices() if "tied" not in choice.values[0]])
def test_padding_never_changes_a_verdict(choice: dict[str, Any], pooling: str) -> None:
    model = build(DiscriminatorConfig(**SMALL, **choice, tags=5, pooling=pooling), seed=1).eval()
    tokens = torch.randint(17, (2, 80))
    padding = torch.zeros(2, 80, dtype=torch.bool)
    padding[0, 50:] = True
    with torch.no_grad():
        together, alone = model(tokens, padding), model(tokens[:1, :50])
    assert [part.shape for part in together] == [(2,), (2, 80), (2, 80, 5)]
    torch.testing.assert_close(together.fake_logit[:1], alone.fake_logit, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(together.error_logits[:1, :50], alone.error_logits, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(together.edit_logits[:1, :50], alone.edit_logits, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_every_weight_learns(choice: dict[str, Any]) -> None:
    model = build(Seq2SeqConfig(**SMALL, **choice, cross_window=4, cross_global_tokens=1), seed=1).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    start = {name: value.clone() for name, value in model.named_parameters()}
    for _ in range(8):  # with zero outputs, the matrices behind them wait some steps
        optimizer.zero_grad()
        logits = model(torch.randint(17, (2, 96)), torch.randint(17, (2, 96)))
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.randint(17, (192,))).backward()
        optimizer.step()
    assert [name for name, value in model.named_parameters() if torch.equal(value, start[name])] == []


def test_a_seed_decides_the_weights_and_nothing_else() -> None:
    config = GPTConfig(**SMALL)
    state = torch.get_rng_state()
    one, two, other = build(config, seed=1), build(config, seed=1), build(config, seed=2)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(one.embedding.weight, two.embedding.weight)
    assert not torch.equal(one.embedding.weight, other.embedding.weight)


def test_zero_output_starts_at_the_uniform_guess() -> None:
    model = build(GPTConfig(**SMALL), seed=1)
    assert model(torch.randint(17, (1, 9))).abs().max() == 0


def test_one_token_too_many_is_refused() -> None:
    with pytest.raises(GatllmError, match="97 tokens, but the context of this model holds 96"):
        build(GPTConfig(**SMALL))(torch.zeros(1, 97, dtype=torch.long))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "model.kind is None"),
        ({"kind": "lstm"}, "model.kind is 'lstm'; use one of gpt"),
        ({"kind": "gpt"}, r"model\.vocabulary: Field required"),
        ({"kind": "gpt", "vocabulary": 9, "widht": 9}, r"unknown key model\.widht; did you mean width"),
        ({"kind": "gpt", "vocabulary": 9, "width": 9}, "can't be divided among 4 heads"),
        ({"kind": "gpt", "vocabulary": 9, "width": 12}, "even width per head"),
        ({"kind": "gpt", "vocabulary": 9, "global_tokens": 1}, "nothing without a window"),
        ({"kind": "gpt", "vocabulary": 9, "dropout": 1.0}, r"model\.dropout"),
    ],
)
def test_a_wrong_config_is_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        config_from_dict(values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("config", [GPTConfig(**SMALL), Seq2SeqConfig(**SMALL), DiscriminatorConfig(**SMALL, tags=3)])
def test_a_config_survives_its_recipe(config: Any) -> None:
    assert config_from_dict(config.model_dump(exclude_none=True)) == config
