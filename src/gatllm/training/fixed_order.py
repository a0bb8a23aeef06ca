"""Training whose every bit is the same on every machine, with any number of threads and any instruction set.

What differs between machines is the order in which products are summed, whether a product and a sum are rounded once or
twice, and how exponentials are approximated. Here sums of products are exact, so that their order does not matter: each
row and column is scaled to integers of 20 bits, and 53 bits of a double hold the sum of 8,192 of their products without
rounding. Exponentials and logarithms are computed from single products and sums, each of which IEEE 754 rounds in one
way only. What is not known to be exact is refused, never let through.

After the aim of RepOps (Verde, 2502.19405): the same bits by operators of one's own. There one order of summation is
fixed; here exactness takes the order away, so that the processor's own matrix product can be used. The scaling is that
of Ozaki et al. (2012).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._decomp import decomposition_table
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from gatllm.errors import UsageError

_aten: Any = torch.ops.aten
_FACTOR_BITS = 20  # of a factor: two of them and the sum of _LONGEST products fit into the 53 bits of a double
_LONGEST = 1 << 13
_TERM_BITS = 30  # of a term of a plain sum; fewer where there are more than 2**22
_LN2_HIGH, _LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10  # fdlibm's split of ln 2
_TURN_HIGH, _TURN_LOW = 6.28318530717958623200, 2.4492935982947064e-16  # 2 pi

# Moved, chosen or rounded once, element by element: these give the same bits in every kernel.
_EXACT = frozenset(
    """
    _foreach_add_ _foreach_div_ _foreach_mul_ _local_scalar_dense _reshape_alias _to_copy _unsafe_view abs alias all
    amax amin any arange argmax as_strided bitwise_and bitwise_not bitwise_or broadcast_tensors cat ceil clamp
    clamp_max clamp_min clone constant_pad_nd copy_ cumsum detach detach_ diagonal div div_ embedding empty
    empty_like empty_strided eq equal expand eye fill_ flip floor full full_like gather ge gt index index_copy
    index_put_ index_select is_nonzero isfinite isinf isnan item le lift_fresh logical_and logical_not logical_or lt
    masked_fill masked_fill_ max maximum min minimum mul mul_ narrow ne neg neg_ new_empty new_empty_strided
    new_full new_ones new_zeros nll_loss_backward nonzero ones ones_like permute random_ randperm relu relu_ repeat
    reshape resize_ roll round scalar_tensor scatter scatter_ select select_backward set_ sign slice slice_backward
    split split_with_sizes squeeze stack sub sub_ t threshold_backward to topk transpose tril triu unbind
    unfold unsqueeze view view_as where zero_ zeros zeros_like
    """.split()  # noqa: SIM905  # a list of one name a line is no easier to read
)


class FixedOrder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Replaces what rounds differently from machine to machine while it is entered; on processors, in fp32.

    Raises:
        UsageError: an operation is not known to give the same bits everywhere.
    """

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        name = func._schema.name.partition("::")[2]
        if func._schema.name.startswith("profiler::"):
            return func(*args, **given)
        alone = name.rstrip("_") if name.endswith("_") and not name.endswith("__") else name
        rule = _RULES.get(name) or _RULES.get(alone)
        if rule is not None:
            return _placed(name, rule, args, given)
        if name in ("add", "add_", "sub", "sub_"):
            return _scaled_sum(func, args, given)
        if name in _EXACT:
            return func(*args, **given)
        if func in decomposition_table:
            with self:
                return decomposition_table[func](*args, **given)
        raise UsageError(
            f"determinism.fixed_order does not know the operation {name}",
            "choose another model or objective, or train without it",
        )


@contextmanager
def fixed_order(wanted: bool) -> Iterator[None]:
    """Compute in fixed order inside the block, where ``wanted`` and not entered already."""
    if not wanted or any(isinstance(mode, FixedOrder) for mode in _modes()):
        yield
        return
    # The kernel of attention is one operation to the mode; in parts it can be followed.
    with sdpa_kernel(SDPBackend.MATH), FixedOrder():  # type: ignore[no-untyped-call]
        yield


def _modes() -> list[Any]:
    from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

    return list(_get_current_dispatch_mode_stack())


