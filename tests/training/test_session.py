"""What an update does: which weights go to which optimiser, clipping, averaging, state."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from gatllm.errors import GatllmError
from gatllm.training import Recipe, assembly, train
from gatllm.training.assembly import assemble
from gatllm.training.precision import Precision
from gatllm.training.report import write_report
from gatllm.training.session import NotFiniteError, Session

HALF = Precision(torch.device("cpu"), "fp16")


def session(tiny: dict[str, Any], **overrides: Any) -> Session:
    return assemble(Recipe.of(tiny, overrides)).session


def test_muon_gets_the_matrices_of_the_blocks_and_adamw_the_rest(tiny: dict[str, Any]) -> None:
    made = session(tiny)
    (muon, _), (adam, _) = made.optimizer.parts
    names = made.optimizer.names
    matrices = {names[p] for group in muon.param_groups for p in group["params"]}
    rest = {names[p] for group in adam.param_groups for p in group["params"]}
    assert matrices == {name for name in names.values() if ".blocks." in name}
    assert {"embedding.weight", "head.weight"} <= rest


def test_clipping_bounds_the_update(tiny: dict[str, Any]) -> None:
    steps = {}
    for clip in (1e-4, 0.0):
        # Plain momentum-free AdamW hides the gradient's size: compare the gradients themselves.
        made = session(tiny, **{"train.clip": clip, "train.optimizer": "adamw"})
        seen: list[float] = []
        update = made.optimizer.step

        def look(made: Session = made, seen: list[float] = seen, update: Any = update) -> None:
            grads = [p.grad for p in made.model.parameters() if p.grad is not None]
            seen.append(float(torch.stack([grad.norm() for grad in grads]).norm()))
            update()

        made.optimizer.step = look  # type: ignore[method-assign]
        steps[clip] = (made.advance(0.5), seen[0])
    assert steps[1e-4][0].grad_norm == pytest.approx(steps[0.0][0].grad_norm)
    assert steps[1e-4][1] == pytest.approx(1e-4, rel=0.02)
    assert steps[0.0][1] == pytest.approx(steps[0.0][0].grad_norm, rel=1e-4)


def test_the_average_lags_behind_and_is_what_is_evaluated(tiny: dict[str, Any]) -> None:
    made = session(tiny, **{"train.ema": 0.99})
    for _ in range(5):
        made.advance(0.2)
    own = {name: tensor.clone() for name, tensor in made.model.named_parameters()}
    with made.averaged() as model:
        assert any(not torch.equal(tensor, own[name]) for name, tensor in model.named_parameters())
        assert all(torch.equal(tensor, made.average[name]) for name, tensor in model.named_parameters())
    assert all(torch.equal(tensor, own[name]) for name, tensor in made.model.named_parameters())


def test_evaluating_and_sampling_change_nothing(tiny: dict[str, Any]) -> None:
    quiet, busy = session(tiny), session(tiny)
    for _ in range(3):
        quiet.advance(0.2)
        busy.advance(0.2)
        busy.evaluate()
        busy.sample()
    weights = busy.weights()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in quiet.weights().items())


def test_state_of_another_model_is_refused(tiny: dict[str, Any]) -> None:
    wide, narrow = session(tiny, **{"model.width": 32}), session(tiny)
    wide.advance(0.2)
    with pytest.raises(GatllmError, match="doesn't fit"):
        narrow.load(wide.weights(), wide.state(), "checkpoint")
    other = session(tiny, **{"model.layers": 1})
    with pytest.raises(GatllmError, match="fits no weight"):
        other.load(other.weights(), wide.state(), "checkpoint")


def in_half(tiny: dict[str, Any], scale: float) -> Session:
    """A session in fp16, as on a card without bf16, whose losses begin multiplied by ``scale``."""
    made = session(tiny, **{"model.dropout": 0.0})
    half = Session(made.recipe, made.objective, made.model, HALF)
    half.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    return half


def test_fp16_learns_what_fp32_learns(tiny: dict[str, Any]) -> None:
    half, plain = in_half(tiny, 2.0**16), session(tiny, **{"model.dropout": 0.0})
    for _ in range(5):
        narrow, exact = half.advance(0.2), plain.advance(0.2)
        assert narrow.loss == pytest.approx(exact.loss, abs=0.02)
        assert narrow.grad_norm == pytest.approx(exact.grad_norm, rel=0.05)
    assert all(weight.dtype == torch.float32 for weight in half.model.parameters())


def test_an_fp16_overflow_leaves_the_weights_alone_and_lowers_the_scale(tiny: dict[str, Any]) -> None:
    half = in_half(tiny, 2.0**60)
    before = {name: tensor.clone() for name, tensor in half.weights().items()}
    result = half.advance(0.2)
    assert result.grad_norm is None
    assert (half.step, half.scaler.get_scale()) == (1, 2.0**59)
    assert all(torch.equal(tensor, before[name]) for name, tensor in half.weights().items())
    other = in_half(tiny, 2.0**16)
    other.load(half.weights(), half.state(), "checkpoint")
    assert (other.step, other.scaler.get_scale()) == (1, 2.0**59)


def test_fp16_that_overflows_at_any_scale_is_an_error(tiny: dict[str, Any]) -> None:
    half = in_half(tiny, 0.5)
    half.model.head.weight.register_hook(lambda grad: grad * torch.inf)
    with pytest.raises(NotFiniteError):
        half.advance(0.2)


def test_a_run_with_overflows_is_logged_and_drawn(
    tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "choose_precision", lambda *_: HALF)
    monkeypatch.setattr(torch.amp, "GradScaler", partial(torch.amp.GradScaler, init_scale=2.0**60))
    run = train(Recipe.of(tiny, {"train.steps": 3}), tmp_path / "run")
    assert [entry["grad_norm"] for entry in run.events("step")] == [None, None, None]
    assert (write_report(run).parent / "curves.png").stat().st_size > 1000
