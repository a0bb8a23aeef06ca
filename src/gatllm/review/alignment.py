"""From an edit script to tags: which token of the broken text gets which tag."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from gatllm.review.tags import KEEP, TAG_IDS, TAGS, Span, Tag, indentation, is_line, is_space

_LARGEST = 400  # cells of one alignment table; a correction that rewrites more than that is not a small edit


class Tagging(NamedTuple):
    """Tags by token number (tokens not named are kept), and whether they alone give the whole correction."""

    tags: dict[int, int]
    complete: bool


def tag_edits(broken: Sequence[Span], fixed: Sequence[Span], edits: Iterable[Sequence[int | str]]) -> Tagging:
    """Express an edit script as tags on the tokens of the broken text; spacing inside lines is not looked at.

    Args:
        broken: tokens of the broken text, ascending.
        fixed: tokens of the corrected text.
        edits: ``[start, end, replacement]``, ascending character offsets into the broken text; they give the fixed one.
    """
    left = [i for i, token in enumerate(broken) if not is_space(token)]
    right = [token for token in fixed if not is_space(token)]
    tags: dict[int, int] = {}
    complete, a, c = True, 0, 0
    for b, d in [*_anchors(broken, left, right, list(edits)), (len(left), len(right))]:
        if b > a or d > c:
            complete &= _align(
                [(i, broken[i]) for i in left[a:b]], right[c:d], left[a - 1] if a else -1, broken, left[a:], tags
            )
        a, c = b + 1, d + 1
    return Tagging(tags, complete)


def _anchors(
    broken: Sequence[Span], left: Sequence[int], right: Sequence[Span], edits: list[Sequence[int | str]]
) -> Iterable[tuple[int, int]]:
    """Pairs of tokens that are the same token in both texts: untouched, and at the place that the edits move it to."""
    places = {token.start: number for number, token in enumerate(right)}
    shift, at, used = 0, 0, -1
    for number, i in enumerate(left):
        token = broken[i]
        while at < len(edits) and int(edits[at][1]) <= token.start:
            start, end, text = edits[at]
            shift += len(str(text)) - (int(end) - int(start))
            at += 1
        if at < len(edits) and int(edits[at][0]) < token.end:  # an edit touches it
            continue
        other = places.get(token.start + shift)
        if other is not None and other > used and right[other].text == token.text:
            used = other
            yield number, other


def _align(
    source: list[tuple[int, Span]],
    target: Sequence[Span],
    before: int,
    broken: Sequence[Span],
    following: Sequence[int],
    tags: dict[int, int],
) -> bool:
    """Tag one stretch between anchors; ``before`` is the token in front of it. Tells whether the tags say it all."""
    if len(source) * len(target) > _LARGEST:
        return False
    whole = _special(source, target, tags)
    if whole is not None:
        return whole
    complete, gap = True, before
    inserted: list[tuple[int, Span]] = []
    for old, new in _script([token for _, token in source], target):
        if old is None:
            if new is not None:
                inserted.append((gap, new))
            continue
        gap, token = source[old]
        found = TAG_IDS[Tag("delete")] if new is None else _replacement(token, new, broken, gap)
        complete &= found is not None
        if found:
            tags[gap] = found
    for position, (gap, new) in enumerate(inserted):
        if gap >= 0 and gap in tags and is_line(broken[gap]) and TAGS[tags[gap]] == Tag("shift", columns=-1):
            del tags[gap]  # the space that stood after a lost first word: `insert` takes it away
            complete = True
        if gap in tags or (position and inserted[position - 1][0] == gap):
            complete = False
            continue
        place = _last_of_run(gap, new.text, broken, following)
        tags[place] = _insertion(new, broken, place)
        complete &= TAG_IDS[Tag("insert name")] != tags[place]
    return complete


def _special(source: list[tuple[int, Span]], target: Sequence[Span], tags: dict[int, int]) -> bool | None:
    """Corrections that are one tag though several tokens change: a doubled line, a cut word, two exchanged tokens."""
    texts, wanted = [token.text for _, token in source], [token.text for token in target]
    lines = [number for number, (_, token) in enumerate(source) if is_line(token)]
    if len(target) == 1 and is_line(target[0]) and len(source) > 2 and lines == [0, len(source) - 1]:
        tags[source[0][0]] = TAG_IDS[Tag("delete line")]
        return indentation(wanted[0]) == indentation(texts[-1])
    if len(texts) > len(wanted) == 1 and not lines and "".join(texts) == wanted[0]:
        tags.update((i, TAG_IDS[Tag("join")]) for i, _ in source[:-1])
        return True
    if len(texts) == 1 and len(wanted) in (2, 3) and wanted[0] + wanted[-1] == texts[0]:
        cut = TAG_IDS.get(Tag("cut", wanted[1] if len(wanted) == 3 else " "))
        if cut is not None:
            tags[source[0][0]] = cut
            return True
    if len(texts) in (2, 3) and not lines and texts == wanted[::-1] and (len(texts) == 2 or texts[1] == ","):
        tags[source[0][0]] = TAG_IDS[Tag("swap")]
        return True
    return None


def _script(source: Sequence[Span], target: Sequence[Span]) -> list[tuple[int | None, Span | None]]:
    """Cheapest alignment: (token, None) deletes, (None, token) inserts, (token, token) replaces."""
    n, m = len(source), len(target)
    cost = [[float(i + j) for j in range(m + 1)] for i in range(n + 1)]
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            exchange = cost[i - 1][j - 1] + _distance(source[i - 1], target[j - 1])
            cost[i][j] = min(exchange, cost[i - 1][j] + 1, cost[i][j - 1] + 1)
    out: list[tuple[int | None, Span | None]] = []
    i, j = n, m
    while i or j:
        if i and j and cost[i][j] == cost[i - 1][j - 1] + _distance(source[i - 1], target[j - 1]):
            i, j = i - 1, j - 1
            out.append((i, target[j]))
        elif j and cost[i][j] == cost[i][j - 1] + 1:
            j -= 1
            out.append((None, target[j]))
        else:
            i -= 1
            out.append((i, None))
    return out[::-1]


def _distance(old: Span, new: Span) -> float:
    if old.text == new.text:
        return 0.0
    if is_line(old) or is_line(new):
        same = is_line(old) and is_line(new)
        return (0.0 if indentation(old.text) == indentation(new.text) else 1.0) if same else 3.0
    return 1.0 if old.text[0].isalnum() == new.text[0].isalnum() else 1.5


def _replacement(old: Span, new: Span, broken: Sequence[Span], number: int) -> int | None:
    """The tag that turns ``old`` into ``new`` (0 where they are equal); None where there is none."""
    if old.text == new.text:
        return KEEP
    if is_line(old) and is_line(new):
        return _indentation_tag(indentation(old.text), indentation(new.text), _line_before(broken, number - 1))
    direct = TAG_IDS.get(Tag("replace", new.text))
    if direct is not None:
        return direct
    if old.text.isdecimal() and new.text.isdecimal() and abs(int(old.text) - int(new.text)) == 1:
        return TAG_IDS[Tag("more" if int(new.text) > int(old.text) else "less")]
    if old.text[0].isalnum() or old.text[0] == "_":
        return TAG_IDS[Tag("respell" if close(old.text, new.text) else "rename")]
    return None


def _indentation_tag(old: str, new: str, before: str) -> int | None:
    if old == new:
        return KEEP
    if "\t" in old and "\t" not in new:
        for tag, result in (
            (Tag("spaces", columns=4), old.expandtabs(4)),
            (Tag("spaces", columns=8), old.expandtabs(8)),
            (Tag("level"), before),
            (Tag("level deeper"), before + "    "),
        ):
            if result == new:
                return TAG_IDS[tag]
        return None
    if "\t" in new and "\t" not in old:
        return TAG_IDS[Tag("tabs")]
    return TAG_IDS.get(Tag("shift", columns=(len(new) - len(old)) * (4 if "\t" in new else 1)))


def _line_before(broken: Sequence[Span], number: int) -> str:
    """Indentation of the line that token ``number`` is on."""
    return next((indentation(broken[i].text) for i in range(number, -1, -1) if is_line(broken[i])), "")


def close(first: str, second: str) -> bool:
    """Tell whether two words are spelt nearly alike (a typo apart)."""
    return abs(len(first) - len(second)) <= 2 and SequenceMatcher(None, first, second, autojunk=False).ratio() >= 0.7


def _insertion(new: Span, broken: Sequence[Span], gap: int) -> int:
    if is_line(new):
        here = _line_before(broken, gap)
        return TAG_IDS[Tag("split deeper" if len(indentation(new.text)) > len(here) else "split")]
    return TAG_IDS.get(Tag("insert", new.text), TAG_IDS[Tag("insert name")])


def _last_of_run(gap: int, text: str, broken: Sequence[Span], following: Sequence[int]) -> int:
    """Where equal tokens follow the gap, insert after the last of them: one correction, one place."""
    for i in following:
        if i <= gap:
            continue
        if broken[i].text != text:
            break
        gap = i
    return gap
