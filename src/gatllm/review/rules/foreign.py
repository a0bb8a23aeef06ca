"""What people bring along from C, Java, JavaScript, Ruby and shells: each form means one thing where it comes from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from gatllm.review.critics import Finding, syntax_error
from gatllm.review.region import line_span
from gatllm.review.rules.forms import form
from gatllm.review.rules.rule import ANY, Rule
from gatllm.review.statement import step
from gatllm.tokenizers.lexing.lenient import Lexeme, all_bare, bare, outside_strings

_OPERATORS = (
    (re.compile(r"\s*&&\s*"), " and "),
    (re.compile(r"\s*\|\|\s*"), " or "),
    (re.compile(r"!=="), "!="),
    (re.compile(r"==="), "=="),
    (re.compile(r"(?<![=!<>\w\])'\"])!\s*(?=[\w(])"), "not "),
)
_C_LIKE = re.compile(r"&&|\|\||!(?=[\w(])|===|!==|=>|[?]|[{};]\s*$")
_CONSTANTS = {"null": "None", "nil": "None", "undefined": "None", "true": "True", "false": "False"}
_PRINTS = re.compile(r"(?<![\w.])(?:console\.log|System\.out\.println?|fmt\.Println)(?=\s*\()")
_BLOCK = r"\s*(?:if|elif|else|for|while|try|except|finally|with|def|class)\b"
_HEAD = re.compile(r"\s*(?:if|elif|else|for|while|try|except|finally|with|def|class)\b")
_NO_DICT = re.compile(r"(?:[-+*/%=<>,.(\[{|&^~]|\b(?:in|is|not|and|or|return))\s*$")
_ARROW = re.compile(r"(?P<names>(?<![\w.)])(?:[^\W\d]\w*|\([\w\s,]*\)))\s*=>\s*(?![{=])")
_CONDITION = re.compile(r"\s*(?:if|elif|while|assert)\b")
_THEN = re.compile(r"^(?P<head>\s*(?:(?:el)?if\b.*?\s+then|(?:for|while)\b.*?\s+do))\s*:?\s*$")
_ENDINGS = frozenset({"end", "endif", "end if", "endfor", "endwhile", "fi", "done", "esac"})
_TYPES = "int|long|short|float|double|char|bool|boolean|string|String|auto|final|var|let|const|val"
_DECLARED = re.compile(rf"^(?P<margin>\s*)(?:(?:{_TYPES})(?:\[\]|<\w+>)?\s+)+(?P<rest>[^\W\d]\w*\s*=(?!=).*)$")
_C_FOR = re.compile(
    rf"^(?P<margin>\s*)for\s*\(\s*(?:(?:{_TYPES})\s+)?(?P<name>\w+)\s*=\s*(?P<first>[\w.]+)\s*;"
    r"\s*(?P=name)\s*(?P<sign><=?)\s*(?P<last>[\w.()\[\]]+)\s*;"
    r"\s*(?:(?P=name)\s*\+\+|\+\+\s*(?P=name)|(?P=name)\s*\+=\s*(?P<step>\w+))\s*\)\s*[{:]?\s*$"
)
_CATCH = re.compile(
    r"^(?P<margin>\s*)catch(?P<rest>(?:\s+[\w.]+(?:\s+as\s+\w+)?|\s*\([\w., ]+\)\s+as\s+\w+)?\s*:\s*(?:#.*)?)$"
)
_CAUGHT = re.compile(r"^(?P<margin>\s*)\}?\s*catch\s*\(\s*(?:(?P<kind>[\w.]+)\s+)?(?P<name>\w+)\s*\)\s*[{:]?\s*$")
_CLOSED = re.compile(r"^(?P<margin>\s*)\}\s*(?=(?:else|elif|catch|finally|except)\b)")
_TRAILING = re.compile(r"//\s*(?P<said>[^\W\d][^\n]*)$")


def _of_c(rewrite: Callable[[str, int, int], Iterator[str]]) -> Callable[[str, Finding], Iterator[str]]:
    """Apply a rewrite to the line of the error and the one before; then the constants of C's heirs, too."""

    def rewritten(text: str, error: Finding) -> Iterator[str]:
        for number in (error.line, error.line - 1):
            if number < 1:
                continue
            start, end = line_span(text, number)
            if 0 < end - start < 1000:
                for new in rewrite(text, start, end):
                    yield _constants(new)

    return rewritten


