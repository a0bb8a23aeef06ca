"""Takes an answer apart into prose and code, while it is still being written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*([^\s`]*)[^`\n]*$")
_PYTHON = frozenset({"", "python", "py", "python3", "pycon"})


@dataclass(frozen=True, slots=True)
class Prose:
    """Text outside code blocks."""

    text: str


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A fenced block (CommonMark 4.5). ``closed`` is false where the answer ended before the fence did."""

    language: str
    code: str
    closed: bool = True

    @property
    def is_python(self) -> bool:
        """Whether the block says it is Python, or says nothing."""
        return self.language.lower() in _PYTHON and not self.code.lstrip().startswith((">>>", "$ "))

    def with_code(self, code: str) -> str:
        """Return the block as Markdown, holding ``code``."""
        fence = "```"
        while fence in code:
            fence += "`"
        return f"{fence}{self.language}\n{code}{'' if code.endswith(chr(10)) or not code else chr(10)}{fence}\n"


Segment = Prose | CodeBlock


class BlockSplitter:
    """Feed it text as it comes; it hands out prose at once and code blocks when they are complete."""

    def __init__(self) -> None:
        self._line = ""  # the part of the current line that has not been handed out
        self._line_open = False  # whether some of the current line has been handed out
        self._fence = ""
        self._language = ""
        self._code: list[str] = []

    def feed(self, text: str) -> Iterator[Segment]:
        """Take more text."""
        self._line += text
        while "\n" in self._line:
            line, _, self._line = self._line.partition("\n")
            yield from self._whole_line(line)
        if not self._fence and self._line and (self._line_open or not _may_be_fence(self._line)):
            yield Prose(self._line)
            self._line, self._line_open = "", True

    @property
    def pending(self) -> str:
        """What was fed and not handed out yet."""
        return f"{self._fence}{self._language}\n{''.join(self._code)}{self._line}" if self._fence else self._line

    def finish(self) -> Iterator[Segment]:
        """The text is over: hand out what is left."""
        if self._fence:
            if self._closes(self._line):
                yield self._block()
                return
            if self._line:
                self._code.append(self._line)
            yield self._block(closed=False)
        elif self._line:
            yield Prose(self._line)
        self._line = ""

    def _whole_line(self, line: str) -> Iterator[Segment]:
        if self._fence:
            if self._closes(line):
                yield self._block()
            else:
                self._code.append(line + "\n")
            return
        found = None if self._line_open else _FENCE.match(line)
        if found:
            self._fence, self._language = found[1], found[2]
        else:
            yield Prose(line + "\n")
        self._line_open = False

    def _closes(self, line: str) -> bool:
        bare = line.strip()
        return bare.startswith(self._fence) and not bare.strip(self._fence[0])

    def _block(self, *, closed: bool = True) -> CodeBlock:
        block = CodeBlock(self._language, "".join(self._code), closed)
        self._fence, self._code = "", []
        return block


def _may_be_fence(start: str) -> bool:
    bare = start.lstrip(" ")
    return not bare or bare.startswith(("```"[: len(bare)], "~~~"[: len(bare)])) or bare[:3] in ("```", "~~~")


def split(text: str) -> list[Segment]:
    """Take a whole answer apart; neighbouring prose is joined."""
    splitter = BlockSplitter()
    segments: list[Segment] = []
    for segment in [*splitter.feed(text), *splitter.finish()]:
        if isinstance(segment, Prose) and segments and isinstance(segments[-1], Prose):
            segments[-1] = Prose(segments[-1].text + segment.text)
        else:
            segments.append(segment)
    return segments


# Where code begins in a prompt that has no fences: a statement at the start of a line, or after a colon.
_STATEMENT = re.compile(
    r"""(?:^|(?<=:)|(?<=\?))[ \t]*\n?(?P<code>(?:
    (?:async\s+)?def\s+\w+ | class\s+\w+ | import\s+[\w.,\ ]+(?:\s+as\s+\w+)?[ \t]*$ | from\s+[\w.]+\s+import\b
    | for\s+\w+[\w,\ ]*\s+in\b | while\s+\S+.*[:({] | if\s+\S+.*[:(=] | try\s*: | with\s+\w+\( | @\w+
    | print\s*\( | print\s+["'] | [A-Za-z_][\w.]*\s*=[^=] | return\b
    )[\s\S]*)""",
    re.MULTILINE | re.VERBOSE,
)


def find_code(prompt: str) -> CodeBlock | None:
    """Return the Python that a prompt asks about: its first fenced block, else what reads like statements."""
    for segment in split(prompt):
        if isinstance(segment, CodeBlock) and segment.is_python and segment.code.strip():
            return segment
    found = _STATEMENT.search(prompt)
    if not found or "```" in prompt:
        return None
    code = found["code"].rstrip() + "\n"
    return CodeBlock("python", code)
