"""Runs a peer in its own environment: JSON list of broken texts on stdin, JSON list of [text, seconds] on stdout.

    VENV/bin/python benchmarks/review_peers.py pyrepair|autopep8 < texts.json

Peers on PyPI that claim to repair what does not parse, November 2026: pyrepair 1.0.0 (indentation, tabs, blocks) and
autopep8 2.3.2 (E1, E9 indentation). autofixai 0.4.1 leaves syntax errors alone by design, autofix-python-engine
1.0.0 runs the code it is given; neither is measured. autopep8 runs for minutes with some texts: each has as many
seconds as the reviewer takes at most. This file imports nothing of gatllm.
"""

import json
import signal
import sys
import time

SECONDS = 5


def pyrepair(text: str) -> str:
    from pyrepair import RepairEngine

    result = RepairEngine().repair_source(text)
    return result.repaired_source or text


def autopep8(text: str) -> str:
    import autopep8

    return autopep8.fix_code(text, options={"aggressive": 2, "select": ["E1", "E7", "E9", "W1", "W6"]})


def _give_up(*_: object) -> None:
    raise TimeoutError


def main() -> None:
    signal.signal(signal.SIGALRM, _give_up)
    fix = {"pyrepair": pyrepair, "autopep8": autopep8}[sys.argv[1]]
    out = []
    for text in json.load(sys.stdin):
        started = time.perf_counter()
        signal.alarm(SECONDS)
        try:
            fixed = fix(text)
        except Exception:  # a peer that fails has repaired nothing
            fixed = text
        signal.alarm(0)
        out.append([fixed, time.perf_counter() - started])
    sys.stdout.write(json.dumps(out))


main()
