"""What was left out between things that cannot stand side by side: a word, a sign, brackets, quotes, a line break."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Iterator
from itertools import chain

from gatllm.review.critics import Finding, compile_error, quietly_parsed
from gatllm.review.lines import margin_of, width_of
from gatllm.review.region import line_span, offset
from gatllm.review.rules.arguments import calls
from gatllm.review.rules.forms import form
from gatllm.review.rules.rule import ANY, Rule, for_typed_lines
from gatllm.review.typos import is_typo
from gatllm.tokenizers.lexing.lenient import all_bare, outside_strings

_METHODS = frozenset(name for kind in (list, dict, str, set, bytes) for name in dir(kind) if name[0] != "_")
_SIDE = re.compile(r"(?P<margin>\s*)(?P<left>[^\W\d][\w.]*)(?:[ \t]+|(?=\{))(?P<right>[^\s=:,].*?)\s*")
_GOES_ON = re.compile(r"[(\[{,\\][ \t]*(?:#[^\n]*)?\n\s*\Z")
_CALLED = re.compile(r"(?P<name>[^\W\d]\w*)[ \t]*\(")
_HEADED = re.compile(r"(?:if|elif|while|for|else|return|assert)")  # run together with what follows
_TESTS = re.compile(r"[=!<>]=|[<>]|\b(?:in|and|or|not|is)\b")
_BREAKS = re.compile(
    r"(?:(?<=[\w)\]}'\"])[ \t]+|(?<=[\d)\]}'\"]))(?P<next>(?:print[ \t]*\(|(?:for|while|if)[ \t][^\n]*:$"
    r"|import[ \t]|from[ \t]+[\w.]+[ \t]+import\b|def[ \t]|class[ \t]"
    r"|[^\W\d][\w.]*\(|[^\W\d][\w.]*[ \t]*=(?!=)))"
)
_HEADS = re.compile(r"(?:def|class|for|while|if)\b")
_PAIR = re.compile(r"\s*(?:-?\d[\w.]*|'[^'\\\n]*'|\"[^\"\\\n]*\")\s*:(?!=)\s*[^\s:].*", re.S)
_TAKES_ONE = re.compile(r"\.(?:update|append|add)\s*\Z")
_PRODUCT = re.compile(
    r"(?<![\w.])(?P<number>(?!0[xXoObB])\d+(?:\.\d+)?)(?P<name>(?![eEjJ_]\b|[eE]\d)[^\W\d]\w*)(?![\w(.\['\"])"
)
_HEADER = re.compile(r"\s*(?:(?:if|while|for|with|def|class)\b[^#]*[^#\s:;,\\]|try)\s*")
_GLUED_HEAD = re.compile(
    r"(?P<margin>\s*)(?P<key>if|elif|while|for)(?P<name>[^\W\d]\w*)(?P<rest>[\s.(\[=<>!,].*:\s*(?:#.*)?)"
)
_GLUED_IN = re.compile(
    r"(?P<head>\s*(?:async\s+)?for\s+)(?P<name>[^\W\d]\w*)in(?P<rest>\s+(?!in\b)[^\s:=].*:\s*(?:#.*)?)"
)
_SIGN = re.compile(r"(?P<before>[=!]=[ \t]*)(?P<said>[-+*/%<>^]|\*\*|//)(?=[ \t]*(?:[:)\]]|(?:and|or)\b))")
_UNQUOTED = re.compile(
    r"(?P<before>[(,=][ \t]*)(?P<said>(?:https?://|/)[\w./:~%?&=+-]*[\w/]|(?:\\[ntr]|\\u[0-9a-fA-F]{4})+|(?<=\()[/@|;%&](?=\)))"
    r"(?=[ \t]*[,)])"
)


def _conditional(text: str, error: Finding) -> Iterator[str]:
    """``x == 1:`` above a block: a condition that lost its ``if``."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    said, margin = line.strip().removesuffix(":"), margin_of(line)
    if (
        _HEADED.match(said)
        or not line.rstrip().endswith(":")
        or not _TESTS.search(said)
        or compile_error(f"({said})\n") is not None
    ):
        return
    above = [one for one in text[:start].split("\n") if one.strip() and margin_of(one) == margin]
    block = []
    for one in text[end + 1 :].split("\n"):
        if one.strip() and len(margin_of(one).expandtabs()) <= len(margin.expandtabs()):
            break
        block.append(one)
    follows_if = any(re.match(r"\s*(?:el)?if\b", one) for one in above[-1:])
    names = re.findall(r"[^\W\d]\w*", said)
    counts = any(re.search(rf"^\s*{name}\s*[-+*/%]*=(?!=)", "\n".join(block), re.M) for name in names)
    if any(one.strip() for one in block) and not follows_if and not counts:  # it may be `elif`, or `while`
        yield f"{text[:start]}{margin}if {line.lstrip()}{text[end:]}"


