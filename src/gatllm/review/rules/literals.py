"""Backslashes, quotes and letters in strings: the value that was typed is the value that stays."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gatllm.review.critics import Finding, compile_error
from gatllm.review.region import line_span
from gatllm.review.rules.forms import form
from gatllm.review.rules.rule import ANY, Rule
from gatllm.review.statement import leaves_open
from gatllm.tokenizers.lexing.lenient import outside_strings

_STRING = re.compile(
    r"(?<![\w'\"])(?P<prefix>[rRbBuUfF]{0,2})(?P<quote>\"\"\"|'''|\"|')"
    r"(?P<body>(?:\\[\s\S]|(?!(?P=quote))[^\\])*?)(?P=quote)"
)
_ESCAPE = re.compile(r"\\(?:U[0-9a-fA-F]{8}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|N\{[^}]*\}|[\s\S])")
_CUT_OFF = frozenset({"\\U", "\\u", "\\x", "\\N"})
_BEFORE_END = re.compile(r"\\(?P<quote>['\"])(?=\s*(?:[,)\]}:;]|$|\s#|\s(?:as|if|else|and|or|in)\b))")
_CHAIN = r"[^\W\d]\w*(?:\.[^\W\d]\w*|\[[^\[\]{}]*\]|\([^(){}]*\))*"
_APART = re.compile(r"(?<![\w.'\"])(?P<prefix>[rRfFbB]|[rR][bBfF]|[bBfF][rR])[ \t]+(?=['\"])")
_PATTERN = re.compile(r"\bre\.\w+\(\s*\Z")
_MOST = 60  # lines that a string continues for, at most
_STATEMENT = re.compile(
    r"\s*(?:(?:return|if|for|while|with|def|class|import|from|try|raise|async|assert|yield|del|pass|elif|else|except|@)\b"
    r"|[\w.\[\]'\"]+\s*(?:[-+*/|&]?=(?!=)|\()|@\w|[\])}])"
)


def _raw(text: str, error: Finding) -> Iterator[str]:
    r"""``"C:\Users"``: a raw string; where that would change other escapes, the broken ones are doubled."""
    start, end = _around(text, error)
    out, at = [text[:start]], start
    for found in _STRING.finditer(text, start, end):
        prefix, body = found["prefix"], found["body"]
        escapes = _ESCAPE.findall(body)
        if "r" in prefix.lower() or not any(escape in _CUT_OFF for escape in escapes):
            continue
        if "\n" in body and len(found["quote"]) == 1:
            continue
        if "\\N{" in body:  # a character's name, which lost its brace or is spelt wrong
            continue
        if any(escape in ("\\\\", "\\'", '\\"', "\\\n") for escape in escapes):
            body = _ESCAPE.sub(lambda one: ("\\" if one[0] in _CUT_OFF else "") + one[0], body)
        elif body.endswith("\\n"):  # a path, or a line with a path in it: nothing tells
            return
        else:
            prefix = "r" + prefix.replace("u", "").replace("U", "")
        out += [text[at : found.start()], prefix, found["quote"], body, found["quote"]]
        at = found.end()
    if len(out) > 1:
        yield "".join([*out, text[at:]])


def _around(text: str, error: Finding) -> tuple[int, int]:
    """The lines that the string at the error lies in: the compiler names its first line or its last."""
    first, last = line_span(text, max(error.line - _MOST, 1))[0], line_span(text, error.line + _MOST)[1]
    start, end = line_span(text, error.line)
    return (start, end) if _STRING.search(text, start, end) else (first, last)


def _doubled(text: str, error: Finding) -> Iterator[str]:
    r"""``"C:\data\"``: the last backslash was to be one, not to escape the quote."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    for found in _BEFORE_END.finditer(line):
        quote = found["quote"]
        for opened in re.finditer(rf"(?<![\w\\'\"])(?P<prefix>[rRbBuU]{{0,2}}){quote}", line[: found.start()]):
            inner = line[opened.end() : found.start()]
            if quote in inner.replace("\\" + quote, "") or line[: opened.start()].count(quote) % 2:
                continue
            if _PATTERN.search(line[: opened.start()]):
                continue  # no pattern ends with a backslash
            raw = "r" in opened["prefix"].lower()
            prefix = re.sub("[rR]", "", opened["prefix"])
            mixed = not raw and "\\\\" in inner  # the others are doubled already
            body = inner if mixed else inner.replace("\\", "\\\\")
            yield f"{text[:start]}{line[: opened.start()]}{prefix}{quote}{body}\\\\{quote}{text[start + found.end() :]}"


