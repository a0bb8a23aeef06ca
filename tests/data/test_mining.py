"""Real mistakes from version history: made-up releases and a git repository, what is found and what is refused."""

import io
import subprocess
import tarfile
import zipfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatllm.data import Dataset, corrupt, mine
from gatllm.data.code import Edit, apply
from gatllm.data.families import FAMILIES
from gatllm.data.mining.difference import compare, edits
from gatllm.data.mining.filters import tree, wrong_path
from gatllm.data.mining.units import find
from gatllm.errors import GatllmError, UsageError
from gatllm.review.tags import TAGS
from gatllm.tokenizers.lexicon import Lexicon
from gatllm.training.objectives.tagging_samples import Mix, Pair, Sampler, Texts

OLD = '''\
"""Totals."""

LIMIT = 10


def total(values, start=0, unused=None):
    """Add."""
    result = start
    for index in range(len(values)):
        if index > LIMIT:  # enough
            break
        result += values[index]
    return unused


async def fetch(session, url, retries):
    reply = session.get(url)
    if reply.status == 200 and retries:
        return reply
    raise KeyError(url)


class Box:
    def __init__(self, items):
        self.items = items
        self.size = len(items)

    def last(self):
        if not self.items:
            return None
        return items[self.size]
'''
SEMANTIC = [name for name, family in FAMILIES.items() if not family.syntactic]


def wheel(folder: Path, version: str, text: str, name: str = "toy", path: str = "toy/core.py") -> Path:
    file = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(path, text)
        archive.writestr(f"{name}-{version}.dist-info/METADATA", f"Name: {name}\nLicense-Expression: MIT\n\n")
    return file


def sdist(folder: Path, version: str, text: str) -> Path:
    file = folder / f"toy-{version}.tar.gz"
    with tarfile.open(file, "w:gz") as archive:
        entry = tarfile.TarInfo(f"toy-{version}/toy/core.py")
        entry.size = len(text.encode())
        archive.addfile(entry, io.BytesIO(text.encode()))
    return file


def changed(old: str, new: str) -> str:
    assert OLD.count(old) == 1
    return OLD.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("return unused", "return result", "name"),
        ("index > LIMIT", "index >= LIMIT", "comparison"),
        ("result += values", "result -= values", "arithmetic"),
        ("range(len(values))", "range(len(values), LIMIT)", "argument"),
        ("reply = session", "reply = await session", "await"),
        ("200 and retries", "200 or retries", "condition"),
        ("return items[", "return self.items[", "self"),
        ("[self.size]", "[self.size - 1]", "subscript"),
        ("raise KeyError", "raise ValueError", "exception"),
        ("LIMIT = 10", "LIMIT = 11", "off-by-one"),
        ("unused=None", "unused=None", ""),
        ("            return None", "            return 0", "constant"),
        ("len(items)", "max(items)", "name"),
    ],
)
def test_what_kind_of_mistake_it_was(old: str, new: str, kind: str) -> None:
    found = find(OLD, changed(old, new), 8, 2).changes
    assert [one["kinds"] for one in found] == ([[kind]] if kind else [])
    for one in found:
        assert apply(one["broken"], [Edit(*edit) for edit in one["edits"]]) == one["text"]


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("# enough", "# that will do", "format"),
        ('"""Add."""', '"""Add them up."""', "format"),
        ("(values, start=0", "(values: list, start=0", "annotation"),
        ("raise KeyError(url)", "raise KeyError(url, 'not there')", "message"),
        ("def __init__(self, items):", "def __init__(self, items, more):", "signature"),
        ("start=0", "start=1", "default"),
        ("LIMIT = 10", "LIMIT = 500", "tuning"),
        ("return unused", "return brand_new(unused)", "feature"),
        ("reply.status == 200", "not reply.status != 200", "idiom"),
        ("    raise KeyError(url)", "    raise KeyError(url) from None", "idiom"),
        ("        self.size = len(items)", "        self.size = len(items)\n        self.items = items", "statement"),
        ("            break\n", "            break\n            result = start = index = LIMIT = unused = 1\n", "size"),
        (
            "        result += values[index]\n    return unused",
            "        result += values[index]\n\n    return unused",
            "format",
        ),
        ("    raise KeyError(url)", "    raise KeyError(url) if url.deprecated else url", "deprecation"),
    ],
)
def test_what_is_no_mistake(old: str, new: str, rule: str) -> None:
    found = find(OLD, changed(old, new), 8, 2)
    assert found.changes == []
    assert list(found.refused) == [rule]