def _constants(text: str) -> str:
    """``null`` and ``true`` where the file does not define them."""
    found = {word for word in _CONSTANTS if re.search(rf"\b{word}\b", text)}
    found -= {word for word in found if re.search(rf"\b{word}\s*=(?!=)|\b(?:import|as|def|for)\s+{word}\b", text)}
    if not found and not _PRINTS.search(text):
        return text
    out: list[str] = []
    for piece, outside in all_bare(text):
        dotted = bool(out) and out[-1].endswith(".")
        out.append(_CONSTANTS[piece.text] if outside and piece.text in found and not dotted else piece.text)
    return _PRINTS.sub("print", "".join(out))


def _operators(text: str, start: int, end: int) -> Iterator[str]:
    """``(a && !b) || c``, and the brace that opens a block behind it."""
    line = text[start:end]
    new = line
    for pattern, words in _OPERATORS:
        outside = outside_strings(new)
        parts, at = [], 0
        for found in pattern.finditer(new):
            here = found.start() + len(found[0]) - len(found[0].lstrip())
            if outside[here]:
                parts += [new[at : found.start()], words]
                at = found.end()
        new = "".join([*parts, new[at:]])
    if new == line or _is_shell(line):
        return
    head = new.rstrip().removesuffix("{").rstrip()
    if new.rstrip().endswith("{") and _HEAD.match(new) and not _NO_DICT.search(head):
        new = head.removesuffix(":") + ":"
    yield text[:start] + new + text[end:]


def _is_shell(line: str) -> bool:
    """Tell whether a line is a notebook's: ``!ls`` and ``files = !ls``."""
    return re.match(r"\s*(?:[\w, ]+=\s*)?[!%]", line) is not None


def _choice(text: str, start: int, end: int) -> Iterator[str]:
    """``a > 0 ? x : y``: ``x if a > 0 else y``."""
    line = text[start:end]
    depth, level, begun, ask, tell = 0, 0, [_expression(line)], -1, -1
    for piece, outside in bare(line):
        if not outside:
            continue
        if piece.text in "([{":
            depth += 1
            begun.append(piece.end)
        elif ask >= 0 and depth == level and piece.text == ":" and tell < 0:
            tell = piece.start
        elif tell >= 0 and depth == level and piece.text in (")", "]", "}", ",", ";"):
            yield from _put_choice(text, start, line, (begun[-1], ask, tell, piece.start))
            return
        if piece.text in ")]}" and depth:
            depth -= 1
            begun.pop()
        elif piece.text == "," and ask < 0:
            begun[-1] = piece.end
        elif piece.text == "?" and ask < 0:
            ask, level = piece.start, depth
    if tell >= 0:
        yield from _put_choice(text, start, line, (begun[-1], ask, tell, len(line.rstrip())))


def _expression(line: str) -> int:
    """Where the expression of a statement begins."""
    found = re.match(r"\s*(?:return\b|yield\b|(?:const|let|var)\s+\w+\s*=|[\w.\[\]'\"]+\s*=(?!=))?\s*", line)
    return found.end() if found else 0


def _put_choice(text: str, start: int, line: str, at: tuple[int, int, int, int]) -> Iterator[str]:
    begins, ask, tell, ends = at
    asked, yes, no = line[begins:ask].strip(), line[ask + 1 : tell].strip(), line[tell + 1 : ends].strip()
    if all((asked, yes, no)) and "?" not in yes + no:
        space = line[begins:ask][: len(line[begins:ask]) - len(line[begins:ask].lstrip())]
        yield f"{text[:start]}{line[:begins]}{space}{yes} if {asked} else {no}{line[ends:]}{text[start + len(line) :]}"


def _arrow(text: str, start: int, end: int) -> Iterator[str]:
    """``x => x * 2``: a lambda."""
    line = text[start:end]
    found = _ARROW.search(line)
    if found is None or not outside_strings(line)[found.start()]:
        return
    names = found["names"].strip("()").strip()
    used = all(
        re.search(rf"\b{re.escape(name.strip())}\b", line[found.end() :]) for name in names.split(",") if name.strip()
    )
    if not found["names"].startswith("(") and (not used or _CONDITION.match(line)):
        return  # `if x => 3` compares
    new = f"{line[: found.start()]}lambda {names}: {line[found.end() :]}".replace("lambda :", "lambda:")
    yield text[:start] + re.sub(r"^(\s*)(?:const|let|var)\s+", r"\1", new) + text[end:]