def _bytes(text: str, error: Finding) -> Iterator[str]:
    """``b'café'``: bytes are written out, as UTF-8 has them."""
    start, end = _around(text, error)
    out, at = [text[:start]], start
    for found in _STRING.finditer(text, start, end):
        if found["prefix"].lower() != "b" or found["body"].isascii():
            continue
        body = re.sub("[^\x00-\x7f]+", lambda one: "".join(f"\\x{byte:02x}" for byte in one[0].encode()), found["body"])
        out += [text[at : found.start("body")], body]
        at = found.end("body")
    if len(out) > 1:
        yield "".join([*out, text[at:]])


def _three_quotes(text: str, error: Finding) -> Iterator[str]:
    """A string that continues in the next lines, and ends there."""
    start, end = line_span(text, error.line)
    at = start + error.column - 1
    opened = re.compile(r"[rRbBuUfF]{0,2}(?P<quote>['\"])(?!['\"])").match(text, at)
    if opened is None or not text[opened.end() : end].strip():
        return
    quote = opened["quote"]
    close = text.find(quote, end)
    if close < 0 or text.count("\n", end, close) > _MOST:
        return
    # Words on both sides of the break: one that only cut off the quote was not a line break of the string's.
    if not re.search(r"\w", text[opened.end() : end]) or not re.search(r"\w", text[end:close]):
        return
    between = text[end + 1 : close].split("\n")
    if any(_STATEMENT.match(line) for line in between[:-1]) or _STATEMENT.match(between[-1] + quote):
        return
    rest = text[close + 1 : line_span(text, text.count("\n", 0, close) + 1)[1]]
    if not re.match(r"\s*(?:[,)\]}:;.%+#]|$)", rest) or quote in rest or quote * 3 in text[start:close]:
        return
    body = text[opened.end() : close]
    # Code that was broken in two reads so: within brackets, beside a field, or where the line breaks have escapes.
    if body.endswith(quote) or leaves_open(text[opened.end() : end]) or "\\n" in body or "f" in opened[0].lower():
        return
    yield f"{text[: opened.end() - 1]}{quote * 3}{body}{quote * 3}{text[close + 1 :]}"


def _third_quote(text: str, _: Finding) -> Iterator[str]:
    """Two quotes where a docstring begins or ends: the third was lost."""
    lines = text.split("\n")
    for quote in ('"', "'"):
        if text.count(quote * 3) % 2 == 0:
            continue
        begins = re.compile(rf"(?P<head>\s*[rRuU]?){quote}{quote}(?!{quote})(?=[^\s,)\]}}:.%+{quote}])")
        ends = re.compile(rf"(?P<head>(?:.*[^\s{quote}(,=\[{{:+])?\s*)(?<!{quote}){quote}{quote}\s*$")
        for n, line in enumerate(lines):
            for found in (begins.match(line), ends.match(line)):
                if found is not None:
                    new = f"{found['head']}{quote * 3}{line[found.end() :] if found.re is begins else ''}"
                    tried = "\n".join([*lines[:n], new, *lines[n + 1 :]])
                    if compile_error(tried) is None:
                        yield tried


def _field(text: str, error: Finding) -> Iterator[str]:
    """A field of an f-string that lost one of its braces: around the whole expression."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    for found in re.finditer(rf"(?<![{{\w.()\[\]]){_CHAIN}(?=(?:![rsa])?\}}(?!\}}))", line):
        if line.count("{", 0, found.start()) > line.count("}", 0, found.start()):
            continue  # `{{ one + other}` has its brace, and one too many
        yield f"{text[: start + found.start()]}{{{text[start + found.start() :]}"
    # To the end of the string: a format, or a sum in brackets.
    for found in re.finditer(rf"(?<!\{{)\{{(?:{_CHAIN}:[<>^=+,]?[\d.,]+[a-zA-Z%]?|\([^{{}}'\"]*)(?=['\"])", line):
        yield f"{text[: start + found.end()]}}}{text[start + found.end() :]}"
    for found in re.finditer(rf"(?<!\{{)\{{{_CHAIN}(?![\w.}}!:=\[(])", line):
        yield f"{text[: start + found.end()]}}}{text[start + found.end() :]}"


def _other_brace(text: str, error: Finding) -> Iterator[str]:
    """``f'{n]'``: a field of an f-string closed with another bracket."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    for found in re.finditer(
        rf"\b[fF](?P<quote>['\"])[^'\"{{}}]*\{{{_CHAIN}(?P<other>[\])])(?=[^'\"{{}}]*(?P=quote))", line
    ):
        yield f"{text[: start + found.start('other')]}}}{text[start + found.end() :]}"