def test_a_local_that_is_called_otherwise() -> None:
    assert find(OLD, OLD.replace("result", "answer"), 8, 4) == ([], {"idiom": ["total"]}, [])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x = 'a%s' % b", "x = f'a{b}'"),
        ("x = 'a{}'.format(b)", "x = f'a{b}'"),
        ("x = b + '.po'", "x = f'{b}.po'"),
        ("b = b - 1", "b -= 1"),
        ("x = cast(int, b)", "x = b"),
        ("x = isinstance(b, int | str)", "x = isinstance(b, (int, str))"),
        ("x = b in ['a', 1]", "x = b in {'a', 1}"),
        ("x = super(A, b).c()", "x = super().c()"),
        ("x = list()", "x = []"),
    ],
)
def test_the_same_said_otherwise(old: str, new: str) -> None:
    frame = "def f(b):\n    {}\n    return x if b else b\n"
    found = find(frame.format(old), frame.format(new), 20, 4)
    assert found.changes == []
    assert not {"size", "unaligned"}.intersection(found.refused)


def test_a_call_of_what_takes_other_arguments_now() -> None:
    old = "def f(a):\n    return a\n\n\ndef g(b):\n    return f(b)\n"
    new = "def f(a, b):\n    return a\n\n\ndef g(b):\n    return f(b, b)\n"
    found = find(old, new, 8, 2)
    assert found.signatures == ["f"]
    assert [one["callees"] for one in found.changes] == [["f"]]


@given(st.integers(0, 10_000), st.sampled_from(SEMANTIC))
def test_the_edits_give_the_mended_code_and_leave_the_words_alone(seed: int, family: str) -> None:
    made = corrupt(OLD, Random(seed), 2, [family])
    if made is None or made.syntactic:
        return
    worded = made.broken.replace("# enough", "# other words").replace('"""Add."""', '"""Sum."""')
    difference = compare(worded, OLD)
    assert difference is not None
    repaired = apply(worded, edits(difference, worded, OLD))
    assert tree(repaired) == tree(OLD)
    assert repaired.count("# other words") == worded.count("# other words")
    assert '"""Sum."""' in repaired


def test_releases_in_the_order_of_their_versions(tmp_path: Path) -> None:
    second, third = changed("return unused", "return result"), changed("return unused", "return start")
    releases = tmp_path / "releases"
    releases.mkdir()
    sdist(releases, "1.10", third)
    wheel(releases, "1.9", second)
    sdist(releases, "1.8", OLD)
    made = mine(releases, tmp_path / "out", processes=1)
    records = list(made.records())
    assert [record["origin"] for record in records] == [
        "dist:toy:toy/core.py#total@1.8..1.9",
        "dist:toy:toy/core.py#total@1.9..1.10",
    ]
    assert made.manifest.kind == "negative"
    assert [record["licence"] for record in records] == ["MIT", "NOASSERTION"]
    assert made.manifest.sources == ("dist:toy",)
    Dataset.open(tmp_path / "out").verify()


def test_what_only_the_whole_history_tells(tmp_path: Path) -> None:
    many = OLD + "".join(f"\n\ndef f{n}(a, b):\n    c = a\n    return b + c\n" for n in range(3))
    migrated = many.replace("return b + c", "return b - c")
    wrong = migrated.replace("return unused", "return start")
    for number, text in enumerate([many, migrated, wrong, migrated, wrong.replace("200 and", "200 or")]):
        wheel(tmp_path, f"1.{number}", text)
    made = mine(tmp_path, tmp_path / "out", processes=1)
    assert made.manifest.rejected == {"repeated": 3, "reverted": 3}
    (record,) = made.records()
    assert record["families"] == ["condition"]


def test_files_that_are_not_its_own() -> None:
    for path in ("toy/tests/test_core.py", "toy/_vendor/x.py", "toy/_version.py", "docs/conf.py", "setup.py"):
        assert wrong_path(path)
    for path in ("toy/core.py", "toy/contest.py", "toy/versions/table.py", "toy/latest_version_of.py"):
        assert not wrong_path(path)


