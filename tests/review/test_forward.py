"""Both forward passes compute the same."""

import tomllib
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from gatllm.models import Discriminator, build, config_from_dict, load_run
from gatllm.review.forward import NumpyForward, Tokens, TorchForward

CONFIG = {
    "kind": "discriminator",
    "width": 32,
    "layers": 2,
    "heads": 2,
    "context": 40,
    "vocabulary": 50,
    "tags": 7,
    "marks": 9,
    "parts": 11,
}


def test_numpy_computes_what_torch_computes() -> None:
    torch.manual_seed(1)
    model = build(config_from_dict(CONFIG))
    assert isinstance(model, Discriminator)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    rng = np.random.default_rng(1)
    ids, marks, parts = rng.integers(0, 50, (3, 33)), rng.integers(0, 9, (3, 33)), rng.integers(0, 11, (3, 33, 4))
    padding = np.zeros((3, 33), np.bool_)
    padding[1, 20:] = True
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    ours = NumpyForward(CONFIG, weights)(Tokens(ids, marks, parts, padding))
    with torch.inference_mode():
        theirs = model.eval()(*(torch.from_numpy(array) for array in (ids, padding, marks, parts)))
    np.testing.assert_allclose(ours.fake, theirs.fake_logit.numpy(), atol=1e-4)
    np.testing.assert_allclose(ours.error[~padding], theirs.error_logits.numpy()[~padding], atol=1e-4)
    np.testing.assert_allclose(ours.edit[~padding], theirs.edit_logits.numpy()[~padding], atol=1e-4)


def test_it_computes_a_saved_run_as_the_model_does_within_bf16(run: Path) -> None:
    config = tomllib.loads((run / "recipe.toml").read_text())["model"]
    assert NumpyForward.fits(config)
    model = load_run(run).model
    assert isinstance(model, Discriminator)
    ids, padding = np.arange(1, 41)[None], np.zeros((1, 40), np.bool_)
    tokens = Tokens(ids, ids % 7, np.stack([ids % 11, ids % 5, ids * 0, ids * 0], axis=-1), padding)
    ours = NumpyForward(config, load_file(run / "model.safetensors"))(tokens)
    theirs = TorchForward(model)(tokens)
    np.testing.assert_allclose(ours.edit, theirs.edit, atol=0.1)


def test_other_choices_are_left_to_torch() -> None:
    assert not NumpyForward.fits({**CONFIG, "activation": "gelu"})
    assert not NumpyForward.fits({**CONFIG, "window": 16})


def test_a_model_without_marks_and_parts_does_not_heed_them() -> None:
    plain = {name: value for name, value in CONFIG.items() if name not in ("marks", "parts")}
    model = build(config_from_dict(plain))
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    ids, padding = np.arange(20)[None], np.zeros((1, 20), np.bool_)
    nothing = np.zeros((1, 20, 4), np.int64)
    first = NumpyForward(plain, weights)(Tokens(ids, ids % 9, nothing + 3, padding))
    second = NumpyForward(plain, weights)(Tokens(ids, ids * 0, nothing, padding))
    np.testing.assert_array_equal(first.edit, second.edit)
