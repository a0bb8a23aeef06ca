"""Byte-level byte-pair encoding: every text has ids, and the ids give back the same text, byte for byte."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from gatllm.errors import GatllmError
from gatllm.tokenizers.base import SPECIAL_TOKENS, TokenizerBase

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Engine

# Words, numbers by up to three digits, punctuation, and runs of space; a line break ends a run, so that
# indentation is one token. The shape follows cl100k (OpenAI tiktoken), without its possessive quantifiers.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# The same for ASCII text, where it needs no table of Unicode: Python's `re` and a dictionary of the pieces seen before
# are several times as quick as the engine, which tracks offsets that nobody asks for.
_SPLIT_ASCII = re.compile(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\nA-Za-z0-9]?[A-Za-z]+|[0-9]{1,3}| ?[^\sA-Za-z0-9]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
    re.ASCII,
)
# No piece reaches over a line break into what is not white space: there a text can be divided.
_LINES = re.compile(r"(?<=[\r\n])(?=\S)")
_MOST_PIECES = 1 << 18
_SURROGATES = re.compile("([\ud800-\udfff]+)")


@cache
def byte_symbols() -> dict[str, int]:
    """Return the printable symbol that byte-level BPE writes for each byte (GPT-2, Radford et al. 2019)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    symbols = {chr(byte): byte for byte in plain}
    others = (byte for byte in range(256) if byte not in set(plain))
    return symbols | {chr(256 + index): byte for index, byte in enumerate(others)}


class _Pieces(dict[str, list[int]]):
    """The ids of every piece seen so far; a new one is asked of the engine's model."""

    def __init__(self, engine: Engine) -> None:
        self._model: Any = engine.model
        self._symbols = {byte: symbol for symbol, byte in byte_symbols().items()}

    def __missing__(self, piece: str) -> list[int]:
        if len(self) >= _MOST_PIECES:
            self.clear()
        symbols = "".join(self._symbols[byte] for byte in piece.encode())
        ids = self[piece] = [token.id for token in self._model.tokenize(symbols)]
        return ids


class BytePair(TokenizerBase):
    """A byte-level BPE tokenizer in the 🤗 ``tokenizer.json`` format.

    Raises:
        GatllmError: the JSON is not a byte-level BPE tokenizer.
    """

    kind = "bpe"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # Special strings in a text stay text: the engine would otherwise parse them.
        engine.encode_special_tokens = True
        self._pieces = _Pieces(engine) if _splits_as_ours(engine) else None
        symbols = byte_symbols()
        added = {entry.content: index for index, entry in engine.get_added_tokens_decoder().items() if entry.special}
        self.specials = {token: added[token] for token in SPECIAL_TOKENS if token in added}
        vocabulary = engine.get_vocab(with_added_tokens=True)
        self.size = max(vocabulary.values()) + 1
        self._bytes = [b""] * self.size
        try:
            for token, index in vocabulary.items():
                if token not in added:
                    self._bytes[index] = bytes(symbols[symbol] for symbol in token)
            self._byte_ids = [vocabulary[symbol] for symbol, _ in sorted(symbols.items(), key=lambda pair: pair[1])]
        except KeyError:
            raise GatllmError(
                "the tokenizer is not byte-level: some bytes have no token", "choose a byte-level one"
            ) from None

    @classmethod
    def from_json(cls, text: str) -> BytePair:
        """Load from the content of a ``tokenizer.json``."""
        from tokenizers import Tokenizer as Engine

        try:
            return cls(Engine.from_str(text))
        except GatllmError:
            raise
        except Exception as error:  # the engine raises bare Exception
            raise GatllmError(f"not a tokenizer.json: {error}", "name a file that 🤗 tokenizers wrote") from None

    def encode(self, text: str) -> list[int]:
        """Return the ids of any string; lone surrogates become the ids of their three bytes."""
        if self._pieces is None:
            return self._encode_by_engine(text)
        if text.isascii():
            return self._encode_ascii(text, self._pieces)
        ids: list[int] = []
        for part in _LINES.split(text):
            ids += self._encode_ascii(part, self._pieces) if part.isascii() else self._encode_by_engine(part)
        return ids

    def _encode_ascii(self, text: str, pieces: _Pieces) -> list[int]:
        return list(chain.from_iterable(map(pieces.__getitem__, _SPLIT_ASCII.findall(text))))

    def _encode_by_engine(self, text: str) -> list[int]:
        try:
            return list(self._engine.encode(text, add_special_tokens=False).ids)
        except TypeError:
            ids: list[int] = []
            for index, piece in enumerate(_SURROGATES.split(text)):
                if index % 2:
                    ids += [self._byte_ids[byte] for byte in piece.encode("utf-8", "surrogatepass")]
                elif piece:
                    ids += self._engine.encode(piece, add_special_tokens=False).ids
            return ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of many strings."""
        if self._pieces is not None:
            return [self.encode(text) for text in texts]
        try:
            return [list(one.ids) for one in self._engine.encode_batch_fast(list(texts), add_special_tokens=False)]
        except TypeError:
            return [self.encode(text) for text in texts]

    def token_bytes(self, index: int) -> bytes:
        """Return the bytes that one id stands for (none for a special token)."""
        return self._bytes[index] if 0 <= index < self.size else b""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ``ids``; bytes that are not text become U+FFFD."""
        data = b"".join(map(self.token_bytes, ids))
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return data.decode("utf-8", "replace")

    def to_json(self) -> str:
        """Return the content of ``tokenizer.json``."""
        return self._engine.to_str()


