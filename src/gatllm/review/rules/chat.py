"""What chats and pages leave around code and in it: fences, prose, placeholders, letters of another width."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator

from gatllm.review.critics import Finding, compile_error, syntax_error
from gatllm.review.region import line_span
from gatllm.review.rules.rule import ANY, Rule
from gatllm.tokenizers.lexing.lenient import outside_strings

_FENCE = re.compile(r"[ \t]*(?:`{3,}|~{3,})[ \t]*(?P<language>[\w+.-]*)[ \t]*\r?")
_CODE = re.compile(
    r"\s*(?:(?:async\s+)?def\s+\w+\s*\(|class\s+\w+\s*[:(]|import\s+\w|from\s+\S+\s+import\b|@\w|[\w.\[\]]+\s*=(?!=)|"
    r"(?:if|for|while|with|try|return|elif|else|except)\b.*:?\s*$|[\w.]+\()"
)
_SENTENCE = re.compile(r"^[A-Z\"“'*#>-][^=\[\]{}\\]*$")
_PLAIN = re.compile(r"[A-Za-z][\w'’-]*[,;:.!?)]*")
_PLACEHOLDER = re.compile(
    r"^(?P<margin>[ \t]*)(?P<said>(?:\.{3}|…)[ \t]*[^\W\d][\w ,.'’-]*(?:\.{3}|…)?"
    r"|(?:\[|<|\()?(?:rest|remaining|remainder|existing|previous|same|your|other|unchanged)\b[\w ,.'’-]*"
    r"(?:\.{3}|…|\]|>|\))?)[ \t]*\r?$",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#\d+|#x[\da-fA-F]+);")


def _fenced(text: str, error: Finding) -> Iterator[str]:
    """What stands between fences, if nothing around them is code."""
    if "```" not in text and "~~~" not in text:
        return
    lines = text.split("\n")
    fences = [n for n, line in enumerate(lines) if _FENCE.fullmatch(line)]
    if not fences or error.line - 1 > fences[-1] + 1:
        return
    first, last = fences[0], fences[-1] if len(fences) > 1 else len(lines)
    whole = lines[first + 1 : last]
    if _no_code(lines[:first]) and _no_code(lines[last + 1 :]):
        kept = "\n".join(whole).rstrip() + "\n"
        if len(fences) <= 2 or compile_error(kept) is None:
            yield kept
            return
    inside: list[str] = []
    outside: list[str] = []
    opened = False
    for line in lines:
        if _FENCE.fullmatch(line):
            if opened:
                inside.append("")
            opened = not opened
        else:
            (inside if opened else outside).append(line)
    if _no_code(outside):
        yield "\n".join(inside).strip("\n") + "\n"


def _no_code(lines: list[str]) -> bool:
    """Tell whether lines are prose: none of them is a statement that says something."""
    return not any(_CODE.match(line) and syntax_error(line.strip() + "\n") is None for line in lines)


def _prose(text: str, error: Finding) -> Iterator[str]:
    """Sentences before the code and after it become comments."""
    lines = text.split("\n")
    number = error.line - 1
    if number >= len(lines) or not _is_sentence(lines[number]):
        return
    code = [n for n, line in enumerate(lines) if _CODE.match(line) and not _is_sentence(line)]
    if len(code) < 2 or code[0] < number < code[-1]:
        return
    last = number
    while last + 1 < len(lines) and last + 1 not in code and (_is_sentence(lines[last + 1]) or number > code[-1]):
        last += 1
    said = [f"# {line}" if line.strip() and not line.startswith("#") else line for line in lines[number : last + 1]]
    yield "\n".join([*lines[:number], *said, *lines[last + 1 :]])


def _is_sentence(line: str) -> bool:
    words = line.split()
    plain = [word for word in words if _PLAIN.fullmatch(word)]
    return len(words) > 2 and len(plain) * 4 >= len(words) * 3 and _SENTENCE.match(line) is not None


def _placeholder(text: str, error: Finding) -> Iterator[str]:
    """``... existing methods ...``: a comment, and a body where it was the only one."""
    start, end = line_span(text, error.line)
    found = _PLACEHOLDER.match(text[start:end])
    if found is None or len(found["said"].split()) < 2:
        return
    noted = f"{found['margin']}# {found['said'].strip()}"
    yield text[:start] + noted + text[end:]
    if found["margin"]:
        yield f"{text[:start]}{noted}\n{found['margin']}...{text[end:]}"


def _entities(text: str, error: Finding) -> Iterator[str]:
    """``&lt;`` and its like, in the whole file; ``&&`` is what they may leave."""
    if _ENTITY.search(text[slice(*line_span(text, error.line))]):
        plain = html.unescape(text).replace("\u00a0", " ")
        yield plain
        yield "".join(re.sub(r"\s*&&\s*", " and ", line) for line in plain.splitlines(keepends=True))


def _narrow(text: str, error: Finding) -> Iterator[str]:
    """Letters and signs of full width outside strings, in every line that has them."""
    if not any(0xFF01 <= ord(letter) <= 0xFF5E for letter in text[slice(*line_span(text, error.line))]):
        return
    out = []
    for line in text.split("\n"):
        outside = outside_strings(line) if not line.isascii() else ()
        out.append(
            "".join(
                unicodedata.normalize("NFKC", letter)
                if ok and (0xFF01 <= ord(letter) <= 0xFF5E or letter == "　")
                else letter
                for letter, ok in zip(line, outside, strict=True)
            )
            if outside
            else line
        )
    yield "\n".join(out)


RULES = (
    Rule(
        "fenced-code",
        ANY,
        "Code as a chat shows it: between fences, with prose around it.",
        "The fences say where the code begins and ends. Nothing is taken away if what stands around them is code.",
        "Here is the function:\n\n```python\ndef add(a, b):\n    return a + b\n```\n\nLet me know how it goes.\n",
        "def add(a, b):\n    return a + b\n",
        _fenced,
    ),
    Rule(
        "prose-around-code",
        ANY,
        "Sentences before or after the code.",
        "They become comments: words are not code, and they may still be of use.",
        "Sure, here is the code you asked for.\nimport os\n\nprint(os.sep)\n",
        "# Sure, here is the code you asked for.\nimport os\n\nprint(os.sep)\n",
        _prose,
    ),
    Rule(
        "placeholder",
        ANY,
        "A line that stands for code left out, such as `... existing methods ...`.",
        "It becomes a comment. What it stands for is still missing.",
        "class Store:\n    ... existing methods ...\n\n    def add(self, item):\n        self.items.append(item)\n",
        "class Store:\n    # ... existing methods ...\n\n    def add(self, item):\n        self.items.append(item)\n",
        _placeholder,
    ),
    Rule(
        "entities-of-html",
        ANY,
        "Signs as a page's source has them: `&lt;`, `&quot;`.",
        "A page writes its own signs so; a file with one of them in its code was copied from a page's source.",
        "def f(a, b):\n    if a &gt; b:\n        return &quot;x&quot;\n    return a\n",
        'def f(a, b):\n    if a > b:\n        return "x"\n    return a\n',
        _entities,
    ),
    Rule(
        "full-width",
        re.compile("invalid (?:non-printable )?character"),
        "Signs and letters of full width outside strings, as East Asian keyboards type them.",
        "Unicode calls each the same letter in another width.",
        "def f（a, b）：\n    return a ＋ b\n",
        "def f(a, b):\n    return a + b\n",
        _narrow,
    ),
)
