"""Names that a statement gives to what it opens or imports, without the word that says so."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from gatllm.review.critics import Finding
from gatllm.review.region import line_span
from gatllm.review.rules.forms import form
from gatllm.review.rules.rule import ANY, Rule

_TWO = re.compile(r"(?P<head>[ \t]*import[ \t]+(?P<module>[\w.]+))[ \t]+(?P<name>(?!as\b)[^\W\d]\w*)[ \t]*\r?$")


def _imported(text: str, error: Finding) -> Iterator[str]:
    """``import numpy np`` where the text uses ``np``: ``as``; ``import os sys``: two modules."""
    start, end = line_span(text, error.line)
    found = _TWO.match(text[start:end])
    if found is None:
        return
    module, name = found["module"].split(".")[0], found["name"]
    if name in sys.stdlib_module_names:
        joint = ", "
    elif _uses(name, text[end:]) and not _uses(module, text[end:]):
        joint = " as "
    else:
        return
    yield f"{text[:start]}{found['head']}{joint}{name}{text[start + found.end('name') :]}"


def _uses(name: str, text: str) -> bool:
    return re.search(rf"(?<![\w.]){name}\.", text) is not None


RULES = (
    Rule(
        "import-of-two-names",
        ANY,
        "Two names after `import`, with nothing between them.",
        "A module of the standard library is a second module; a name that the text uses in place of the module is its "
        "alias. Of other names nobody knows which they are.",
        "import numpy np\n\nprint(np.pi)\n",
        "import numpy as np\n\nprint(np.pi)\n",
        _imported,
    ),
    form("with-without-as", "A name behind what `with` opens, without `as`.", "Nothing else may stand there.",
        ("with open('a') f:\n    print(f.read())\n", "with open('a') as f:\n    print(f.read())\n"),
        r"^(?P<head>\s*(?:async\s+)?with\b[^#]*\))\s+(?P<name>(?!as\b|and\b|or\b|if\b|in\b|is\b|not\b|else\b)[^\W\d]\w*)"
        r"(?=\s*:)", r"\g<head> as \g<name>"),
    form("import-before-from", "The two halves of an import in the other order.", "Python names the module first.",
        ("import add, mul from operator\n", "from operator import add, mul\n"),
        r"^(?P<margin>\s*+)import\s++(?P<names>[^\W\d]\w*+(?:\s*+,\s*+\w++)*+)\s++from\s++(?P<module>[\w.]++)\s*+;?$",
        r"\g<margin>from \g<module> import \g<names>"),
    form("hyphen-in-module", "A hyphen in the name of a module.", "A package may have one, its module has not.",
        ("import my-tools\n", "import my_tools\n"),
        r"^(?P<head>\s*+(?:import|from)\s++[\w.]*+)-(?=[^\W\d])", r"\g<head>_"),
    form("except-without-as", "A name behind an exception, without `as`.", "Nothing else may stand there.",
        ("try:\n    run()\nexcept ValueError error:\n    print(error)\n",
         "try:\n    run()\nexcept ValueError as error:\n    print(error)\n"),
        r"^(?P<head>\s*except\s+(?:[\w.]+|\([\w., ]+\)))\s+(?P<name>(?!as\b)[^\W\d]\w*)(?=\s*:)",
        r"\g<head> as \g<name>"),
)  # fmt: skip
