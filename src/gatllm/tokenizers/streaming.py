"""Text as its tokens come: never half a character."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import Any

from gatllm.tokenizers.base import Tokenizer
from gatllm.tokenizers.sentencepiece import MARK, SentencePiece, unescape


class StreamDecoder:
    """Decodes ids one at a time; what is not yet a whole character is held back.

    The pieces, joined with `finish`, are what ``tokenizer.decode`` gives for all ids at once (but for lone surrogates
    before bytes that are not text). The work for one id does not grow with the number before it.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer: Any = tokenizer
        self._escaped = isinstance(tokenizer, SentencePiece) and tokenizer.lossless
        self._bytewise = self._escaped or tokenizer.kind in {"bpe", "characters"}
        self._utf8 = codecs.getincrementaldecoder("utf-8")("surrogatepass")
        self._held = ""
        self._ids: list[int] = []
        self._shown = 0  # of the ids kept, how many are shown

    def push(self, index: int) -> str:
        """Return the text that became whole with this id; often ''."""
        if not self._bytewise:
            return self._by_window(index)
        return self._plain(self._decode(self._tokenizer.token_bytes(index), final=False))

    def finish(self) -> str:
        """Return what was held back."""
        if self._bytewise:
            return self._plain(self._decode(b"", final=True), final=True)
        before = self._tokenizer.decode(self._ids[: self._shown])
        return str(self._tokenizer.decode(self._ids)[len(before) :])

    def _decode(self, data: bytes, *, final: bool) -> str:
        pending = self._utf8.getstate()[0]
        try:
            return self._utf8.decode(data, final)
        except UnicodeDecodeError:  # no text: from here on with U+FFFD, as the whole is decoded
            self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
            return self._utf8.decode(pending + data, final)

    def _plain(self, text: str, *, final: bool = False) -> str:
        if not self._escaped:
            return text
        text = self._held + text
        marks = len(text) - len(text.rstrip(MARK))
        cut = len(text) - (marks % 2 if not final else 0)  # a mark belongs to the character after it
        self._held = text[cut:]
        return unescape(text[:cut])

    def _by_window(self, index: int) -> str:
        """Decode the last ids with and without the new one; keep back what ends in half a character."""
        self._ids.append(index)
        before = self._tokenizer.decode(self._ids[: self._shown])
        text = self._tokenizer.decode(self._ids)
        if len(text) <= len(before) or text.endswith("\ufffd"):
            return ""
        # The last shown ids stay as context: whether a word begins with a space depends on them.
        self._ids = self._ids[max(0, self._shown - 4) :]
        self._shown = len(self._ids)
        return str(text[len(before) :])


def stream_decode(tokenizer: Tokenizer, ids: Iterable[int]) -> Iterator[str]:
    """Yield the text of ``ids`` piece by piece, each of whole characters; empty pieces are left out."""
    decoder = StreamDecoder(tokenizer)
    for index in ids:
        if piece := decoder.push(index):
            yield piece
    if piece := decoder.finish():
        yield piece
