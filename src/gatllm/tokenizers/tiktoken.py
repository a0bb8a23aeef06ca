"""tiktoken and GPT-2 encodings from local files, as byte-level BPE: no network, the same ids."""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError
from gatllm.tokenizers.base import SPECIAL_TOKENS
from gatllm.tokenizers.bpe import BytePair, byte_symbols

# How each encoding divides a text before merging (OpenAI tiktoken, openai_public.py), without possessive quantifiers,
# which only save time; the end of the text is \z in Oniguruma.
_GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s+\z|\s*[\r\n]|\s+(?!\S)|\s"
)
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_O200K = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_SUFFIX}|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_SUFFIX}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_PATTERNS = {
    "gpt2": _GPT2, "r50k_base": _GPT2, "p50k_base": _GPT2, "p50k_edit": _GPT2,
    "cl100k_base": _CL100K, "o200k_base": _O200K,
}  # fmt: skip


def load_tiktoken(path: Path, encoding: str = "") -> BytePair:
    """Load a ``.tiktoken`` file of ranks: one base64 token and its rank a line.

    Our special tokens get the ids after the last rank; the encoding's own are not taken over.

    Args:
        path: the file.
        encoding: how text is divided before merging: ``gpt2``, ``cl100k_base``, ``o200k_base`` …; by default, the
            file's name.

    Raises:
        GatllmError: the file can't be read, is damaged, or the encoding is unknown.
    """
    name = encoding or path.name.partition(".")[0]
    if name not in _PATTERNS:
        raise GatllmError(f"no known encoding {name}", f"name the file after one of {', '.join(_PATTERNS)}")
    try:
        ranks = {}
        for line in path.read_bytes().splitlines():
            if line:
                token, rank = line.split()
                ranks[base64.b64decode(token, validate=True)] = int(rank)
    except OSError as error:
        raise GatllmError(f"can't read {path}: {error.strerror}", "name a .tiktoken file") from None
    except (ValueError, binascii.Error):
        raise GatllmError(f"{path} is not a tiktoken file", "each line is a base64 token and its rank") from None
    return from_ranks(ranks, _PATTERNS[name])


def from_ranks(ranks: dict[bytes, int], pattern: str) -> BytePair:
    """Return the byte-level BPE with these merge ranks.

    A token's merge is the pair of tokens that its bytes have come to when all merges of lower rank are done.

    Raises:
        GatllmError: a byte has no token.
    """
    from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers
    from tokenizers import Tokenizer as Engine

    if missing := [byte for byte in range(256) if bytes([byte]) not in ranks]:
        raise GatllmError(f"{len(missing)} bytes have no token", "the file is cut off; fetch it again")
    symbols = {byte: symbol for symbol, byte in byte_symbols().items()}

    def written(token: bytes) -> str:
        return "".join(symbols[byte] for byte in token)

    vocabulary = {written(token): rank for token, rank in ranks.items()}
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) > 1 and (pair := _halves(token, rank, ranks)) is not None:
            merges.append((written(pair[0]), written(pair[1])))
    # ignore_merges: a whole piece that is a token is that token, as in tiktoken.
    engine = Engine(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=True))
    pre: Any = pre_tokenizers
    engine.pre_tokenizer = pre.Sequence(
        [pre.Split(Regex(pattern), "isolated"), pre.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    engine.decoder = decoders.ByteLevel()
    engine.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    return BytePair(engine)


def _halves(token: bytes, rank: int, ranks: dict[bytes, int]) -> tuple[bytes, bytes] | None:
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 2:
        best = min(range(len(parts) - 1), key=lambda i: ranks.get(parts[i] + parts[i + 1], rank))
        if ranks.get(parts[best] + parts[best + 1], rank) >= rank:
            return None  # merges never lead to it: only a whole piece can be this token
        parts[best : best + 2] = [parts[best] + parts[best + 1]]
    return parts[0], parts[1]


def load_gpt2(folder: Path) -> BytePair:
    """Load GPT-2's ``vocab.json`` (or ``encoder.json``) and ``merges.txt`` (or ``vocab.bpe``).

    Raises:
        GatllmError: they can't be read or are damaged.
    """
    from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers
    from tokenizers import Tokenizer as Engine

    try:
        names = {path.name: path for path in folder.iterdir()}
        vocabulary = json.loads((names.get("vocab.json") or names["encoder.json"]).read_bytes())
        lines = (names.get("merges.txt") or names["vocab.bpe"]).read_text(encoding="utf-8").splitlines()
        pairs = (line.split() for line in lines if line and not line.startswith("#version"))
        merges = [(first, second) for first, second in pairs]
        engine = Engine(models.BPE(vocab=vocabulary, merges=merges))
    except (OSError, KeyError) as error:
        raise GatllmError(f"{folder} has no GPT-2 tokenizer: {error}", "it needs vocab.json and merges.txt") from None
    except Exception as error:  # the engine raises bare Exception
        raise GatllmError(f"the tokenizer in {folder} is damaged: {error}", "fetch it again") from None
    pre: Any = pre_tokenizers
    engine.pre_tokenizer = pre.Sequence(
        [pre.Split(Regex(_GPT2), "isolated"), pre.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    engine.decoder = decoders.ByteLevel()
    engine.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    return BytePair(engine)
