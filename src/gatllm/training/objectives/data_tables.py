"""The ``[data]`` tables, one for each objective."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gatllm.training.tables import Table


class TextTable(Table):
    """Text for the next-token objective.

    ``source`` is a text file, a dataset folder, ``stdlib`` or ``shakespeare``. ``window`` says where a row of
    ``context`` + 1 tokens begins: ``random`` anywhere, ``chunks`` at a random place and from there chunk after chunk,
    ``sequential`` at the first token and from there on.
    """

    source: str
    unit: Literal["files", "functions"] = Field(
        default="files", description="what an end token ends: whole files, or each function of a dataset's code"
    )
    validation: float = Field(default=0.1, gt=0, lt=1, description="fraction at the end that validates (text files)")
    window: Literal["random", "chunks", "sequential"] = "random"
    wrap: bool = Field(default=False, description="a row may run over the end and go on at the beginning")
    minimum: int = Field(default=0, ge=0, description="shortest row (the rest is padding); 0: rows are always full")
    rewarded: str = Field(default="", description="dataset of the model's own answers that were rewarded")
    rewarded_share: float = Field(default=0.25, ge=0, lt=1, description="their share of rows and of the loss")


class PairTable(Table):
    """Pairs for the encoder-decoder: what is read (source) and what is written (target).

    ``source`` is a dataset folder or ``stdlib`` (signature and docstring → function), or ``alphabetize``.
    """

    source: str
    source_tokens: int = Field(default=128, ge=4, description="longer sources are left out")
    target_tokens: int = Field(default=256, ge=4, description="longer targets are left out")
    limit: int = Field(default=0, ge=0, description="pairs used at most; 0: all")
    validation_limit: int = Field(default=512, ge=1, description="pairs of the fixed validation set at most")
    length: int = Field(default=8, ge=1, description="alphabetize: characters of the longest string")
    rewarded: str = Field(default="", description="dataset of the model's own answers that were rewarded")
    rewarded_share: float = Field(default=0.25, ge=0, lt=1, description="their share of rows and of the loss")


class ChatTable(Table):
    """Conversations, or questions and answers: a dataset folder, or a JSON, JSONL, CSV or Parquet table."""

    source: str
    validation_limit: int = Field(default=256, ge=1, description="conversations of the fixed validation set at most")


class PolicyTable(Table):
    """Questions that the model answers itself, and what its answers are worth (`gatllm reinforce`).

    ``source`` is ``alphabetize``, a table or dataset of questions and answers, or, for the reward ``tests``, a JSONL
    file of programming tasks with ``test_list``. ``reward`` is a name (`training.rewards.REWARDS`, ``format:PATTERN``,
    ``FILE.py:function``) or several with weights.
    """

    source: str
    reward: str | dict[str, float] = "exact"
    method: Literal["raft", "grpo"] = Field(
        default="raft", description="raft: likelihood of the best answers; grpo: all, by their advantage in their group"
    )
    rounds: int = Field(default=8, ge=1, description="times that answers are written, judged and learnt from")
    prompts: int = Field(default=128, ge=1, description="questions of a round")
    answers: int = Field(default=8, ge=2, description="answers to each, a group")
    temperature: float = Field(default=1.0, gt=0, description="at which they are drawn")
    tokens: int = Field(default=64, ge=1, description="most tokens of an answer")
    clip: float = Field(default=0.2, gt=0, lt=1, description="grpo: a token's ratio counts within 1 ± clip")
    unlearnt: float = Field(default=0.15, gt=0, description="nats a token that the held-out references may lose")
    validation_limit: int = Field(default=128, ge=1, description="held-out questions at most")
    length: int = Field(default=8, ge=1, description="alphabetize: characters of the longest string")
    collected: str = Field(default="", description="dataset of the answers to learn from; `gatllm reinforce` sets it")


class PreferenceTable(Table):
    """Pairs of answers, one better than the other (DPO): JSON Lines with ``prompt``, ``chosen`` and ``rejected``.

    Conversations with ``messages`` and ``rejected``, as the service exports feedback, are read as well.
    """

    source: str
    beta: float = Field(default=0.1, gt=0, description="how closely the model stays with the one it begins as")
    validation_limit: int = Field(default=256, ge=1, description="pairs of the fixed validation set at most")


class TaggingTable(Table):
    """Code for the discriminator; ``source`` is a dataset folder (positive or negative) or ``stdlib``.

    Whole code is broken afresh for each row. Of the rows, ``real`` stay whole, ``semantic`` get an error of meaning,
    ``several`` get two to six errors against the grammar, the rest get one. Of those with errors of meaning, ``dense``
    get two to four: a row teaches more, as in replaced-token detection. With a negative dataset, or others named in
    ``pairs``, ``stored`` of the rows are their own pairs.
    """

    source: str
    real: float = Field(default=0.12, ge=0, le=1)
    semantic: float = Field(default=0.15, ge=0, le=1)
    several: float = Field(default=0.4, ge=0, le=1)
    dense: float = Field(default=0.5, ge=0, le=1)
    stored: float = Field(default=0.25, ge=0, le=1)
    fakes: str = Field(default="", description="dataset of a generator's samples, which count as fake")
    invented: float = Field(default=0.15, ge=0, le=1, description="fraction of rows that are such samples, where given")
    pairs: tuple[str, ...] = Field(default=(), description="negative datasets beside the source")
    accused: str = Field(default="", description="dataset of real code that was falsely taken for fake")
    acquitted: float = Field(default=0.1, ge=0, le=1, description="fraction of rows that are such code, where given")
    families: dict[str, float] = Field(default={}, description="weights of the kinds of error; none: gatllm.data's")
    keep_weight: float = Field(default=0.3, gt=0, description="weight of tokens that need no edit")
    workers: int = Field(default=1, ge=0, description="processes that break code ahead of training; 0: none")
    validation_rows: int = Field(default=256, ge=1, description="rows of the fixed validation set")
    validation_repairs: int = Field(default=40, ge=0, description="held-out texts broken once, to be repaired")
