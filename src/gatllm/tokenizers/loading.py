"""From a ``tokenizer.json`` to the tokenizer that it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gatllm.errors import GatllmError
from gatllm.tokenizers.base import Tokenizer
from gatllm.tokenizers.bpe import BytePair, is_bpe
from gatllm.tokenizers.characters import Characters, is_characters
from gatllm.tokenizers.pretrained import Pretrained
from gatllm.tokenizers.sentencepiece import SentencePiece, is_sentencepiece
from gatllm.tokenizers.tiktoken import load_gpt2, load_tiktoken

FILE_NAME = "tokenizer.json"


def _lexicon(text: str) -> Tokenizer:
    from gatllm.tokenizers.lexicon import Lexicon

    return Lexicon.from_json(text)


def _byte_level(text: str) -> Tokenizer:
    try:
        return BytePair.from_json(text)
    except GatllmError:  # the decoder names bytes, and the vocabulary lacks some
        return Pretrained.from_json(text)


# Each kind: does the parsed JSON look like it, and how is it loaded. The first that fits wins.
_KINDS: list[tuple[Callable[[dict[str, Any]], bool], Callable[[str], Tokenizer]]] = [
    (lambda value: value.get("kind") == "lexicon", _lexicon),
    (is_sentencepiece, SentencePiece.from_json),
    (is_characters, Characters.from_json),
    (is_bpe, _byte_level),
    (lambda value: isinstance(value.get("model"), dict), Pretrained.from_json),
]


def loads(text: str) -> Tokenizer:
    """Return the tokenizer whose `Tokenizer.to_json` is ``text``.

    Raises:
        GatllmError: it is not JSON, or no kind of tokenizer we know.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise GatllmError(f"the tokenizer is not JSON: {error}", "name a tokenizer.json") from None
    if isinstance(value, dict):
        for fits, build in _KINDS:
            if fits(value):
                return build(text)
    raise GatllmError("no known kind of tokenizer", "name a tokenizer.json of 🤗 tokenizers or of gatllm")


def load(path: Path | str) -> Tokenizer:
    """Load a tokenizer: a ``tokenizer.json``, a SentencePiece ``.model``, a ``.tiktoken`` file of ranks, or a folder.

    A folder holds a ``tokenizer.json``, or GPT-2's ``vocab.json`` and ``merges.txt``.

    Raises:
        GatllmError: there is no such file, or it can't be read.
    """
    path = Path(path)
    file = path / FILE_NAME if path.is_dir() else path
    if path.suffix == ".tiktoken":
        return load_tiktoken(path)
    if path.is_dir() and not file.exists() and any((path / name).exists() for name in ("merges.txt", "vocab.bpe")):
        return load_gpt2(path)
    try:
        if file.suffix == ".model":
            return SentencePiece(file.read_bytes())
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise GatllmError(f"can't read the tokenizer {file}: {reason}", "name a tokenizer.json or its folder") from None
    try:
        return loads(text)
    except GatllmError as error:
        raise GatllmError(f"{file}: {error.cause}", error.cure) from None
