"""A model's Markdown as HTML that can't do anything: no scripts, no images, no raw HTML, only https links."""

from __future__ import annotations

import difflib
from functools import cache
from html import escape
from itertools import islice

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

_TAGS = {"p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "h1", "h2", "h3",
         "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"}  # fmt: skip


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def markdown(text: str) -> Markup:
    """Return ``text`` as safe HTML."""
    html = nh3.clean(
        _parser().render(text),
        tags=_TAGS,
        attributes={"a": {"href"}, "code": {"class"}},
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