def _splits_as_ours(engine: Engine) -> bool:
    """Tell whether an engine does nothing to a text but what `train_bpe` sets up."""
    value = json.loads(engine.to_str())
    steps = (value["pre_tokenizer"] or {}).get("pretokenizers", [])
    return bool(
        value["normalizer"] is None
        and len(steps) == 2
        and (steps[0].get("pattern"), steps[0].get("behavior"), steps[0].get("invert"))
        == ({"Regex": _SPLIT}, "Isolated", False)
        and (steps[1]["type"], steps[1]["add_prefix_space"], steps[1]["use_regex"]) == ("ByteLevel", False, False)
        and all(entry["special"] for entry in value["added_tokens"])
    )


def train_bpe(texts: Iterable[str], size: int = 4096, max_merge_length: int | None = None) -> BytePair:
    """Learn byte pairs (Sennrich et al. 2016) from ``texts``.

    Args:
        texts: what to learn from; read once.
        size: number of ids, with the 256 bytes and the special tokens; fewer when the texts have fewer pairs.
        max_merge_length: longest token in bytes; 1 gives plain bytes.

    Raises:
        GatllmError: ``size`` has no room for the bytes and special tokens, or ``max_merge_length`` < 1.
    """
    from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
    from tokenizers import Tokenizer as Engine

    smallest = 256 + len(SPECIAL_TOKENS)
    if size < smallest:
        raise GatllmError(f"a vocabulary of {size} is too small", f"take at least {smallest}")
    if max_merge_length is not None and max_merge_length < 1:
        raise GatllmError(f"a merge length of {max_merge_length} is too small", "take 1 (bytes) or more")
    engine = Engine(models.BPE())
    pre: Any = pre_tokenizers
    engine.pre_tokenizer = pre.Sequence(
        [pre.Split(Regex(_SPLIT), "isolated"), pre.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    engine.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=smallest if max_merge_length == 1 else size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(byte_symbols()),
        max_token_length=None if max_merge_length is None else max_merge_length + 1,  # the trainer stops one short
        show_progress=False,
    )
    clean = (_SURROGATES.sub("", text) for text in texts)
    engine.train_from_iterator(clean, trainer)
    return BytePair(engine)


def is_bpe(value: dict[str, Any]) -> bool:
    """Tell whether a parsed ``tokenizer.json`` is a byte-level BPE."""
    model = value.get("model")
    return isinstance(model, dict) and model.get("type") == "BPE" and '"ByteLevel"' in json.dumps(value.get("decoder"))
