"""SentencePiece (Kudo & Richardson 2018): trained with byte fallback and no normalisation, so that no text is lost."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from gatllm.errors import GatllmError
from gatllm.tokenizers.base import SPECIAL_TOKENS, TokenizerBase

_SURROGATES = re.compile("([\ud800-\udfff]+)")
_SPACE = "▁"
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
# SentencePiece writes a space as ▁ (U+2581); a real ▁ and line breaks, tabs and NUL, which it drops or normalises
# at the edges, travel as characters of the private use area. Those, if a text has them, are written with a mark.
MARK = "\uf8fa"
_ESCAPES = {_SPACE: "\uf8fb", "\n": "\uf8fc", "\r": "\uf8fd", "\t": "\uf8fe", "\0": "\uf8ff"}


def _module() -> Any:
    try:
        import sentencepiece
    except ImportError:
        raise GatllmError("SentencePiece is not installed", "pip install gatllm[sentencepiece]") from None
    return sentencepiece


def _escape(text: str) -> str:
    table = {ord(private): MARK + private for private in (*_ESCAPES.values(), MARK)}
    return text.translate(table | {ord(plain): private for plain, private in _ESCAPES.items()})


def unescape(text: str) -> str:
    plain = {private: character for character, private in _ESCAPES.items()}
    return re.sub(f"{MARK}(.)|([\uf8fb-\uf8ff])", lambda match: match[1] or plain[match[2]], text, flags=re.DOTALL)


class SentencePiece(TokenizerBase):
    """A SentencePiece model; our special tokens are its user-defined pieces, or get the ids after its last.

    ``lossless`` (models trained by us) says that decode(encode(x)) == x for every text; others normalise.

    Raises:
        GatllmError: the model is damaged.
    """

    kind = "sentencepiece"

    def __init__(self, model: bytes, *, lossless: bool = False) -> None:
        self._model = model
        self.lossless = lossless
        try:
            self._engine = _module().SentencePieceProcessor(model_proto=model)
            count = self._engine.get_piece_size()
        except GatllmError:
            raise
        except Exception as error:  # the library raises RuntimeError and worse
            raise GatllmError(f"no SentencePiece model: {error}", "name a .model file") from None
        pieces = {self._engine.id_to_piece(index): index for index in range(count)}
        self._control = frozenset(index for index in range(count) if self._engine.is_control(index))
        self.specials = {}
        self.size = count
        for token in SPECIAL_TOKENS:
            # Only control symbols: the engine never makes one of text.
            if token in pieces and pieces[token] in self._control:
                self.specials[token] = pieces[token]
            else:
                self.specials[token] = self.size
                self.size += 1
        self._bytes: list[bytes] = []
        for index in range(count):
            piece = self._engine.id_to_piece(index)
            byte = _BYTE.fullmatch(piece) if self._engine.is_byte(index) else None
            plain = "" if index in self._control else piece.replace(_SPACE, " ")
            self._bytes.append(bytes.fromhex(byte[1]) if byte else plain.encode())
        self._byte_ids = {data[0]: i for i, data in enumerate(self._bytes) if self._engine.is_byte(i)}

    def encode(self, text: str) -> list[int]:
        """Return the ids of ``text``."""
        ids: list[int] = []
        for index, piece in enumerate(_SURROGATES.split(text)):
            if index % 2:
                whole = piece.encode("utf-8", "surrogatepass")
                ids += [self._byte_ids.get(byte, self._engine.unk_id()) for byte in whole]
            elif piece:
                ids += self._engine.encode(_escape(piece) if self.lossless else piece)
        return ids

    def token_bytes(self, index: int) -> bytes:
        """Return the bytes that one id stands for; of a lossless model, before line breaks are put back."""
        return self._bytes[index] if 0 <= index < len(self._bytes) else b""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ``ids``."""
        if not self.lossless:
            return str(self._engine.decode([index for index in ids if index < len(self._bytes)]))
        data = b"".join(map(self.token_bytes, ids))
        try:
            return unescape(data.decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            return unescape(data.decode("utf-8", "replace"))

    def to_json(self) -> str:
        """Return the content of ``tokenizer.json``: the model in base64."""
        model = base64.b64encode(self._model).decode()
        return json.dumps({"kind": self.kind, "lossless": self.lossless, "model": model})

    @classmethod
    def from_json(cls, text: str) -> SentencePiece:
        """Load from the content of a ``tokenizer.json``.

        Raises:
            GatllmError: it is damaged.
        """
        value = json.loads(text)
        try:
            return cls(base64.b64decode(value["model"], validate=True), lossless=bool(value["lossless"]))
        except (KeyError, TypeError, ValueError):
            raise GatllmError("the SentencePiece tokenizer is damaged", "use the file as it was written") from None


def train_sentencepiece(texts: Iterable[str], size: int = 4096) -> SentencePiece:
    """Learn a SentencePiece BPE model with byte fallback on ``texts``.

    Args:
        texts: what to learn from; read once.
        size: number of ids, with the 256 bytes and the special tokens; fewer when the texts have fewer pairs.

    Raises:
        GatllmError: sentencepiece is missing, or the texts are empty or too short for ``size``.
    """
    module = _module()
    lines = (line for text in texts for line in _escape(_SURROGATES.sub("", text)).split("\uf8fc") if line)
    stream = io.BytesIO()
    try:
        module.SentencePieceTrainer.train(
            sentence_iterator=(line + "\uf8fc" for line in lines),
            model_writer=stream,
            model_type="bpe",
            vocab_size=size,
            hard_vocab_limit=False,
            byte_fallback=True,
            character_coverage=0.9999,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=False,
            split_by_whitespace=True,
            allow_whitespace_only_pieces=True,
            control_symbols=list(SPECIAL_TOKENS),
            bos_id=-1,
            eos_id=-1,
            max_sentence_length=1 << 16,
            num_threads=1,  # with more, the result depends on chance
            minloglevel=2,
        )
    except Exception as error:  # the library raises RuntimeError and worse
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise GatllmError(f"SentencePiece can't learn that: {first}", "give it more text or a smaller size") from None
    return SentencePiece(stream.getvalue(), lossless=True)


def is_sentencepiece(value: dict[str, Any]) -> bool:
    """Tell whether a parsed ``tokenizer.json`` holds a SentencePiece model."""
    return value.get("kind") == SentencePiece.kind
