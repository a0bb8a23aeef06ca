"""What a prompt itself states about the code it asks for: calls with what they must return or raise, and a name.

Read are assertions, doctest lines, arrows (``f(2) -> 4``) and sentences (``f(2) should return 4``). Only what can be
read in one way is taken: an example that was misread would refuse right code.
"""

from __future__ import annotations

import ast
import builtins
import doctest
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["value", "true", "text", "printed", "raises"]
_MOST = 20  # examples; a prompt that is a test suite is cut
_LONGEST = 2000  # characters of one example


@dataclass(frozen=True, slots=True)
class Example:
    """One thing that must hold: ``call`` (source) has the outcome ``expected``.

    Attributes:
        call: the expression to evaluate.
        kind: ``value``: it equals ``expected``; ``true``: it is true; ``text``: its repr is ``expected``; ``printed``:
            it prints ``expected``; ``raises``: it raises the exception that ``expected`` names.
        expected: a plain value, a text or a name, as ``kind`` says.
        setup: statements that go before, as in a doctest.
        stated: the words of the prompt.
        rounded: whether a float counts as equal when it agrees to the places that were written.
    """

    call: str
    kind: Kind
    expected: Any
    stated: str
    setup: str = ""
    rounded: bool = False

    @property
    def words(self) -> str:
        """The example as a sentence."""
        wanted = {
            "value": f"must return {self.expected!r}",
            "true": "must be true",
            "text": f"must give {self.expected}",
            "printed": f"must print {self.expected!r}",
            "raises": f"must raise {self.expected}",
        }
        return f"{self.call} {wanted[self.kind]}"


@dataclass(frozen=True, slots=True)
class Specification:
    """What is stated: the function (or class) asked for ('' when none is named), its parameters, and examples."""

    function: str = ""
    parameters: int | None = None
    examples: tuple[Example, ...] = ()

    def arguments(self) -> list[tuple[Any, ...]]:
        """Return the plain positional arguments with which the examples call the function."""
        found: list[tuple[Any, ...]] = []
        for example in self.examples:
            for node in ast.walk(_expression(example.call) or ast.Constant(None)):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == self.function:
                    try:
                        values = tuple(ast.literal_eval(argument) for argument in node.args)
                    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                        continue
                    if not node.keywords and values not in found:
                        found.append(values)
        return found


def read_specification(prompt: str) -> Specification:
    """Return what ``prompt`` states about the code that it asks for."""
    examples: list[Example] = []
    for found in (*_assertions(prompt), *_doctests(prompt), *_sentences(prompt)):
        if len(found.stated) <= _LONGEST and not any(found.call == other.call for other in examples):
            examples.append(found)
    function = _function(examples) or _named(prompt)
    about = [example for example in examples if not function or function in _names(example)]
    return Specification(function, _parameters(prompt, function), tuple(about[:_MOST]))


def _expression(source: str) -> ast.expr | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _plain(source: str) -> tuple[Any, ...]:
    """Return the value of a literal in a tuple of one; () when ``source`` is none."""
    node = _expression(source)
    if node is None:
        return ()
    if isinstance(node, ast.Call) and ast.unparse(node) in ("set()", "frozenset()", "dict()", "list()", "tuple()"):
        return (
            {"set": set, "frozenset": frozenset, "dict": dict, "list": list, "tuple": tuple}[ast.unparse(node)[:-2]](),
        )
    try:
        return (ast.literal_eval(node),)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ()


# Assertions ---------------------------------------------------------------------------------------------------------


def _assertions(prompt: str) -> Iterator[Example]:
    for found in re.finditer(r"\bassert[ (]", prompt):
        if (statement := _statement(prompt, found.start())) is None:
            continue
        test = statement.test
        if not _self_contained(test) or not _calls(test):
            continue
        stated = ast.unparse(statement)
        match test:
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
                if _calls(right) and not _calls(left):
                    left, right = right, left
                if value := _plain(ast.unparse(right)):
                    yield Example(ast.unparse(left), "value", value[0], stated)
                    continue
            case ast.Compare(left=left, ops=[ast.Is()], comparators=[ast.Constant(value=bool() | None as value)]):
                yield Example(ast.unparse(left), "value", value, stated)
                continue
        yield Example(ast.unparse(test), "true", True, stated)


def _statement(prompt: str, start: int) -> ast.Assert | None:
    """Return the assert statement that begins at ``start``; it may go over lines."""
    end = start
    for _ in range(12):
        end = prompt.find("\n", end + 1)
        text = prompt[start : end if end >= 0 else len(prompt)].strip().rstrip("`").rstrip(".,;")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                body = ast.parse(text).body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                body = []
        if len(body) == 1 and isinstance(body[0], ast.Assert):
            return body[0]
        if end < 0 or end - start > _LONGEST:
            return None
    return None


