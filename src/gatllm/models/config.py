"""What a model is: typed sizes and choices, read from the `[model]` table of a recipe."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gatllm.errors import UsageError

Positions = Literal["learned", "sinusoidal", "rotary"]
NormKind = Literal["layer", "rms"]
NormPlace = Literal["pre", "post", "sandwich"]
Activation = Literal["gelu", "gelu_tanh", "relu", "relu2", "swiglu", "geglu"]
Initialisation = Literal["zero_output", "gpt2", "xavier", "orthogonal"]
Count = Annotated[int, Field(ge=1)]


class TransformerConfig(BaseModel):
    """The choices that every architecture shares.

    The defaults gave the best validation loss per minute in `dev/LOG.md`: rotary positions, RMS norm before each
    branch, QK-norm, squared ReLU and output projections that start at zero.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    vocabulary: Count = Field(description="number of token ids")
    context: Count = Field(256, description="longest sequence, in tokens")
    layers: Count = Field(4, description="blocks in the stack (in each stack of an encoder-decoder)")
    heads: Count = Field(4, description="attention heads; the width is divided among them")
    width: Count = Field(256, description="size of one token's state")
    feed_forward: Count | None = Field(
        None, description="hidden size of the feed-forward; default 4 x width, gated 8/3"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="on embeddings and on each branch before its sum")
    positions: Positions = Field("rotary", description="how order is told")
    rotary_base: float = Field(10_000.0, gt=1, description="slowest wavelength of rotary positions, in tokens / 2 pi")
    norm: NormKind = Field("rms", description="layer norm (Ba et al. 2016) or RMS norm (Zhang & Sennrich 2019)")
    norm_place: NormPlace = Field("pre", description="before each branch, after each sum, or around each branch")
    norm_gain: bool = Field(False, description="norms have a learned gain (and a bias where `bias` is set)")
    norm_epsilon: float = Field(1e-6, gt=0)
    embedding_norm: bool = Field(True, description="normalise the embeddings; the first pre-norm then falls away")
    activation: Activation = Field("relu2", description="of the feed-forward; relu2 is relu(x)**2 (So et al. 2021)")
    bias: bool = Field(False, description="linear maps have a bias")
    qk_norm: bool = Field(True, description="RMS-normalise queries and keys per head (Henry et al. 2020)")
    window: Count | None = Field(None, description="see only tokens less than this far away; none: all")
    global_tokens: int = Field(0, ge=0, description="first tokens that all see, and that see all, despite the window")
    full_every: Count | None = Field(None, description="every n-th layer has no window (the first one included)")
    initialisation: Initialisation = Field("zero_output", description="how weights start")

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} can't be divided among {self.heads} heads")
        if self.positions == "rotary" and (self.width // self.heads) % 2:
            raise ValueError(f"rotary positions need an even width per head, not {self.width // self.heads}")
        if self.global_tokens and self.window is None:
            raise ValueError("global_tokens mean nothing without a window")
        return self

    @property
    def head_width(self) -> int:
        """Width of one head."""
        return self.width // self.heads

    @property
    def hidden_width(self) -> int:
        """Hidden size of the feed-forward; the default gives gated and plain ones the same number of weights."""
        if self.feed_forward is not None:
            return self.feed_forward
        if self.activation in {"swiglu", "geglu"}:
            return -(-self.width * 8 // 3 // 32) * 32
        return 4 * self.width

    def layer_window(self, layer: int) -> int | None:
        """Window of block ``layer`` (from 0), or None where it sees everything."""
        if self.full_every is not None and layer % self.full_every == 0:
            return None
        return self.window


class GPTConfig(TransformerConfig):
    """A decoder-only language model."""

    kind: Literal["gpt"] = "gpt"
    tied: bool = Field(False, description="the output projection is the token embedding")


class Seq2SeqConfig(TransformerConfig):
    """An encoder-decoder generator; source and target share one vocabulary and one embedding."""

    kind: Literal["seq2seq"] = "seq2seq"
    # The rotary encoder-decoder of Transformers, T5Gemma, has no QK-norm; what it costs to go without is in dev/LOG.md.
    qk_norm: bool = Field(False, description="RMS-normalise queries and keys per head (Henry et al. 2020)")
    # A tied embedding starts small: beside it the epsilon must be nothing, so that norming twice is norming once.
    norm_epsilon: float = Field(1e-9, gt=0)
    decoder_layers: Count | None = Field(None, description="blocks of the decoder; default: as many as `layers`")
    source_context: Count | None = Field(None, description="longest source, in tokens; default: `context`")
    cross_window: Count | None = Field(None, description="window of cross-attention around the same position")
    cross_global_tokens: int = Field(0, ge=0, description="first source tokens that every target token sees")
    tied: bool = Field(True, description="the output projection is the token embedding")


class DiscriminatorConfig(TransformerConfig):
    """An encoder with three heads: real or fake, which tokens are wrong, which edit repairs each."""

    kind: Literal["discriminator"] = "discriminator"
    tags: Count = Field(1, description="number of edit tags; tag 0 is by custom 'keep'")
    marks: int = Field(0, ge=0, description="size of a second input, which says what stands around a token; 0: none")
    parts: int = Field(0, ge=0, description="size of a third input, which says how a token is spelt; 0: none")
    pooling: Literal["attention", "mean", "first"] = Field("attention", description="how tokens make one verdict")


ModelConfig = GPTConfig | Seq2SeqConfig | DiscriminatorConfig
KINDS: dict[str, type[ModelConfig]] = {
    "gpt": GPTConfig,
    "seq2seq": Seq2SeqConfig,
    "discriminator": DiscriminatorConfig,
}


def config_from_dict(values: Mapping[str, Any]) -> ModelConfig:
    """Return the config that ``values`` (a recipe's `[model]` table) describe.

    Raises:
        UsageError: the kind is unknown, or a key is unknown, missing or out of range.
    """
    kind = values.get("kind")
    if kind not in KINDS:
        raise UsageError(f"model.kind is {kind!r}", f"use one of {', '.join(KINDS)}")
    try:
        return KINDS[kind].model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(["model", *(str(part) for part in first["loc"])])
        if first["type"] == "extra_forbidden":
            known = sorted(KINDS[kind].model_fields)
            near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1, cutoff=0.5)
            cure = f"did you mean {near[0]}?" if near else f"valid keys: {', '.join(known)}"
            raise UsageError(f"unknown key {name}", cure) from None
        raise UsageError(f"{name}: {first['msg'].removeprefix('Value error, ')}", "see docs/models.md") from None