def test_hostile_archives(tmp_path: Path) -> None:
    new = changed("return unused", "return result")
    deep = "x = " + "(" * 50_000 + ")" * 50_000 + "\n"
    for version, text, other in (("1.0", OLD, deep), ("1.1", new, deep + "\n"), ("1.2", new, "\0")):
        with zipfile.ZipFile(tmp_path / f"toy-{version}-py3-none-any.whl", "w") as archive:
            for name, body in (("toy/a.py", text), ("../evil.py", text), ("toy/deep.py", other)):
                archive.writestr(name, body)
            archive.writestr("toy/large.py", b"#" * (2 << 20))
    made = mine(tmp_path, tmp_path / "out", processes=1)
    assert [record["origin"] for record in made.records()] == ["dist:toy:toy/a.py#total@1.0..1.1"]
    assert not (tmp_path.parent / "evil.py").exists()
    (tmp_path / "toy-1.3-py3-none-any.whl").write_bytes(b"PK no zip")
    with pytest.raises(GatllmError, match="can't read the archive"):
        mine(tmp_path, tmp_path / "out2", processes=1)
    assert not (tmp_path / "out2").exists()


def test_a_git_log(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    root.mkdir()
    me = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]

    def git(*arguments: str) -> None:
        subprocess.run(["git", *me, "-C", str(root), *arguments], check=True, capture_output=True)

    git("init")
    texts = [OLD, changed("return unused", "return result")]
    texts.append(texts[-1].replace("200 and", "200 or"))
    texts.append(texts[-1].replace("return items[", "return self.items["))
    for text, message in zip(texts, ["begin", "Fix: total gave nothing", "say it anew", "last() crashes"], strict=True):
        (root / "core.py").write_text(text)
        git("add", "core.py")
        git("commit", "-m", message)
    # A checkout may name programs in its own settings: reading its history must not start them.
    trace = tmp_path / "started"
    (root / ".gitattributes").write_text("*.py diff=evil\n")
    for key in ("diff.evil.textconv", "diff.evil.command", "core.fsmonitor", "core.pager"):
        git("config", key, f"touch {trace}; cat")
    made = mine(root, tmp_path / "out", processes=1)
    assert [(r["origin"].partition("@")[0], r["families"]) for r in made.records()] == [
        ("checkout:core.py#total", ["name"]),
        ("checkout:core.py#Box.last", ["self"]),
    ]
    assert not trace.exists()


def test_folders_are_versions_of_one_thing(tmp_path: Path) -> None:
    for name, text in (("old", OLD), ("new", changed("return unused", "return result"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "core.py").write_text(text)
    made = mine([tmp_path / "old", tmp_path / "new"], tmp_path / "out", kinds=["name"], licence="MIT", processes=1)
    (record,) = made.records()
    assert record["licence"] == "MIT"
    assert record["origin"].endswith(":core.py#total@old..new")


def test_wrong_sources_and_kinds_are_named(tmp_path: Path) -> None:
    wheel(tmp_path, "1.0", OLD)
    with pytest.raises(UsageError, match="nothing in two versions"):
        mine(tmp_path, tmp_path / "out")
    with pytest.raises(UsageError, match="no source"):
        mine(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(UsageError, match="no kind of mistake slip"):
        mine(tmp_path, tmp_path / "out", kinds=["slip"])
    (tmp_path / "x.zip").write_bytes(b"")
    with pytest.raises(UsageError, match="names no package"):
        mine(tmp_path, tmp_path / "out")
    root = tmp_path / "empty"
    subprocess.run(["git", "init", str(root)], check=True, capture_output=True)
    with pytest.raises(GatllmError, match="git can't read"):
        mine(root, tmp_path / "out")


def test_the_discriminator_reads_them(tmp_path: Path) -> None:
    for version, text in (("1.0", OLD), ("1.1", changed("return unused", "return result"))):
        wheel(tmp_path, version, text)
    (record,) = mine(tmp_path, tmp_path / "out", processes=1).records()
    pair = Pair(record["broken"], record["text"], tuple((s, e, t) for s, e, t in record["edits"]))
    mix = Mix(real=0, semantic=0, several=0, stored=1.0)
    texts = Texts(functions=[record["text"]], pairs=[pair])
    lexicon = Lexicon.train([OLD], 1000)
    row = Sampler(texts, lexicon, context=128, batch=1, mix=mix, seed=0).row(Random(0))
    assert row.fake
    (place,) = row.tags.nonzero()[0]
    token = lexicon.lex(pair.broken)[place - 1]  # the first row is the place before the text
    assert (token.text.strip(), TAGS[row.tags[place]].action) == ("unused", "rename")