def _placed(name: str, rule: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a rule and put its result where an in-place or ``out`` form of the operation wants it."""
    out = kwargs.pop("out", None)
    if name in _RULES and name.endswith("_"):
        return rule(*args, **kwargs)
    result = rule(*args, **kwargs)
    target = out if out is not None else args[0] if name.endswith("_") else None
    return target.copy_(result) if target is not None else result


def _scaled_sum(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Add or subtract, a factor of the second term by itself: together they may be rounded once or twice."""
    factor = kwargs.pop("alpha", 1)
    first, second, *rest = args
    return func(first, second if factor == 1 else second * factor, *rest, **kwargs)


# ── Exact sums ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _power_of_two(exponent: Tensor) -> Tensor:
    """Return 2**exponent (int64, -1022 to 1023) as doubles, by their bits."""
    return ((exponent + 1023) << 52).view(torch.float64)


def _exponent(greatest: Tensor) -> Tensor:
    """Return the least e with |x| < 2**e, of doubles that are not negative; -900 for what is smaller."""
    return ((greatest.view(torch.int64) >> 52) - 1022).clamp_(-900, 900)


def _integers(x: Tensor, dim: Any, bits: int) -> tuple[Tensor, Tensor]:
    """Return (integers, unit): ``x`` rounded to ``bits`` bits of the greatest element along ``dim``, as doubles."""
    if x.dtype == torch.float32 and bits <= _FACTOR_BITS:  # 24 bits hold them: half the memory to go through
        exponent = _exponent(x.abs().amax(dim, keepdim=True).double()).clamp_(-100, 120)
        return (x * _power_of_two(bits - exponent).float()).round_().double(), _power_of_two(exponent - bits)
    wide = x.double()
    exponent = _exponent(wide.abs().amax(dim, keepdim=True))
    return (wide * _power_of_two(bits - exponent)).round_(), _power_of_two(exponent - bits)


def _bits_of_terms(count: int) -> int:
    return min(_TERM_BITS, 52 - count.bit_length())


def _product(first: Tensor, second: Tensor) -> Tensor:
    """Return the matrix product of (…, n, k) and (…, k, m) as doubles, each sum exact."""
    length = first.shape[-1]
    if length > _LONGEST:
        pieces = zip(torch.split(first, _LONGEST, -1), torch.split(second, _LONGEST, -2), strict=True)
        parts = [_product(a, b) for a, b in pieces]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total
    left, left_unit = _integers(first, -1, _FACTOR_BITS)
    right, right_unit = _integers(second, -2, _FACTOR_BITS)
    return (left @ right).mul_(left_unit).mul_(right_unit)


def _matrix_product(first: Tensor, second: Tensor) -> Tensor:
    return _product(first, second).to(first.dtype)


def _added_product(bias: Tensor, first: Tensor, second: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    product = _product(first, second)
    product = product if alpha == 1 else product.mul_(alpha)
    return product.add_(bias.double() if beta == 1 else bias.double() * beta).to(first.dtype)


def _total(x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return the sum over ``dim`` (None: over all) as doubles, exact but for the rounding of each term."""
    dims = list(range(x.ndim)) if dim is None or dim == [] else [dim] if isinstance(dim, int) else list(dim)
    if not dims or not x.numel():
        return x.double().sum(dims, keepdim=keepdim) if x.ndim else x.double()
    terms, unit = _integers(x, dims, _bits_of_terms(math.prod(x.shape[d] for d in dims)))
    total = terms.sum(dims, keepdim=True).mul_(unit)
    return total if keepdim else total.squeeze(dims)


def _sum(x: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    if not x.is_floating_point():
        return x.sum(dtype=dtype) if dim is None else x.sum(dim, keepdim, dtype=dtype)
    return _total(x, dim, keepdim).to(dtype or x.dtype)


def _mean(x: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    total = _total(x, dim, keepdim)
    return (total / (x.numel() // max(1, total.numel()))).to(dtype or x.dtype)


def _norm(x: Tensor, order: float = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    if order != 2:
        raise UsageError(f"determinism.fixed_order knows no norm of order {order}", "train without it")
    wide = x.double()
    return _sqrt(_total(wide * wide, dim, keepdim)).to(dtype or x.dtype)


def _norms(tensors: Sequence[Tensor], order: float = 2, dtype: Any = None) -> list[Tensor]:
    return [_norm(tensor, order, dtype=dtype) for tensor in tensors]


def _embedding_gradient(grad: Tensor, indices: Tensor, rows: int, padding: int, by_frequency: bool) -> Tensor:
    if by_frequency:
        raise UsageError("determinism.fixed_order knows no embeddings scaled by frequency", "train without it")
    flat = indices.reshape(-1)
    terms, unit = _integers(grad.reshape(-1, grad.shape[-1]), (0, 1), _bits_of_terms(flat.numel()))
    total = torch.zeros(rows, grad.shape[-1], dtype=torch.float64).index_add_(0, flat, terms).mul_(unit)
    if padding >= 0:
        total[padding] = 0
    return total.to(grad.dtype)


# ── Functions of one number, from single products and sums ───────────────────────────────────────────────────────────


def _polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """Return the polynomial in ``x`` by Horner's rule, product and sum rounded one after the other."""
    value = torch.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = value.mul_(x).add_(coefficient)
    return value


_EXP = [1 / math.factorial(n) for n in range(14)]
_LOG = [2 / (2 * n + 1) for n in range(10)]
_COS = [(-1) ** n / math.factorial(2 * n) for n in range(14)]


def _sqrt(x: Tensor) -> Tensor:
    """Return the root, rounded as IEEE 754 wants it: NumPy asks the processor.

    PyTorch asks MKL, whose root is rounded otherwise in one of a hundred cases, and in others on each instruction set.
    """
    with np.errstate(invalid="ignore"):
        return torch.from_numpy(np.asarray(np.sqrt(x.numpy())))


def _exp_wide(x: Tensor) -> Tensor:
    x = x.clamp(-708.0, 709.0)
    whole = (x * (1 / math.log(2))).round_()
    rest = x - whole * _LN2_HIGH
    rest = rest - whole * _LN2_LOW
    return _polynomial(rest, _EXP).mul_(_power_of_two(whole.to(torch.int64)))


def _exp(x: Tensor) -> Tensor:
    value = _exp_wide(x.double())
    return value.masked_fill_(x == -math.inf, 0.0).masked_fill_(x.isnan(), math.nan).to(x.dtype)


def _log_wide(x: Tensor) -> Tensor:
    exponent = _exponent(x) - 1
    mantissa = x * _power_of_two(-exponent)  # 1 to 2
    large = mantissa > math.sqrt(2)
    mantissa = torch.where(large, mantissa * 0.5, mantissa)
    exponent = exponent + large
    ratio = (mantissa - 1) / (mantissa + 1)
    series = _polynomial(ratio * ratio, _LOG) * ratio
    whole = exponent.double()
    value = whole * _LN2_LOW
    value = value + series
    value = value + whole * _LN2_HIGH
    value = torch.where(x == 0, -math.inf, value)
    return torch.where((x < 0) | x.isnan(), math.nan, value)


def _log(x: Tensor) -> Tensor:
    return _log_wide(x.double()).to(x.dtype)


def _log1p(x: Tensor) -> Tensor:
    return _log_wide(x.double() + 1).to(x.dtype)


def _cos_wide(x: Tensor) -> Tensor:
    turns = (x * (1 / math.tau)).round_()
    rest = x - turns * _TURN_HIGH
    rest = rest - turns * _TURN_LOW
    return _polynomial(rest * rest, _COS)


def _cos(x: Tensor) -> Tensor:
    return _cos_wide(x.double()).to(x.dtype)


def _sin(x: Tensor) -> Tensor:
    return _cos_wide(x.double() - math.pi / 2).to(x.dtype)


def _sigmoid(x: Tensor) -> Tensor:
    return (1 / (_exp_wide(-x.double()) + 1)).to(x.dtype)


def _tanh(x: Tensor) -> Tensor:
    return (1 - 2 / (_exp_wide(x.double() * 2) + 1)).to(x.dtype)


def _pow(base: Any, exponent: Any) -> Tensor:
    if isinstance(exponent, int | float) and exponent in (1, 2, 3):
        value = base
        for _ in range(int(exponent) - 1):
            value = value * base
        power: Tensor = value.clone() if exponent == 1 else value
        return power
    if isinstance(exponent, int | float) and exponent in (0.5, -0.5):
        root: Tensor = _sqrt(base)
        return root if exponent > 0 else root.new_ones(()) / root
    if isinstance(base, int | float) and base > 0 and isinstance(exponent, Tensor):
        natural = _log_wide(torch.tensor(float(base), dtype=torch.float64))
        return _exp_wide(exponent.double() * natural).to(exponent.dtype)
    raise UsageError("determinism.fixed_order does not know this power", "train without it")


# ── Softmax and losses ───────────────────────────────────────────────────────────────────────────────────────────────


def _shares(x: Tensor, dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return (greatest, exponentials below it as integers, their sum), as doubles."""
    greatest = x.amax(dim, keepdim=True)
    shifted = (x - greatest.masked_fill(greatest == -math.inf, 0.0)).double()
    powers = _exp_wide(shifted).mul_(float(1 << _TERM_BITS)).round_()
    return greatest.double(), powers, powers.sum(dim, keepdim=True)


def _softmax(x: Tensor, dim: int, _: bool = False) -> Tensor:
    powers, total = _shares(x, dim)[1:]
    return (powers / total.clamp_min_(1.0)).to(x.dtype)  # a row that is hidden whole: zeros


def _safe_softmax(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    return _softmax(x if dtype is None else x.to(dtype), dim)


def _softmax_gradient(grad: Tensor, output: Tensor, dim: int, dtype: torch.dtype) -> Tensor:
    inner = _total(grad.double() * output, dim, keepdim=True)
    return ((grad - inner) * output).to(dtype)


def _log_softmax(x: Tensor, dim: int, _: bool = False) -> Tensor:
    greatest, total = _shares(x, dim)[::2]
    return (x.double() - greatest - _log_wide(total * 0.5**_TERM_BITS)).to(x.dtype)


def _log_softmax_gradient(grad: Tensor, output: Tensor, dim: int, dtype: torch.dtype) -> Tensor:
    return (grad - _exp_wide(output.double()) * _total(grad, dim, keepdim=True)).to(dtype)


def _nll_loss(x: Tensor, target: Tensor, weight: Tensor | None, reduction: int, ignored: int) -> tuple[Tensor, Tensor]:
    if weight is not None:
        raise UsageError("determinism.fixed_order knows no weighted classes", "train without it")
    seen = target != ignored
    losses = -x.gather(1, torch.where(seen, target, 0)[:, None])[:, 0].masked_fill(~seen, 0.0)
    count = seen.sum().to(x.dtype)
    if reduction == 0:
        return losses, torch.zeros((), dtype=x.dtype)
    total = _total(losses)
    return ((total / count) if reduction == 1 else total).to(x.dtype), count


# ── Optimizers, random numbers ───────────────────────────────────────────────────────────────────────────────────────


def _addcmul(x: Tensor, first: Tensor, second: Tensor, *, value: float = 1) -> Tensor:
    product = first * second
    total: Tensor = x + (product if value == 1 else product * value)
    return total


def _lerp(start: Tensor, end: Tensor, weight: Any) -> Tensor:
    between: Tensor = start + (end - start) * weight
    return between


def _to_the(base: float, exponent: int) -> float:
    """Return base**exponent by products alone: the power function is another one in each mathematical library."""
    value = 1.0
    while exponent:
        value = value * base if exponent & 1 else value
        base, exponent = base * base, exponent >> 1
    return value


def _adamw(
    weights: Sequence[Tensor],
    grads: Sequence[Tensor],
    firsts: Sequence[Tensor],
    seconds: Sequence[Tensor],
    _: Sequence[Tensor],
    steps: Sequence[Tensor],
    *,
    lr: float,
    beta1: float,
    beta2: float,
    weight_decay: float,
    eps: float,
    amsgrad: bool,
    maximize: bool,
    **__: Any,
) -> None:
    """Update weights and moments in place (Loshchilov & Hutter 2019)."""
    if amsgrad or maximize:
        raise UsageError("determinism.fixed_order knows plain AdamW only", "train without it")
    for weight, grad, first, second, step in zip(weights, grads, firsts, seconds, steps, strict=True):
        count = int(step)
        weight.mul_(1 - lr * weight_decay)
        first.mul_(beta1).add_(grad * (1 - beta1))
        second.mul_(beta2).add_((grad * grad).mul_(1 - beta2))
        scale = _sqrt(second / (1 - _to_the(beta2, count))).add_(eps)
        weight.sub_((first / scale).mul_(lr / (1 - _to_the(beta1, count))))


def _normal(x: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fill with normal numbers by Box and Muller, from 32 random bits each."""
    radius, angle = (
        torch.empty(x.numel(), dtype=torch.int64).random_(1, 2**32 + 1, generator=generator).double().mul_(2.0**-32)
        for _ in range(2)
    )
    drawn = _sqrt(_log_wide(radius) * -2) * _cos_wide(angle * math.tau)
    return x.copy_((drawn * std + mean).view(x.shape))


def _uniform(x: Tensor, low: float = 0.0, high: float = 1.0, *, generator: Any = None) -> Tensor:
    drawn = torch.empty(x.numel(), dtype=torch.int64).random_(0, 2**24, generator=generator).double().mul_(2.0**-24)
    return x.copy_((drawn * (high - low) + low).view(x.shape))


_RULES: dict[str, Callable[..., Any]] = {
    "mm": _matrix_product,
    "bmm": _matrix_product,
    "addmm": _added_product,
    "baddbmm": _added_product,
    "sum": _sum,
    "mean": _mean,
    "linalg_vector_norm": _norm,
    "_foreach_norm": _norms,
    "embedding_dense_backward": _embedding_gradient,
    "exp": _exp,
    "log": _log,
    "log1p": _log1p,
    "cos": _cos,
    "sin": _sin,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "pow": _pow,
    "reciprocal": lambda x: 1 / x,
    "rsqrt": lambda x: 1 / _sqrt(x),
    "sqrt": _sqrt,
    "_softmax": _softmax,
    "_safe_softmax": _safe_softmax,
    "_softmax_backward_data": _softmax_gradient,
    "_log_softmax": _log_softmax,
    "_log_softmax_backward_data": _log_softmax_gradient,
    "nll_loss_forward": _nll_loss,
    "addcmul": _addcmul,
    "lerp": _lerp,
    "_fused_adamw_": _adamw,
    "normal_": _normal,
    "uniform_": _uniform,
}