def _then(text: str, start: int, end: int) -> Iterator[str]:
    """``if x then`` … ``end``."""
    found = _THEN.match(text[start:end])
    if found is None:
        return
    head = re.sub(r"\s+(?:then|do)$", ":", found["head"])
    lines = (text[:start] + head + text[end:]).split("\n")
    free = not re.search(r"\b(?:end|fi|done)\s*=(?!=)|\bdef\s+(?:end|done)\b", text)
    yield "\n".join(line for line in lines if not (free and line.strip().rstrip(";") in _ENDINGS))


def _declared(text: str, start: int, end: int) -> Iterator[str]:
    """``int x = 5;``."""
    found = _DECLARED.match(text[start:end])
    if found is not None:
        yield text[:start] + found["margin"] + found["rest"].rstrip().removesuffix(";") + text[end:]


def _counted(text: str, start: int, end: int) -> Iterator[str]:
    """``for (int i = 0; i < n; i++)``: ``for i in range(n)``."""
    found = _C_FOR.match(text[start:end])
    if found is None:
        return
    last = found["last"] if found["sign"] == "<" else f"{found['last']} + 1"
    bounds = [found["first"], last, found["step"]] if found["step"] else [found["first"], last]
    if bounds[0] == "0" and len(bounds) == 2:
        bounds = bounds[1:]
    yield f"{text[:start]}{found['margin']}for {found['name']} in range({', '.join(bounds)}):{text[end:]}"


def _caught(text: str, start: int, end: int) -> Iterator[str]:
    """``} catch (Error e) {``, ``catch Error as e:`` and ``} else {``."""
    line = text[start:end]
    if found := _CAUGHT.match(line):
        yield f"{text[:start]}{found['margin']}except {found['kind'] or 'Exception'} as {found['name']}:{text[end:]}"
    elif found := _CATCH.match(line):
        yield f"{text[:start]}{found['margin']}except{found['rest']}{text[end:]}"
    elif found := _CLOSED.match(line):
        rest = re.sub(r"^else\s+if\b", "elif", line[found.end() :])
        head = rest.rstrip().removesuffix("{").rstrip()
        new = f"{head}:" if rest.rstrip().endswith("{") else rest
        yield text[:start] + found["margin"] + new + text[end:]