def _between(text: str, error: Finding) -> Iterator[str]:
    """``rows append(2)``: a dot; ``half 1/2`` above lines that use ``half``: an equals sign."""
    start, end = line_span(text, error.line)
    found = _SIDE.fullmatch(text[start:end])
    if found is None or keyword.iskeyword(found["left"]) or hasattr(builtins, found["left"]):
        return
    if _GOES_ON.search(text, 0, start) or found["right"].endswith(","):
        return  # within brackets
    left, right, above, below = found["left"], found["right"], text[:start], text[end:]
    head = f"{text[:start]}{found['margin']}{left}"
    called = _CALLED.match(right)
    imported = re.search(rf"^\s*(?:import\s[^\n]*|from\s[^\n]*\simport\s[^\n]*)\b{re.escape(left)}\b", above, re.M)
    bound = re.search(rf"^\s*{re.escape(left)}\s*=(?!=)|\b(?:for|as)\s+{re.escape(left)}\b", above, re.M)
    if called is not None and (imported or bound):
        known = re.search(rf"\b{called['name']}\b", above) or hasattr(builtins, called["name"])
        if not known and (imported or called["name"] in _METHODS):
            yield f"{head}.{right}{below}"
        return
    if "." in left or re.search(rf"\b{left}\b", above) or not re.search(rf"\b{left}\b", below):
        return
    words = (*keyword.kwlist, "print", "exec", "echo")
    if not any(is_typo(left, word) for word in words) and left not in words and _is_value(right, above):
        yield f"{head} = {right}{below}"


def _may_be_type(value: ast.AST) -> bool:
    """Tell whether an expression may as well be an annotation."""
    if isinstance(value, ast.BinOp):
        return isinstance(value.op, ast.BitOr) and _may_be_type(value.left) and _may_be_type(value.right)
    return isinstance(value, ast.Name | ast.Attribute | ast.Subscript) or (
        isinstance(value, ast.Constant) and value.value is None
    )


def _is_value(said: str, above: str) -> bool:
    """Tell whether words are a value: a literal, a display, or a call of what is known."""
    tree = quietly_parsed(f"({said})")
    if tree is None or not tree.body or not isinstance(tree.body[0], ast.Expr):
        return False
    value: ast.AST = tree.body[0].value
    if _may_be_type(value):  # `size int | None` lost a colon
        return False
    if isinstance(value, ast.BinOp | ast.Constant | ast.List | ast.Dict | ast.Set | ast.Tuple):
        return not isinstance(value, ast.Constant) or isinstance(value.value, int | float)
    while isinstance(value, ast.Call | ast.Attribute | ast.Subscript):
        value = value.func if isinstance(value, ast.Call) else value.value
    name = value.id if isinstance(value, ast.Name) else ""
    return "(" in said + "(" and bool(name) and (hasattr(builtins, name) or bool(re.search(rf"\b{name}\b", above)))


def _listed(text: str, error: Finding) -> Iterator[str]:
    """``x = n for n in ns``: a comprehension without its brackets."""
    start, end = line_span(text, error.line)
    found = re.compile(
        r"(?P<head>\s*(?:[^\W\d][\w.]*\s*=\s*)?)(?P<said>(?!for\b|async\b|return\b|yield\b|if\b|lambda\b)[^\s#:]"
        r"[^#:\n]*\sfor\s[^#:\n]*\sin\s[^#:\n]*?)(?P<rest>\s*)"
    ).fullmatch(text, start, end)
    if found is not None and compile_error(f"[{found['said']}]\n") is None:
        yield f"{text[: found.start('said')]}[{found['said']}]{text[found.end('said') :]}"


