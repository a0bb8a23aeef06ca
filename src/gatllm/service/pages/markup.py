"""A model's Markdown as HTML that can't do anything: no scripts, no images, no raw HTML, only https links."""

from __future__ import annotations

import difflib
from decimal import Decimal
from functools import cache
from html import escape
from itertools import islice

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

_TAGS = {"p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "h1", "h2", "h3",
         "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "span"}  # fmt: skip
_LONGEST = 50_000  # characters of a block that are worth colours


@cache
def _formatter() -> HtmlFormatter[str]:
    return HtmlFormatter(nowrap=True)


def colour(code: str, language: str) -> str:
    """Return code as HTML with a class for each kind of token; what no lexer knows is only escaped."""
    if len(code) > _LONGEST:
        return escape(code)
    try:
        # Kept as it is: by default the lexer would strip lines before the first word.
        lexer = get_lexer_by_name(language or "python", stripnl=False, ensurenl=False)
    except ClassNotFound:
        return escape(code)
    coloured: str = highlight(code, lexer, _formatter())
    return coloured


@cache
def _parser() -> MarkdownIt:
    def coloured(code: str, language: str, _: str) -> str:
        return colour(code, language)

    return MarkdownIt("commonmark", {"html": False, "highlight": coloured}).enable(["table", "strikethrough"])


def markdown(text: str) -> Markup:
    """Return ``text`` as safe HTML. Headings begin below those of the page; code that scrolls can be focused."""
    html = nh3.clean(
        _parser().render(text),
        tags=_TAGS,
        attributes={"a": {"href"}, "code": {"class"}, "span": {"class"}},
        set_tag_attribute_values={"pre": {"tabindex": "0"}, "table": {"tabindex": "0"}},
        url_schemes={"https"},
        link_rel="noopener noreferrer nofollow",
    )
    return Markup(html)  # noqa: S704  # cleaned the line before


def diff(before: str, after: str) -> Markup:
    """Return the changed lines with their neighbours, each marked by what happened to it."""
    lines = []
    # The two lines of the header are cut by place: a removed `--x` is `---x` too.
    for line in islice(difflib.unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm=""), 2, None):
        if line.startswith("@@"):
            continue
        kind, sign = {"+": ("added", "+"), "-": ("removed", "−")}.get(line[0], ("kept", " "))
        lines.append(f'<span class="{kind}"><b>{sign}</b> {escape(line[1:])}\n</span>')
    return Markup("".join(lines))  # noqa: S704  # every part is escaped above


def ether(wei: int) -> str:
    """Return an amount as people write it: ``0.003 ETH``."""
    return f"{Decimal(wei) / 10**18:f} ETH" if wei else "0 ETH"


def size(count: int) -> str:
    """Return a number of bytes as people write it: ``1.2 MiB``."""
    for unit, length in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count} bytes"