def _comments(text: str, error: Finding) -> Iterator[str]:
    """``// …`` behind code, and ``/* … */``."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    outside = outside_strings(line)
    found = next((one for one in _TRAILING.finditer(line) if outside[one.start()]), None)
    code = line[: found.start()].rstrip() if found else ""
    words = found["said"].split() if found else []
    if (
        found
        and len(words) > 1
        and (not code.strip() or syntax_error(code.strip() + "\n") is None or code[-1] in "{:;,(")
    ):
        yield f"{text[:start]}{code}{'  ' if code else line[: found.start()]}# {found['said']}{text[end:]}"
    opens = text.find("/*", start)
    if 0 <= opens <= end:
        closes = text.find("*/", opens)
        first = text.rfind("\n", 0, opens) + 1
        before = text[first:opens]
        after_end = text.find("\n", closes) if closes >= 0 else -1
        after = text[closes + 2 : after_end if after_end >= 0 else len(text)]
        if closes < 0 or after.strip():
            return
        margin = before[: len(before) - len(before.lstrip())]
        said = [part.strip().lstrip("*").strip() for part in text[opens + 2 : closes].split("\n")]
        notes = [f"# {part}" for part in said if part]
        if before.strip():
            if len(notes) == 1:
                yield f"{text[:first]}{before.rstrip()}  {notes[0]}{text[closes + 2 + len(after) :]}"
            return
        yield text[:first] + "\n".join(margin + note for note in notes) + text[closes + 2 + len(after) :]


def _dots(found: re.Match[str], after: str) -> str | None:
    """``'a' . b . 'c'``: every dot with space on both sides."""
    pieces = list(bare(found["line"]))
    between = [spaced and piece.text == "." for spaced, (piece, _) in zip(_spaced(pieces), pieces, strict=True)]
    new = "".join("+" if dot and outside else piece.text for dot, (piece, outside) in zip(between, pieces, strict=True))
    return new + after if new != found["line"] else None


def _spaced(pieces: list[tuple[Lexeme, bool]]) -> list[bool]:
    """Tell for each lexeme whether space stands on both sides of it."""
    space = [False, *(piece.kind == "space" for piece, _ in pieces), False]
    return [left and right for left, right in zip(space, space[2:], strict=False)]


def _braced(found: re.Match[str], after: str) -> str | None:
    """``if (x) {``: a block, unless the brace may open a dict."""
    head = found["head"]
    if sum(step(piece, outside) for piece, outside in bare(head)) or re.search(
        r"(?:[-+*/%=<>,.(\[{|&^~]|\b(?:in|is|not|and|or|return))$", head
    ):
        return None
    return f"{head}:{after}"


_WHY = "It means one thing where it comes from and nothing in Python, so that what was meant is plain."


def _rule(name: str, what: str, before: str, after: str, rewrite: Callable[[str, Finding], Iterator[str]]) -> Rule:
    return Rule(name, ANY, what, _WHY, before, after, rewrite)


RULES = (
    _rule(
        "ternary-of-c",
        "The choice `a ? b : c` of C and its heirs.",
        "def sign(a):\n    return a > 0 ? 'pos' : 'neg'\n",
        "def sign(a):\n    return 'pos' if a > 0 else 'neg'\n",
        _of_c(_choice),
    ),
    _rule(
        "arrow-function",
        "A function written with an arrow, as in JavaScript.",
        "double = x => x * 2\n",
        "double = lambda x: x * 2\n",
        _of_c(_arrow),
    ),
    _rule(
        "loop-of-c",
        "A counting loop as in C and Java.",
        "for (int i = 0; i < n; i++):\n    print(i)\n",
        "for i in range(n):\n    print(i)\n",
        _of_c(_counted),
    ),
    _rule(
        "catch-of-java",
        "`catch`, and a closing brace before the next clause.",
        "try:\n    run()\ncatch (ValueError e) {\n    print(e)\n",
        "try:\n    run()\nexcept ValueError as e:\n    print(e)\n",
        _of_c(_caught),
    ),
    _rule(
        "operators-of-c",
        "`&&`, `||` and `!`, with `null`, `true` and `false` where nothing defines them.",
        "def ok(a, b):\n    return (a && !b) || a == null\n",
        "def ok(a, b):\n    return (a and not b) or a == None\n",
        _of_c(_operators),
    ),
    _rule(
        "comment-of-c",
        "A comment after `//` or between `/*` and `*/`.",
        "/* count\n   items */\nn = 3  // the number\n",
        "# count\n# items\nn = 3  # the number\n",
        _comments,
    ),
    _rule(
        "then-and-end",
        "`then` or `do` before a block, and the word that ends it.",
        "x = 3\nif x > 2 then\n    print('big')\nend\n",
        "x = 3\nif x > 2:\n    print('big')\n",
        _of_c(_then),
    ),
    _rule(
        "declared-type",
        "A variable declared with its type in front, or with `let`.",
        "int count = 5;\nprint(count)\n",
        "count = 5\nprint(count)\n",
        _of_c(_declared),
    ),
    form("else-if", "`else if`, `elseif` or `elsif`.", _WHY,
        ("if a:\n    b\nelse if c:\n    d\n", "if a:\n    b\nelif c:\n    d\n"),
        r"^(?P<space>\s*)(?:else\s+if|else?s?if|elsif)\b(?!:)", r"\g<space>elif"),
    form("dot-of-php", "Strings joined by dots, as in PHP and Perl.",
        "Behind a dot Python wants a name: before a string it joins, and so do the others with space around them.",
        ("print('Hi ' . name . '!')\n", "print('Hi ' + name + '!')\n"),
        r"^(?P<line>.*[\w)\]'\"]\s+\.\s+['\"].*)$", _dots),
    form("increment", "`i++` and `i--`.", _WHY, ("i++\n", "i += 1\n"),
        r"(?P<name>[\w.\]\[]+)\s*(?P<mark>\+|-)(?P=mark)\s*;?\s*$", r"\g<name> \g<mark>= 1"),
    form("shell-line", "A line for a shell or a notebook.", "It becomes a comment: Python can't do what it says.",
        ("!pip install foo\nx = 1\n", "# !pip install foo\nx = 1\n"),
        r"^(?P<shell>[!%]{1,2}[a-z].*)$", r"# \g<shell>"),
    form("help-of-notebook", "A question mark behind a name.", "A notebook shows help so; it becomes a comment.",
        ("import os\nos.path?\n", "import os\n# os.path?\n"),
        r"^(?P<margin>\s*)(?P<asked>\?{0,2}[\w.]+\?{1,2})\s*$", r"\g<margin># \g<asked>"),
    form("not-of-c", "`!` before a condition.", _WHY, ("if !ready(x):\n    pass\n", "if not ready(x):\n    pass\n"),
        r"(?:(?<=\S)(?<![=!<>\w'\"])|(?<=\s)(?<![^=!<>]=\s))!\s*(?=[\w(])", "not "),  # behind `=` it is a shell's
    form("brace-of-block", "A brace that opens a block.", "Unless it may open a dictionary.",
        ("if (x > 1) {\n    y()\n", "if (x > 1):\n    y()\n"),
        rf"^(?P<head>{_BLOCK}(?:.*[^\s:])?)\s*+:?\s*+\{{\s*$", _braced),
    form("brace-left-over", "A brace that ends a block, alone on its line.", _WHY,
        ("def f():\n    y()\n}\n", "def f():\n    y()\n"), r"^\s*\}\s*;?\s*$", lambda _, after: after[1:]),
    form("function-keyword", "`function`, `func`, `fn` or `fun` before a definition.", _WHY,
        ("function f(x):\n    return x\n", "def f(x):\n    return x\n"),
        r"^(?P<space>\s*)(?:function|func|fn|fun)\s+(?=\w+\s*\()", r"\g<space>def "),
    form("throw", "`throw`, with or without `new`.", _WHY, ("throw new Error(1)\n", "raise Error(1)\n"),
        r"^(?P<space>\s*)throw\s+(?:new\s+)?", r"\g<space>raise "),
    form("new", "`new` before a class.", _WHY, ("x = new Foo(1)\n", "x = Foo(1)\n"),
        r"\bnew\s+(?=[A-Za-z_][\w.]*\()", ""),
    form("new-without-brackets", "`new` before a class, and no brackets behind it.",
        "Python makes an object by calling its class.", ("x = new Foo\n", "x = Foo()\n"),
        r"(?<=[=(,])(?P<blank>\s*)new\s+(?P<name>[A-Z]\w*)(?=\s*;?\s*$|\s*[,)])", r"\g<blank>\g<name>()"),
    form("lambda-in-braces", "A lambda whose value stands between braces.", "A lambda's value follows a colon.",
        ("f = lambda x { x + 1 }\n", "f = lambda x: x + 1\n"),
        r"\blambda\b(?P<names>[\w, ]*?)\s*\{\s*(?P<value>[^{}:;\n]+?)\s*\}", r"lambda\g<names>: \g<value>"),
    form("for-of", "`for … of`, as in JavaScript.", _WHY,
        ("for x of xs:\n    print(x)\n", "for x in xs:\n    print(x)\n"),
        r"^(?P<head>\s*for\s+[\w, ]+?\s+)of\b", r"\g<head>in"),
    form("unless", "`unless`, as in Ruby.", _WHY,
        ("unless ready(x):\n    wait()\n", "if not ready(x):\n    wait()\n"),
        r"^(?P<space>\s*)unless\s+(?P<what>[\w.]+(?:\([^()]*\))?)\s*:?\s*$", r"\g<space>if not \g<what>:"),
    form("return-in-lambda", "`return` in a lambda.", "A lambda returns its value anyway.",
        ("f = lambda x: return x + 1\n", "f = lambda x: x + 1\n"),
        r"(?P<head>\blambda\b[^:]*:)\s*return\s+", r"\g<head> "),
)  # fmt: skip