def _broken(text: str, error: Finding) -> Iterator[str]:
    """``f(3)def g():``: two statements that lost the line break between them."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    margin, outside = margin_of(line), outside_strings(line)
    below = next((one for one in text[end + 1 :].split("\n") if one.strip()), "")
    for found in _BREAKS.finditer(line):
        at = found.start("next")
        first, second = line[: found.start()].strip(), line[at:].rstrip()
        is_head = _HEADS.match(second) is not None and second.endswith(":")
        owns = is_head and width_of(below) > width_of(line)  # a block that lies deeper than the line
        if not outside[found.start()] or (margin and margin_of(below) != margin and not owns):
            continue  # inside a block the second may stand outside of it
        rest = f"{second}\n    pass\n" if is_head else second + "\n"
        if _is_statement(first + "\n", rest) or (first and is_head and compile_error(first + "\n") is None):
            if is_head and compile_error(rest) is not None:
                continue
            yield f"{text[: start + found.start()]}\n{margin}{second}{text[end:]}"


def _is_statement(first: str, second: str) -> bool:
    """Tell whether two texts are a statement each, and nothing that an operator may have joined."""
    trees = quietly_parsed(first), quietly_parsed(second)
    kinds = []
    for tree in trees:
        if tree is None or len(tree.body) != 1:
            return False
        (node,) = tree.body
        kinds.append("call" if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else type(node).__name__)
    known = {"call", "Assign", "AugAssign", "Import", "ImportFrom"}
    if not known.issuperset(kinds):
        return False
    # `total = price(a) tax(b)` lacks an operator as likely as a line break; `print` has no value to join.
    target = re.match(r"([^\W\d]\w*)\s*=(?!=)", first)
    own = target is not None and second.startswith(f"{target[1]}.")
    return (
        kinds[1] != "call"
        or kinds[0] in ("call", "Import", "ImportFrom")
        or own
        or re.match(r"print\s*\(", second) is not None
    )


def _glued(text: str, error: Finding) -> Iterator[str]:
    """``ifage < 18:``, ``for iin rows:``: a word of the language and a name that the file knows."""
    start, end = line_span(text, error.line)
    line, elsewhere = text[start:end], text[:start] + text[end:]

    def used(name: str) -> bool:
        return re.search(rf"(?<![\w.]){re.escape(name)}\b", elsewhere) is not None

    if (found := _GLUED_HEAD.fullmatch(line)) is not None:
        key, name = found["key"], found["name"]
        is_loop = re.match(r"(?:\s*,\s*\w+)*\s+in\s", found["rest"]) is not None
        known = used(name) or (key != "for" and (hasattr(builtins, name) or name == "not"))
        if known and not used(key + name) and (key == "for") == is_loop:
            yield f"{text[:start]}{found['margin']}{key} {name}{found['rest']}{text[end:]}"
    if (found := _GLUED_IN.fullmatch(line)) is not None and used(found["name"]) and not used(f"{found['name']}in"):
        yield f"{text[:start]}{found['head']}{found['name']} in{found['rest']}{text[end:]}"


def _headed(text: str, error: Finding) -> Iterator[str]:
    """``if n > 3`` above a block: the colon of a header is missing at its end."""
    start, end = line_span(text, error.line)
    line, below = text[start:end], next((one for one in text[end + 1 :].split("\n") if one.strip()), "")
    if not _HEADER.fullmatch(line) or width_of(below) <= width_of(line):
        return
    code = line.rstrip()
    if ":" in "".join(piece.text for piece, outside in all_bare(code) if outside):
        return
    if compile_error(f"{code.lstrip()}:\n    pass\n") is None:
        yield f"{text[:start]}{code}:{text[end:]}"


def _times(text: str, error: Finding) -> Iterator[str]:
    """``3x``: ``3*x``, where the file knows ``x``."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    outside, out, at = outside_strings(line), [], 0
    for found in _PRODUCT.finditer(line):
        known = re.search(rf"(?<![\w.]){found['name']}\b", text[:start] + line[: found.start()] + text[end:])
        if outside[found.start()] and known and not keyword.iskeyword(found["name"]):
            out += [line[at : found.end("number")], "*"]
            at = found.end("number")
    if out:
        yield text[:start] + "".join([*out, line[at:]]) + text[end:]


