"""What a tag says, in plain words."""

from __future__ import annotations

from gatllm.review.tags import Tag


def tag_words(tag: Tag, token: str) -> str:  # noqa: PLR0911
    """Return what ``tag`` proposes at ``token``, as a short sentence for a person."""
    here = f"`{token.strip()}`" if token.strip() else "here"
    after = f"after {here}" if token.strip() else "here"
    match tag.action:
        case "insert":
            return f"`{tag.text}` seems to be missing {after}"
        case "insert name":
            return f"a name seems to be missing {after}"
        case "replace":
            return f"{here} should probably be `{tag.text}`"
        case "delete":
            return f"{here} seems to be too much"
        case "respell":
            return f"{here} looks misspelt"
        case "rename":
            return f"{here} is probably the wrong name"
        case "more" | "less":
            return f"{here} looks one too {'small' if tag.action == 'more' else 'large'}"
        case "swap":
            return f"{here} and what follows look exchanged"
        case "cut":
            return f"{here} looks like two words" + (f" with `{tag.text}` between them" if tag.text.strip() else "")
        case "join":
            return f"{here} and the next word look like one"
        case "split" | "split deeper":
            return f"a line break seems to be missing {after}"
        case "delete line":
            return "this line seems to be too much"
    return _indentation(tag)


def _indentation(tag: Tag) -> str:
    if tag.action == "shift":
        count = abs(tag.columns)
        return (
            f"this line looks indented {count} column{'s' * (count > 1)} too {'little' if tag.columns > 0 else 'far'}"
        )
    return "this line's indentation mixes tabs and spaces, or is on the wrong level"