def _calls(node: ast.AST) -> bool:
    """Tell whether something in ``node`` is a call of what is not built in."""
    return any(
        isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and not hasattr(builtins, inner.func.id)
        for inner in ast.walk(node)
    )


def _self_contained(node: ast.AST) -> bool:
    """Tell whether every name in ``node`` is called, built in, or bound by ``node`` itself."""
    called = {
        inner.func.id for inner in ast.walk(node) if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name)
    }
    bound = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)}
    bound |= {inner.arg for inner in ast.walk(node) if isinstance(inner, ast.arg)}
    loaded = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    return all(name in called | bound or hasattr(builtins, name) or name in sys.stdlib_module_names for name in loaded)


# Doctest lines ------------------------------------------------------------------------------------------------------


def _doctests(prompt: str) -> Iterator[Example]:
    if ">>>" not in prompt:
        return
    setup: list[str] = []
    last = -1
    for found in _parsed(prompt):
        if found.lineno > last + 1:
            setup = []
        last = found.lineno + found.source.count("\n") + found.want.count("\n") - 1
        source, want = found.source.strip(), found.want.strip()
        expression = _expression(source)
        before = "\n".join(setup)
        if not want or expression is None:
            setup.append(source)
            continue
        if not (_calls(expression) or setup):
            continue
        stated = f">>> {source}\n{want}"
        if found.exc_msg is not None:
            yield Example(source, "raises", found.exc_msg.split(":")[0].strip().rpartition(".")[2], stated, before)
        elif isinstance(expression, ast.Call) and ast.unparse(expression.func) == "print":
            yield Example(source, "printed", want, stated, before)
        elif value := _plain(want):
            yield Example(source, "value", value[0], stated, before)
        elif "..." not in want and "\n" not in want:
            yield Example(source, "text", want, stated, before)


def _parsed(prompt: str) -> list[doctest.Example]:
    # Prose directly below an example would be read as its outcome: an outcome ends at a fence or a docstring's end.
    cleaned = re.sub(r'(?m)^\s*(?:```.*|~~~.*|"""|\'\'\'|.*[^>.\s].*"""\s*)$', "", prompt)
    try:
        return doctest.DocTestParser().get_examples(cleaned)
    except ValueError:
        return []


# Arrows and sentences -----------------------------------------------------------------------------------------------

_CALL = re.compile(r"(?<![\w.])[A-Za-z_]\w*\(")
_ARROW = r"(?:-+>|=+>|→|⇒|➞|==|\#\s*(?:=>|->)?)"
_VERB = (
    r"(?:should|must|shall|will|would|has\s+to|is\s+to)\s+(?:return|be|give|yield|equal|produce|output|evaluate\s+to)"
    r"|returns|gives|yields|equals|produces|outputs|evaluates\s+to|is|="
)
_OUTCOME = re.compile(rf"[`'\"]?\s*(?:(?P<arrow>{_ARROW})|(?P<verb>{_VERB}))\s*+:?\s*+(?P<tick>`?)", re.IGNORECASE)
_RAISES = re.compile(
    r"`?\s*+(?:-+>|=>|→)?\s*+(?:should|must|shall|will|has\s+to)?\s*+raises?\s+(?:an?\s+)?`?(?P<name>[A-Z]\w*)",
    re.IGNORECASE,
)
# Words around a call that say: this is what happens today, or this is not to happen.
_DOUBT = re.compile(
    r"\b(?:why|currently|wrong(?:ly)?|incorrect(?:ly)?|instead|but|although|actually|now|unexpected(?:ly)?|bug|how\s+come|"
    r"never|not|n't|shouldn't|avoid)\b|n't\b",
    re.IGNORECASE,
)
_ENDS = re.compile(r"\s*(?:$|\n|[.,;:!?)\]`'\"]|#|(?:and|because|since|while|for|when|as|or)\b)")


def _sentences(prompt: str) -> Iterator[Example]:
    for found in _CALL.finditer(prompt):
        end = _closing(prompt, found.end() - 1)
        if end < 0:
            continue
        call = prompt[found.start() : end]
        expression = _expression(call)
        if not isinstance(expression, ast.Call) or not _calls(expression) or not _literal_arguments(expression):
            continue
        line = prompt[prompt.rfind("\n", 0, found.start()) + 1 : found.start()]
        if re.search(r"\b(?:assert|def|class)\b|>>>", line):
            continue
        clause = re.split(r"[.;!?]\s", line)[-1]
        if named := _RAISES.match(prompt, end):
            if not _DOUBT.search(clause) and named["name"].endswith(("Error", "Exception", "Exit", "Iteration")):
                yield Example(call, "raises", named["name"], prompt[found.start() : named.end()].strip())
            continue
        outcome = _OUTCOME.match(prompt, end)
        if outcome and (read := _literal_at(prompt, outcome.end())):
            value, stop = read
            rest = prompt[stop : _line_end(prompt, stop)]
            about = clause + ("" if outcome["arrow"] else rest)
            if _DOUBT.search(about) or (outcome["verb"] and not _ENDS.match(prompt, stop)):
                continue
            yield Example(call, "value", value, prompt[found.start() : stop].strip("`"), rounded=True)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return end if end >= 0 else len(text)