def _paired(text: str, error: Finding) -> Iterator[str]:
    """``d.update('a': 1)``: pairs are a dictionary's, whose braces are missing."""
    for began, arguments in calls(text, offset(text, error.line, error.column)):
        parts = [text[start:end] for start, end in arguments]
        if not all(_PAIR.fullmatch(part) for part in parts):
            continue
        last = arguments[-1][1]
        inside = text[began + 1 : last]
        if _TAKES_ONE.search(text, 0, began):
            yield f"{text[: began + 1]}{{{inside}}}{text[last:]}"
        elif len(parts) > 1 and re.compile(r"=\s*\Z").search(text, 0, began):
            yield f"{text[:began]}{{{inside}}}{text[last + 1 :]}"


def _quoted(text: str, error: Finding) -> Iterator[str]:
    r"""``load(/home/a)``, ``end=\n``: a path, an address, an escape or a lone sign is a string's."""
    start, end = line_span(text, error.line)
    line = text[start:end]
    outside = outside_strings(line)
    for found in chain(_UNQUOTED.finditer(line), _SIGN.finditer(line)):
        if outside[found.start("said")] or found["said"][0] == "\\":
            new = f"{found['before']}'{found['said']}'"
            yield f"{text[: start + found.start()]}{new}{text[start + found.end() :]}"