def _docstring(text: str, error: Finding) -> Iterator[str]:
    """A docstring without its end: it ends with the line, or where code begins."""
    for quote in ('"""', "'''"):
        if text.count(quote) % 2 == 0:
            continue
        lines = text.split("\n")
        opens = [
            n
            for n, line in enumerate(lines[: error.line])
            if line.count(quote) == 1 and re.match(rf"\s*[rRuU]?{quote}\s*\S", line)
        ]
        for n in opens[:8]:
            # Code begins at the docstring's own margin: the first line that does and reads like a statement.
            margin = len(lines[n]) - len(lines[n].lstrip())
            last = n
            while last + 1 < len(lines) and not _begins_code(lines[last + 1], margin):
                last += 1
            if last + 1 == len(lines):
                continue
            while not lines[last].strip():
                last -= 1
            if last == n:
                yield "\n".join([*lines[:n], lines[n].rstrip() + quote, *lines[n + 1 :]])
            else:
                yield "\n".join([*lines[: last + 1], lines[n][:margin] + quote, *lines[last + 1 :]])


def _begins_code(line: str, margin: int) -> bool:
    indented = len(line) - len(line.lstrip())
    return indented <= margin and bool(line.strip()) and (indented < margin or _STATEMENT.match(line) is not None)


def _prefix(text: str, error: Finding) -> Iterator[str]:
    """``r '\\d+'``: a prefix stands at its string, unless it is a name of the file's own."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    outside = outside_strings(line)
    for found in _APART.finditer(line):
        prefix = re.escape(found["prefix"])
        named = len(re.findall(rf"(?<![\w'\"]){prefix}(?![\w'\"])", text)) > len(
            re.findall(rf"(?<![\w'\"]){prefix}[ \t]+['\"]", text)
        )
        if outside[found.start()] and not named:
            yield f"{text[: start + found.end('prefix')]}{text[start + found.end() :]}"


def _said_inside(found: re.Match[str], after: str) -> str | None:
    """Words in quotes, unless they are a name that the line or what follows uses: then commas are missing."""
    rest = found.string[: found.start()] + found.string[found.end() :] + after
    if re.search(rf"(?<![\w'\"]){re.escape(found['b'])}(?![\w'\"])", rest):
        return None
    return f"""'{found["a"]}"{found["b"]}"{found["c"]}'{found.string[found.end() :]}{after}"""


_INNER_QUOTES = r"""(?<=[=(,\[{ ])"(?P<a>[^"'\n]+)"(?P<b>\w(?:[^"'\n]*\w)?)"(?P<c>[^"'\n]*)"(?=\s*(?:[,)\]}:]|$))"""
RULES = (
    Rule(
        "backslash-in-path",
        re.compile(r"codec can't decode bytes|\(value error\) invalid \\x escape"),
        "A path with single backslashes, of which Python reads one as the beginning of an escape.",
        r"`\U`, `\u`, `\x` and `\N` want digits or a name after them; a folder's name has none. A raw string keeps "
        "every backslash. Where the string also has escapes that are meant, only the broken ones are doubled.",
        'data = open("C:\\Users\\ann\\file.txt")\n',
        'data = open(r"C:\\Users\\ann\\file.txt")\n',
        _raw,
    ),
    Rule(
        "backslash-before-quote",
        re.compile("unterminated (?:[ft]-)?string literal|invalid syntax|never closed|forgot a comma"),
        "A path that ends with a backslash, so that its closing quote is escaped.",
        "A string cannot end with one backslash, not even a raw one; doubled backslashes say the same.",
        'folder = r"C:\\data\\"\n',
        'folder = "C:\\\\data\\\\"\n',
        _doubled,
    ),
    Rule(
        "letters-in-bytes",
        re.compile("bytes can only contain ASCII"),
        "Letters beyond ASCII in bytes.",
        "A file of Python is UTF-8, and so are the bytes that were typed; written out they are the same bytes.",
        "name = b'café'\n",
        "name = b'caf\\xc3\\xa9'\n",
        _bytes,
    ),
    Rule(
        "string-of-several-lines",
        re.compile("unterminated (?:[ft]-)?string literal"),
        "A string that continues in the next line.",
        "Only three quotes hold line breaks. The string ends where its quote comes again, if no code lies between.",
        "text = 'first line\nsecond line'\n",
        "text = '''first line\nsecond line'''\n",
        _three_quotes,
    ),
    Rule(
        "third-quote",
        ANY,
        "Two quotes where a docstring begins or ends.",
        "Two quotes are an empty string; before words, or alone at the end of a docstring, they are three less one.",
        'def f():\n    ""Say `it`.\n\n    Twice.\n    """\n    return 1\n',
        'def f():\n    """Say `it`.\n\n    Twice.\n    """\n    return 1\n',
        _third_quote,
    ),
    Rule(
        "brace-of-field",
        re.compile("[ft]-string: (?:single '}'|expecting .*'}')"),
        "A field of an f-string that lost a brace.",
        "The brace goes around the whole expression: a name with its attributes, indices and calls.",
        'print(f"it is thing.name} now")\n',
        'print(f"it is {thing.name} now")\n',
        _field,
    ),
    Rule(
        "field-closed-otherwise",
        re.compile("unmatched '[])]'|does not match opening parenthesis '{'"),
        "A field of an f-string closed with another bracket.",
        "The keys lie side by side, and nothing else is open.",
        "print(f'n is {n]')\n",
        "print(f'n is {n}')\n",
        _other_brace,
    ),
    Rule(
        "docstring-without-end",
        re.compile(
            "unterminated triple-quoted|invalid syntax|unterminated string|expected|invalid decimal|never closed"
        ),
        "A docstring that nothing closes, so that the code behind it becomes words and the next docstring code.",
        "The quotes go to the end of the line, or below the last line before the code begins again.",
        'def first(x):\n    """Return x.\n    return x\n\n\ndef second(y):\n    """Return y."""\n    return y\n',
        'def first(x):\n    """Return x."""\n    return x\n\n\ndef second(y):\n    """Return y."""\n    return y\n',
        _docstring,
    ),
    Rule(
        "prefix-apart",
        ANY,
        "A blank between a string and its prefix.",
        "`r`, `f` and `b` before a string say how it is read, and stand at it. Where the file has such a name "
        "of its own a comma may be missing instead, and nothing is changed.",
        "path = r 'a.txt'\n",
        "path = r'a.txt'\n",
        _prefix,
    ),
    form("quote-behind-field", "The first quote of an f-string behind its first field.",
        "The prefix tells that the string begins with it: no name is called `f` and followed by a brace.",
        ("print(f{n}' files')\n", "print(f'{n} files')\n"),
        r"(?<![\w.'\"])(?P<prefix>[fF])(?P<field>\{[^{}'\"]+\})(?P<quote>['\"])(?P<rest>[^'\"]*)(?P=quote)",
        r"\g<prefix>\g<quote>\g<field>\g<rest>\g<quote>"),
    form("other-quote", "A string that begins with one quote and ends, at the end of its line, with the other.",
        "The two keys are one; a plural's apostrophe is left.",
        ("print('ready\")\n", "print('ready')\n"),
        r"(?P<quote>['\"])(?P<said>[^'\"]*[^'\"s])(?!(?P=quote))['\"](?=[)\]}]*\s*$)", r"\g<quote>\g<said>\g<quote>",
        anywhere=True),
    form("apostrophe", "An apostrophe in a string between apostrophes.", "The other quotes hold it.",
        ("print('don't')\n", 'print("don\'t")\n'),
        r"(?<!\w)'(?P<said>[^'\"]*\w'\w[^'\"]*)'(?!\w)", r'"\g<said>"', anywhere=True),
    form("quotes-in-quotes", "Quoted words in a string between the same quotes.", "The other quotes hold them.",
        ('x = "she said "hi""\n', "x = 'she said \"hi\"'\n"), _INNER_QUOTES, _said_inside, anywhere=True),
    form("quotes-in-format", "The quotes of an f-string inside its braces.",
        "Python 3.12 reads it; with the other quotes every Python does.",
        ('print(f"{d["a"]}")\n', "print(f\"{d['a']}\")\n"),
        r"(?P<head>\b[fF]\"[^\"]*\{[^\"{}]*)\"(?P<key>[^\"'{}]*)\"(?=[^{}\"]*\})", r"\g<head>'\g<key>'", anywhere=True),
    form("apostrophes-in-format", "The apostrophes of an f-string inside its braces.",
        "Python 3.12 reads it; with the other quotes every Python does.",
        ("print(f'{d['a']}')\n", "print(f'{d[\"a\"]}')\n"),
        r"(?P<head>\b[fF]'[^']*\{[^'{}]*)'(?P<key>[^\"'{}]*)'(?=[^{}']*\})", r'\g<head>"\g<key>"', anywhere=True),
)  # fmt: skip
