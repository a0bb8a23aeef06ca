"""Secrets and personal data: keys and tokens by detect-secrets, e-mail addresses; rejected or redacted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from gatllm.errors import GatllmError
from gatllm.tokenizers.lexing.strict import lex

Policy = Literal["reject", "redact", "keep"]
REDACTED_ADDRESS = "redacted@example.com"

_ADDRESS = re.compile(r"(?<![\w.%+-])[A-Za-z0-9][\w.%+-]*@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}(?![\w-])")
# Documentation addresses (RFC 2606) and senders that are not a person.
_NOBODY = re.compile(
    r"(?i)@(?:[\w-]+\.)*example(?:\.(?:com|org|net))?$|\.(?:example|invalid|test|localhost)$|^noreply@"
)
# Guesses by entropy or by a variable's name are wrong far more often than right in code; an address of a host is no
# secret.
_GUESSES = frozenset({"Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector", "IPPublicDetector"})
# Words of which one must stand in a text, in lower case, for a detector to find anything there; asking each detector
# about each text takes five times as long.
_ONLY_WITH = {
    "ArtifactoryDetector": ("artifactory",),
    "CloudantDetector": ("cloudant",),
    "DiscordBotTokenDetector": ("discord",),
    "IbmCloudIamDetector": ("ibm",),
    "IbmCosHmacDetector": ("ibm",),
    "MailchimpDetector": ("-us",),
    "SlackDetector": ("xox", "slack"),
    "SoftlayerDetector": ("softlayer",),
    "StripeDetector": ("k_live_",),
    "TelegramBotTokenDetector": ("telegram", "bot"),
}


@dataclass(frozen=True, slots=True)
class Private:
    """Something that should not be published: what it is and where (characters)."""

    rule: str
    what: str
    start: int
    end: int


@cache
def _detectors() -> list[tuple[str, tuple[str, ...], list[re.Pattern[str]]]]:
    """Return (kind, words of which one must stand in the text, patterns) of each detector that goes by form."""
    try:
        from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    except ImportError:
        raise GatllmError(
            "finding secrets needs detect-secrets", "pip install detect-secrets, or --secrets keep"
        ) from None
    plugins: dict[str, Any] = dict(get_mapping_from_secret_type_to_class())
    found = []
    for kind, plugin in sorted(plugins.items()):
        if plugin.__name__ not in _GUESSES and (patterns := list(getattr(plugin, "denylist", []))):
            found.append((kind, _ONLY_WITH.get(plugin.__name__, ("",)), patterns))
    return found


def secrets(text: str) -> Iterator[Private]:
    """Yield the keys and tokens in ``text``."""
    lower = text.lower()
    for kind, words, patterns in _detectors():
        if any(word in lower for word in words):
            for pattern in patterns:
                for match in pattern.finditer(text):
                    yield Private("secret", kind, match.start(), match.end())


def addresses(text: str, *, code: bool) -> Iterator[Private]:
    """Yield the e-mail addresses in ``text``; in code only those in strings and comments (``a@b.T`` is a product)."""
    matches = [match for match in _ADDRESS.finditer(text) if not _NOBODY.search(match.group())]
    if matches and code:
        prose = [(token.start, token.end) for token in lex(text) if token.kind in {"string", "comment", "other"}]
        matches = [match for match in matches if any(start <= match.start() < end for start, end in prose)]
    for match in matches:
        yield Private("personal-data", "e-mail address", match.start(), match.end())


def clean(text: str, *, code: bool, secret: Policy, address: Policy) -> tuple[str, list[Private], int]:
    """Return the text to publish, what forbids publishing it, and how many places were redacted.

    A redacted secret becomes as many ``x``; a redacted address becomes `REDACTED_ADDRESS`.
    """
    forbidden: list[Private] = []
    masked: list[tuple[int, int, str]] = []
    for policy, found in ((secret, secrets), (address, lambda text: addresses(text, code=code))):
        if policy == "keep":
            continue
        for private in found(text):
            if policy == "reject":
                forbidden.append(private)
            else:
                size = private.end - private.start
                mask = "x" * size if private.rule == "secret" else REDACTED_ADDRESS
                masked.append((private.start, private.end, mask))
    position, parts, count = 0, [], 0
    for start, end, mask in sorted(masked):
        if start >= position:
            parts += [text[position:start], mask]
            position, count = end, count + 1
    return "".join([*parts, text[position:]]), forbidden, count