RULES = for_typed_lines(
    Rule(
        "if-lost",
        re.compile("invalid syntax|expected|only single target|illegal target|cannot assign"),
        "A condition above a block, without `if`.",
        "Nothing else compares and has a block. Behind another `if` it may be `elif`, and where the block changes what "
        "is compared `while`: there it is left.",
        "'red' in colours:\n    print('yes')\n",
        "if 'red' in colours:\n    print('yes')\n",
        _conditional,
    ),
    Rule(
        "sign-between-lost",
        re.compile("invalid syntax|invalid decimal literal"),
        "A name and a value side by side, without a dot or an equals sign.",
        "Behind a module, or before a method of a list, a string or a dictionary, it is a dot; a name that is new and "
        "used further down gets the value.",
        "rows = [1]\nrows append(2)\n",
        "rows = [1]\nrows.append(2)\n",
        _between,
    ),
    Rule(
        "comprehension-without-brackets",
        re.compile("invalid syntax"),
        "A comprehension without its brackets.",
        "A `for` behind a value is a comprehension's; alone, or as what is assigned, it makes a list.",
        "squares = n * n for n in range(4)\n",
        "squares = [n * n for n in range(4)]\n",
        _listed,
    ),
    Rule(
        "lines-run-together",
        re.compile("invalid syntax|forgot a comma|invalid decimal literal|cannot assign"),
        "Two statements in one line, with nothing between them.",
        "Each is whole, and no operator joins an assignment, an import or `print` to what stands before it.",
        "print(f(3))def g():\n    return 1\n",
        "print(f(3))\ndef g():\n    return 1\n",
        _broken,
    ),
    Rule(
        "colon-lost",
        re.compile("expected ':'"),
        "A header without its colon, above a block.",
        "With the colon it is whole, and no other colon is in it.",
        "if 3 > 2\n    print(1)\n",
        "if 3 > 2:\n    print(1)\n",
        _headed,
    ),
    Rule(
        "words-glued",
        re.compile("invalid syntax|expected|forgot a comma|cannot assign"),
        "A word of the language run together with a name.",
        "The line is a header, and the file uses the name alone and nowhere the two together.",
        "age = 3\nifage < 18:\n    print(1)\n",
        "age = 3\nif age < 18:\n    print(1)\n",
        _glued,
    ),
    Rule(
        "braces-lost",
        ANY,
        "Pairs of keys and values without braces.",
        "They are a dictionary's: as what is assigned, or as the one argument that `update` and `append` take.",
        "ages.update('ann': 3, 'bob': 4)\n",
        "ages.update({'ann': 3, 'bob': 4})\n",
        _paired,
    ),
    Rule(
        "quotes-lost",
        re.compile("invalid syntax|unexpected character after line continuation|expected"),
        "A path, an address, an escape or a lone sign as an argument, without quotes; a sign that is compared.",
        "It is nothing that computes, and a comma, a bracket or the end of the condition ends it.",
        "load(/home/ann/data)\n",
        "load('/home/ann/data')\n",
        _quoted,
    ),
    Rule(
        "times-lost",
        re.compile("invalid decimal literal|invalid syntax"),
        "A number before a name, as in a formula.",
        "Python multiplies with `*`. Only where the file has the name.",
        "km = 10\nmiles = 0.6km\n",
        "km = 10\nmiles = 0.6*km\n",
        _times,
    ),
    form("argument-behind-brackets", "An argument behind the brackets that should hold it.",
        "The brackets are empty, and nothing joins what follows to them.",
        ("print(len()rows)\n", "print(len(rows))\n"),
        r"(?P<name>\b[^\W\d]\w*+)\(\)(?P<value>\w++)(?=\s*(?:$|[),\]}:]))", r"\g<name>(\g<value>)"),
    form("in-lost", "The head of a `for` without `in`.", "A name and what it runs over can't stand side by side.",
        ("for key ages.items():\n    print(key)\n", "for key in ages.items():\n    print(key)\n"),
        r"^(?P<head>(?:async\s+)?\s*for\s+[^\W\d]\w*(?:\s*,\s*\w+)*)(?P<blank>\s+)(?=(?!in\b)[^\W\d][\w.]*+(?:\([^()]*\))?\s*:\s*$)",
        r"\g<head> in\g<blank>"),
    form("for-without-f", "`for` without its first letter.", "No line begins with `or`.",
        ("or row in rows:\n    print(row)\n", "for row in rows:\n    print(row)\n"),
        r"^(?P<margin>\s*)or(?=\s+[^\W\d]\w*(?:\s*,\s*\w+)*\s+in\s.*:\s*$)", r"\g<margin>for"),
    form("is-not-in", "`is not in`.", "The operator is `not in`.",
        ("if a is not in ns:\n    print(a)\n", "if a not in ns:\n    print(a)\n"),
        r"\bis\s+(?=not\s+in\b)", ""),
    form("equals-of-print", "`sep` or `end` of a `print` without the equals sign.",
        "A name before a string is no prefix of it.", ("print(1, end'')\n", "print(1, end='')\n"),
        r"(?P<head>\bprint\s*\(.*,\s*(?:sep|end))\s*(?=['\"])", r"\g<head>="),
    form("in-misspelt", "`in` misspelt in the head of a `for`.", "Between a name and a value there is nothing else.",
        ("for row ni rows:\n    show(row)\n", "for row in rows:\n    show(row)\n"),
        r"^(?P<head>(?:.*[\s(\[{])?for\s+[^\W\d]\w*(?:\s*,\s*\w+)*\s+)(?:i|n|ni|im|is|on|un|jn|inn|iin)(?=\s+[\w(\[{'\"])",
        r"\g<head>in"),
    form("def-run-together", "`def`, `class` or `if` run together with a name that begins with an underscore.",
        "A name with parameters and a colon is a function's, and `__name__` above a block is compared.",
        ("class A:\n    def__len__(self):\n        return 1\n", "class A:\n    def __len__(self):\n        return 1\n"),
        r"^(?P<margin>\s*+(?:async\s++)?)(?P<word>def(?=_\w*+\s*+\()|class(?=_\w*+\s*+[(:])|if(?=__\w++__\b))(?=.*:\s*$)",
        r"\g<margin>\g<word> "),
)  # fmt: skip
