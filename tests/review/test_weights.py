"""The discriminator that ships: small, proven, quick to load, and of use."""

import subprocess
import sys

import pytest

from gatllm.proof import verify
from gatllm.review import Reviewer, same_tree
from gatllm.review.default import SHIPPED, load_reviewer

pytestmark = pytest.mark.skipif(not (SHIPPED / "model.safetensors").is_file(), reason="this tree ships no weights")

GOOD = '''def read_config(path, default=None):
    """Read a file of settings."""
    values = {}
    try:
        with open(path) as file:
            for line in file:
                if "=" in line and not line.startswith("#"):
                    key, value = line.split("=", 1)
                    values[key.strip()] = value.strip()
    except FileNotFoundError:
        if default is None:
            raise
        return dict(default)
    return values
'''
SLIPS = [
    ("default=None):", "default=None)"),
    ("open(path) as", "open(path as"),
    ("values = {}", "values = {"),
    ("for line in", "for line"),
    ("return dict", "retrun dict"),
    ('split("=", 1)', 'split("=, 1)'),
    ("        if default", "          if default"),
    ("key.strip()", "key.strip())"),
    ("key, value =", "key value ="),
    ("except File", "exept File"),
]


def test_it_is_what_its_proof_says() -> None:
    assert not verify(SHIPPED).failures


def test_it_is_small() -> None:
    assert (SHIPPED / "model.safetensors").stat().st_size < 16 << 20


def test_it_mends_common_slips() -> None:
    reviewer = load_reviewer()
    repaired = [same_tree(reviewer.fix(GOOD.replace(right, wrong)).text, GOOD) for right, wrong in SLIPS]
    assert sum(repaired) >= 8


def test_it_finds_nothing_in_good_code() -> None:
    assert load_reviewer().check(GOOD).verdict == "real"


def test_both_ways_of_computing_agree() -> None:
    broken = GOOD.replace("open(path) as", "open(path as")
    code = (
        "import sys\nfrom gatllm.review import Reviewer\n"
        "reviewer = Reviewer.load(sys.argv[1], quick=True)\n"
        "sys.stdout.write(reviewer.fix(sys.stdin.read()).text)\n"
        "assert 'torch' not in sys.modules\n"
    )
    command = [sys.executable, "-c", code, str(SHIPPED)]
    done = subprocess.run(command, input=broken, capture_output=True, text=True, check=True)
    assert done.stdout == Reviewer.load(SHIPPED).fix(broken).text
