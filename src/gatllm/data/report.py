"""A check as one HTML page with its plots inside; it loads nothing from anywhere."""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

from gatllm.data.summary import Summary
from gatllm.data.verdicts import Rules
from gatllm.figures import new_figure
from gatllm.records import write_file

_MOST_BARS = 20
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .8rem;border-bottom:1px solid #ddd;text-align:left}
td{overflow-wrap:anywhere}td.n{text-align:right;overflow-wrap:normal;font-variant-numeric:tabular-nums}code{font-size:.9em}svg{max-width:100%;height:auto}
.good{color:#1a6b2f}.bad{color:#a1260d}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}td,th{border-color:#333}
.good{color:#6fcf8a}.bad{color:#ff8a70}svg{background:#fff}}
"""
_GOOD, _BAD, _PLAIN = "#2f7d46", "#b9401f", "#3b6ea5"


def write_report(summary: Summary, rules: Rules, file: Path, title: str) -> None:
    """Write the page.

    Raises:
        GatllmError: it can't be written.
    """
    fraction = summary.good / max(1, summary.files)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p><b class=good>{summary.good:,} good</b> and <b class=bad>{summary.bad:,} bad</b> of "
        f"{summary.files:,} files ({fraction:.1%} good), {summary.lines:,} lines.</p>",
    ]
    if summary.files:
        parts += ["<h2>Why files are bad</h2>", _bars(summary.files_by_rule.most_common(_MOST_BARS), _BAD, "files")]
        parts += [_rule_table(summary, rules), "<h2>By package</h2>", _packages(summary)]
        parts += ["<h2>Sizes</h2>", _bars(summary.size_rows(), _PLAIN, "files of that many lines")]
        parts += ["<h2>Licences</h2>", _table(("licence", "files"), summary.licences.most_common())]
    if summary.worst:
        more = f" (the first {len(summary.worst):,})" if len(summary.worst) < summary.bad else ""
        parts += [f"<h2>Bad files{more}</h2>", _worst(summary)]
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )
    write_file(file, page.encode("utf-8", "replace"))


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = []
    for row in rows:
        drawn = (
            f"<td class=n>{value:,}</td>" if isinstance(value, int) else f"<td>{escape(str(value))}</td>"
            for value in row
        )
        body.append(f"<tr>{''.join(drawn)}</tr>")
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _rule_table(summary: Summary, rules: Rules) -> str:
    rows = []
    for code, files in (summary.files_by_rule + summary.files_by_score).most_common():
        why = max(
            (rule for rule in rules.rules.values() if code.startswith(rule.code)),
            key=lambda r: len(r.code),
            default=None,
        )
        found = summary.findings_by_rule[code] or files
        rows.append((code, rules.severity(code), files, found, why.why if why else "", summary.examples.get(code, "")))
    return _table(("rule", "means", "files", "findings", "why", "for example"), rows)


def _worst(summary: Summary) -> str:
    rows = []
    for entry in summary.worst:
        first = entry["reasons"][0]
        rows.append((entry["origin"], first["line"], first["rule"], first["message"], len(entry["reasons"])))
    return _table(("file", "line", "rule", "found", "findings"), rows)


def _packages(summary: Summary) -> str:
    total = summary.good_by_package + summary.bad_by_package
    names = [name for name, _ in total.most_common(_MOST_BARS)][::-1]
    figure = new_figure(9, 0.9 + 0.32 * len(names))
    axes = figure.subplots()
    good = [summary.good_by_package[name] for name in names]
    axes.barh(range(len(names)), good, color=_GOOD, label="good")
    axes.barh(range(len(names)), [summary.bad_by_package[name] for name in names], left=good, color=_BAD, label="bad")
    axes.legend(loc="lower right")
    return _svg(figure, axes, names, "files", "Good and bad files by package")


def _bars(rows: Sequence[tuple[str, int]], colour: str, label: str) -> str:
    if not rows:
        return "<p>None.</p>"
    rows = rows[::-1]
    figure = new_figure(9, 0.9 + 0.32 * len(rows))
    axes = figure.subplots()
    drawn = axes.barh(range(len(rows)), [count for _, count in rows], color=colour)
    axes.bar_label(drawn, fmt="{:,.0f}", padding=3)
    axes.margins(x=0.12)
    return _svg(figure, axes, [name for name, _ in rows], label, label)


def _svg(figure, axes, names: Sequence[str], label: str, title: str) -> str:  # type: ignore[no-untyped-def]
    # A name may hold a dollar sign, which would begin a formula, or a control character, which no font has.
    shown = ["".join(c if c.isprintable() else "?" for c in name)[:48] for name in names]
    axes.set_yticks(range(len(names)), shown, parse_math=False)
    axes.set_xlabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Title": title})
    drawn = stream.getvalue()
    return f'<figure role="img" aria-label="{escape(title)}">{drawn[drawn.index("<svg") :]}</figure>'