def _literal_arguments(call: ast.Call) -> bool:
    try:
        for argument in (*call.args, *(word.value for word in call.keywords)):
            ast.literal_eval(argument)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _closing(text: str, start: int) -> int:
    """Return the offset behind the bracket that closes the one at ``start``; -1 when none does."""
    depth, at, limit = 0, start, min(len(text), start + _LONGEST)
    while at < limit:
        sign = text[at]
        if sign in "\"'":
            triple = text.startswith(sign * 3, at)
            quote = sign * 3 if triple else sign
            at += len(quote)
            while at < limit and not text.startswith(quote, at):
                if text[at] == "\n" and not triple:
                    return -1
                at += 2 if text[at] == "\\" else 1
            at += len(quote)
            continue
        depth += (sign in "([{") - (sign in ")]}")
        at += 1
        if depth == 0:
            return at
    return -1


_ATOM = re.compile(
    r"[-+]?(?:\d[\d_]*\.?\d*(?:[eE][-+]?\d+)?j?)(?![\w%])|[rRbB]{0,2}(?:'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")"
    r"|(?:true|false|none)\b(?!\s*\()|set\(\)",
    re.IGNORECASE,
)


def _literal_at(text: str, start: int) -> tuple[Any, int] | None:
    """Return the literal that begins at ``start`` and where it ends; None when there is none, or more than one."""
    if start < len(text) and text[start] in "([{":
        end = _closing(text, start)
    else:
        found = _ATOM.match(text, start)
        end = found.end() if found else -1
        if end > 0 and text[end - 1] == "." and not text[end : end + 1].isdigit():
            end -= 1  # the full stop of a sentence
    if end < 0:
        return None
    source = text[start:end]
    value = _plain(source.capitalize() if source.lower() in ("true", "false", "none") else source)
    after = text[end : end + 40]
    if not value or re.match(r"\s*(?:[-+*/%<>]|,\s*[-\d'\"\[({]|\s(?:if|or|and)\s+\d)", after):
        return None  # an expression continues, or a second value follows: what is meant can't be told
    return value[0], end


# Names --------------------------------------------------------------------------------------------------------------


def _names(example: Example) -> set[str]:
    source = f"{example.setup}\n({example.call}\n)"
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _function(examples: list[Example]) -> str:
    """Return the name that most of the examples call."""
    counts: dict[str, int] = {}
    for example in examples:
        for name in sorted(_names(example)):
            called = re.search(rf"\b{re.escape(name)}\(", f"{example.setup}\n{example.call}")
            if called and not hasattr(builtins, name) and name not in sys.stdlib_module_names:
                counts[name] = counts.get(name, 0) + 1
    return max(counts, key=lambda name: counts[name], default="")


_NAMED = re.compile(
    r"\b(?:function|method|class|routine|helper|funktion|función|fonction)\s+(?:(?:called|named|namens)\s+)?[`'\"]?"
    r"(?P<name>[a-z_]\w*_\w+|(?<=`)\w+(?=`)|\w+(?=\())|\b(?:called|named|namens)\s+[`'\"]?(?P<called>[A-Za-z_]\w*)",
    re.IGNORECASE,
)
_HEADER = re.compile(r"^[ \t]*(?:async\s+)?(?:def|class)\s+(?P<name>\w+)", re.MULTILINE)


def _named(prompt: str) -> str:
    headers = [found["name"] for found in _HEADER.finditer(prompt)]
    if headers:
        return headers[-1]
    found = _NAMED.search(prompt)
    return (found["name"] or found["called"]) if found else ""


def _parameters(prompt: str, function: str) -> int | None:
    """Return how many positional parameters a header in the prompt gives the function."""
    found = re.search(rf"\bdef\s+{re.escape(function)}\s*\(", prompt) if function else None
    if found is None or (end := _closing(prompt, found.end() - 1)) < 0:
        return None
    try:
        node = ast.parse(f"def _{prompt[found.end() - 1 : end]}: pass").body[0]
    except (SyntaxError, ValueError):
        return None
    return len(node.args.posonlyargs) + len(node.args.args) if isinstance(node, ast.FunctionDef) else None
