"""Keeps what a user hands over to be worked on (code, quotations) from giving orders.

A small generator does what the last imperative sentence says, wherever it stands. So sentences inside the material that
address the assistant never reach it: they are left out of what it reads, and the answer says so. What the user writes
outside of fences, quotation marks and comments is the request, and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gatllm.answering.blocks import CodeBlock, find_code, split
from gatllm.review.critics import syntax_error

LEFT_OUT = "[left out]"
_ADDRESSED = re.compile(
    r"""
    \b(?:ignore|disregard|forget|override|bypass|ignoriere?|vergiss|ignora|ignorez?|oublie[zr]?)\b.{0,40}
        \b(?:previous|prior|above|earlier|all|any|every|these|your|the|user|vorherige\w*|alle|anterior\w*|pr[ée]c[ée]dent\w*)\b
    |\b(?:reply|respond|answer|antworte|r[ée]pond[sre]*[zs]?|responde)\b(?!\s*(?:=|\())\s+
        (?:only|just|solely|simply|exactly|nothing|always|never|with|by|in|as|nur|mit|solo|con|seulement|avec|uniquement)\b
    |\b(?:say|output|print|write|return|type|display)\s+(?:only|just|exactly|nothing\s+but|the\s+(?:word|words|text))\s+(?:["'`]|(?-i:[A-Z]{3}))
    |\b(?:say|output|write|type)\s+["'`]
    |\b(?:set|give|report|state|claim|raise|put|show|make|mark|rate|declare|assign)\b.{0,30}
        \b(?:confidence|probability|verdict|certainty|rating|correct\s+and|as\s+(?:correct|real|safe|verified))
    |\bconfidence\s*(?:is|=|:|to|of)?\s*(?:must\s+be\s+|should\s+be\s+)?1?\d\d\s*%
    |\b(?:you|thou)\s+(?:are\s+now|must|will|shall|should|have\s+to|may\s+not|are\s+to|can(?:not|'t))\b
    |\bfrom\s+now\s+on\b|\b(?:new|real|actual|updated|following|hidden|secret)\s+(?:instructions?|task|rules?|orders?)\b
    |\b(?:act|behave|pose)\s+as\b|\bpretend\b|\bjailbreak\b|\bdeveloper\s+mode\b
    |^\W*(?:system|developer|admin|assistant|note\s+to|attention|important)\b[^:\n]{0,30}:
    |\b(?:dear\s+)?(?:AI|LLM|assistant|chat\s?bot|language\s+model|GPT|ChatGPT|model)\b\s*[,:!]
    |\b(?:do\s+not|don't|never|stop|refuse\s+to|instead\s+of)\s+
        (?:answer|answering|explain\w*|fix\w*|help\w*|review\w*|correct\w*|follow\w*|repair\w*|translat\w*|summari\w*)
    |\b(?:reveal|repeat|print|show|leak)\b.{0,20}\b(?:system\s+prompt|instructions|your\s+prompt|this\s+prompt)\b
    |<\|[^|]*\|>|\[/?INST\]|</?(?:system|assistant|instructions?)>
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Where a sentence ends inside a comment or a quotation.
_SENTENCE = re.compile(r"[^.!?;\n\"'`]+(?:[\"'`][^\"'`\n]{0,80}[\"'`][^.!?;\n\"'`]*)*[.!?;]*")
_COMMENT = re.compile(r"#(?P<text>[^\n]*)")
_STRING = re.compile(r"\"\"\"(?P<a>.*?)\"\"\"|'''(?P<b>.*?)'''|\"(?P<c>[^\"\n]{12,})\"|'(?P<d>[^'\n]{12,})'", re.DOTALL)
_QUOTED = re.compile(
    r"^[ \t]*>(?!>>)(?P<a>[^\n]*)|\"\"\"(?P<b>.*?)\"\"\"|“(?P<c>[^”]*)”|«(?P<d>[^»]*)»|\"(?P<e>[^\"\n]{12,})\""
    r"|<(?P<tag>[a-z]+)>(?P<f>.*?)</(?P=tag)>",
    re.DOTALL | re.MULTILINE,
)


def without_orders(prompt: str) -> tuple[str, list[str]]:
    """Return the prompt as the generator may read it, and the sentences of its material that were left out."""
    left: list[str] = []
    parts: list[str] = []
    for piece in split(prompt):
        if isinstance(piece, CodeBlock):
            parts.append(piece.with_code(_in_code(piece.code, piece.is_python, left)))
            continue
        text = piece.text
        found = find_code(text)
        if found is not None and (at := text.find(found.code.rstrip("\n"))) >= 0:
            end = at + len(found.code.rstrip("\n"))
            text = _in_quotes(text[:at], left) + _in_code(text[at:end], True, left) + _in_quotes(text[end:], left)
        else:
            text = _in_quotes(text, left)
        parts.append(text)
    return ("".join(parts) if left else prompt), left


def _in_code(code: str, is_python: bool, left: list[str]) -> str:
    """Clear comments and strings of Python; of anything else, every line."""
    if not is_python or (_COMMENT.search(code) is None and syntax_error(code) is not None):
        return _cleared(code, left)
    code = _within(_STRING, code, left)
    return _within(_COMMENT, code, left)


def _in_quotes(text: str, left: list[str]) -> str:
    return _within(_QUOTED, text, left)


def _within(pattern: re.Pattern[str], text: str, left: list[str]) -> str:
    """Clear only what the named groups of ``pattern`` hold."""
    parts: list[str] = []
    last = 0
    for start, end in _spans(pattern, text):
        parts += [text[last:start], _cleared(text[start:end], left)]
        last = end
    return "".join([*parts, text[last:]])


def _spans(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    for found in pattern.finditer(text):
        names = [name for name in found.groupdict() if name != "tag" and found[name] is not None]
        if names:
            yield found.span(names[0])


def _cleared(text: str, left: list[str]) -> str:
    def clear(found: re.Match[str]) -> str:
        sentence = found[0]
        if not _ADDRESSED.search(sentence.strip()):
            return sentence
        left.append(" ".join(sentence.split()))
        before, after = sentence[: len(sentence) - len(sentence.lstrip())], sentence[len(sentence.rstrip()) :]
        return f"{before}{LEFT_OUT}{after}"

    return _SENTENCE.sub(clear, text)
