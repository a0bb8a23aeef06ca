"""Tasks with hidden tests, made from documented functions of the standard library.

    python benchmarks/library_tasks.py TASKS.jsonl

A task asks for a function that does what a documented one does, in the words of its own documentation (the first
paragraph of the docstring of the Python that runs this), and its hidden tests are what that function returns for the
arguments below. The form is MBPP's (`text`, `test_list`), so that `benchmarks/answers.py` reads it, with an example in
the prompt or, by ``--no-example``, without: people seldom state one. Nothing of it is in MBPP. Prints how many.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# `module.function` or `type.method`: arguments of one call each. Iterators are listed, floats rounded.
CALLS: dict[str, tuple[str, ...]] = {
    "base64.b16encode": ("b'ab'", "b''", "b'\\x00\\xff'"),
    "base64.b32encode": ("b'hello'", "b''", "b'a'"),
    "base64.b64encode": ("b'hello'", "b''", "b'a?>'"),
    "binascii.hexlify": ("b'ab'", "b''", "b'\\x00\\xff'"),
    "bisect.bisect_left": ("[1, 2, 2, 3], 2", "[], 1", "[1, 5], 9"),
    "bisect.bisect_right": ("[1, 2, 2, 3], 2", "[], 1", "[1, 5], 9"),
    "builtins.abs": ("-3", "0", "2.5"),
    "builtins.all": ("[1, 0]", "[]", "[1, 'a']"),
    "builtins.any": ("[0, 1]", "[]", "['', 0]"),
    "builtins.ascii": ("'é'", "'a'", "[1, 'ß']"),
    "builtins.bin": ("10", "0", "-5"),
    "builtins.divmod": ("7, 3", "-7, 3", "0, 5"),
    "builtins.hex": ("255", "0", "-16"),
    "builtins.oct": ("8", "0", "-9"),
    "builtins.round": ("2.5", "3.5", "-1.2"),
    "builtins.sorted": ("[3, 1, 2]", "'bca'", "[]"),
    "bytes.hex": ("b'ab'", "b''", "b'\\x00\\xff'"),
    "bytes.title": ("b'hello world'", "b''", "b'a1b c'"),
    "calendar.isleap": ("2000", "1900", "2024", "2023"),
    "calendar.leapdays": ("2000, 2020", "1896, 1904", "2001, 2001"),
    "calendar.monthrange": ("2024, 2", "2023, 2", "2000, 12"),
    "calendar.timegm": ("(1970, 1, 2, 0, 0, 0)", "(2000, 1, 1, 0, 0, 1)", "(1970, 1, 1, 0, 0, 0)"),
    "calendar.weekday": ("2024, 2, 29", "1999, 12, 31", "2000, 1, 1"),
    "cmath.phase": ("1j", "-1 + 0j", "1 + 1j"),
    "cmath.polar": ("1j", "3 + 4j", "-2 + 0j"),
    "colorsys.hls_to_rgb": ("0.5, 0.5, 0.5", "0.0, 1.0, 0.0", "0.9, 0.2, 0.8"),
    "colorsys.hsv_to_rgb": ("0.5, 0.5, 0.4", "0.0, 0.0, 1.0", "0.9, 0.2, 0.8"),
    "colorsys.rgb_to_hls": ("0.2, 0.4, 0.4", "1.0, 1.0, 1.0", "0.9, 0.2, 0.8"),
    "colorsys.rgb_to_hsv": ("0.2, 0.4, 0.4", "1.0, 1.0, 1.0", "0.9, 0.2, 0.8"),
    "colorsys.rgb_to_yiq": ("0.2, 0.4, 0.4", "1.0, 1.0, 1.0", "0.9, 0.2, 0.8"),
    "dict.fromkeys": ("['a', 'b'], 1", "[]", "'aab', 0"),
    "difflib.get_close_matches": (
        "'appel', ['ape', 'apple', 'peach', 'puppy']", "'x', ['abc']", "'tree', ['three', 'trees', 'free', 'bee']",
    ),
    "email.utils.formataddr": ("('Ann', 'ann@example.org')", "('', 'a@b.org')", "('A, B', 'a@b.org')"),
    "email.utils.parseaddr": ("'Ann <ann@example.org>'", "'a@b.org'", "'\"A, B\" <a@b.org>'"),
    "email.utils.quote": ("'a\"b'", "'a\\\\b'", "'ab'"),
    "email.utils.unquote": ("'\"ab\"'", "'<ab>'", "'ab'"),
    "float.as_integer_ratio": ("0.25", "-3.0", "0.0"),
    "float.is_integer": ("2.0", "2.5", "-0.0"),
    "fnmatch.filter": ("['a.py', 'b.txt'], '*.py'", "[], '*'", "['ab', 'b'], '?b'"),
    "fnmatch.fnmatchcase": ("'a.py', '*.py'", "'A.py', 'a.*'", "'abc', '[a-c]?c'"),
    "functools.reduce": ("max, [3, 1, 2]", "min, [5]", "max, [1, 2], 9"),
    "heapq.merge": ("[1, 3], [2, 4]", "[], [1]", "[1], [1], [0]"),
    "heapq.nlargest": ("2, [3, 1, 2]", "0, [1]", "5, [1, 2]"),
    "heapq.nsmallest": ("2, [3, 1, 2]", "0, [1]", "5, [1, 2]"),
    "html.escape": ("'<a href=\"x\">'", "'a & b'", "\"it's\""),
    "html.unescape": ("'&lt;a&gt;'", "'&amp;amp;'", "'&#65;b'"),
    "inspect.cleandoc": ("'a\\n    b\\n      c'", "'  a'", "'\\n  a\\n  b\\n'"),
    "int.bit_count": ("10", "0", "-7"),
    "int.bit_length": ("10", "0", "-7"),
    "itertools.accumulate": ("[1, 2, 3]", "[]", "[5, -5]"),
    "itertools.batched": ("'abcde', 2", "[], 3", "[1, 2], 5"),
    "itertools.chain": ("[1], [2, 3]", "'', 'ab'", ""),
    "itertools.combinations": ("'abc', 2", "[1], 2", "[1, 2, 3], 3"),
    "itertools.combinations_with_replacement": ("'ab', 2", "[], 1", "[1, 2], 3"),
    "itertools.compress": ("'abc', [1, 0, 1]", "[], []", "[1, 2, 3], [True]"),
    "itertools.dropwhile": ("str.isdigit, '12a3'", "bool, []", "bool, [1, 0, 2]"),
    "itertools.filterfalse": ("str.isdigit, '12a3'", "bool, []", "bool, [1, 0, 2]"),
    "itertools.pairwise": ("[1, 2, 3]", "[1]", "'abcd'"),
    "itertools.permutations": ("[1, 2, 3], 2", "'ab'", "[]"),
    "itertools.product": ("[1, 2], 'ab'", "[], [1]", "[1], [2], [3]"),
    "itertools.starmap": ("pow, [(2, 3), (3, 2)]", "max, []", "divmod, [(7, 2)]"),
    "itertools.takewhile": ("str.isdigit, '12a3'", "bool, []", "bool, [1, 0, 2]"),
    "itertools.zip_longest": ("[1, 2], 'a'", "[], []", "'ab', [1], [2, 3, 4]"),
    "list.count": ("[1, 2, 1], 1", "[], 1", "['a'], 'b'"),
    "list.index": ("[1, 2, 1], 1", "[3, 4], 4", "['a', 'b'], 'b'"),
    "math.ceil": ("2.1", "-2.1", "3.0"),
    "math.comb": ("5, 2", "3, 4", "6, 0"),
    "math.copysign": ("1.0, -0.0", "-3.0, 2.0", "0.0, -1.0"),
    "math.degrees": ("0.0", "3.141592653589793", "-1.0"),
    "math.dist": ("(0, 0), (3, 4)", "(1,), (1,)", "(1, 2, 3), (4, 5, 6)"),
    "math.factorial": ("5", "0", "12"),
    "math.fmod": ("7.0, 3.0", "-7.0, 3.0", "5.5, 2.0"),
    "math.fsum": ("[0.1] * 10", "[]", "[1e100, 1.0, -1e100]"),
    "math.gcd": ("12, 18", "0, 5", "12, 18, 27"),
    "math.hypot": ("3, 4", "1, 2, 2", "0.0"),
    "math.isclose": ("1.0, 1.0 + 1e-10", "1.0, 1.1", "0.0, 1e-12"),
    "math.isqrt": ("10", "0", "10 ** 20 + 1"),
    "math.lcm": ("4, 6", "0, 5", "2, 3, 4"),
    "math.perm": ("5, 2", "3, 4", "4"),
    "math.prod": ("[2, 3, 4]", "[]", "[1.5, 2]"),
    "math.trunc": ("2.7", "-2.7", "0.0"),
    "ntpath.basename": ("'C:\\\\a\\\\b.txt'", "'a/b'", "'C:\\\\a\\\\'"),
    "ntpath.splitdrive": ("'C:\\\\a'", "'a\\\\b'", "'\\\\\\\\host\\\\share\\\\a'"),
    "operator.concat": ("[1], [2]", "'a', 'b'", "(), (1,)"),
    "operator.countOf": ("[1, 2, 1], 1", "'', 'a'", "'abca', 'a'"),
    "operator.indexOf": ("[1, 2, 1], 2", "'abc', 'c'", "[0], 0"),
    "posixpath.basename": ("'/a/b.txt'", "'/a/'", "'a'"),
    "posixpath.commonpath": ("['/a/b', '/a/c']", "['/a/bc', '/a/bd']", "['a/b', 'a/b/c']"),
    "posixpath.commonprefix": ("['/a/bc', '/a/bd']", "[]", "['abc', 'xyz']"),
    "posixpath.dirname": ("'/a/b.txt'", "'/a/'", "'a'"),
    "posixpath.isabs": ("'/a'", "'a/b'", "''"),
    "posixpath.join": ("'a', 'b'", "'a/', 'b', '/c'", "'a', ''"),
    "posixpath.normpath": ("'a//b/../c'", "''", "'/../a/./b/'"),
    "posixpath.relpath": ("'/a/b', '/a'", "'/a', '/a/b'", "'/x', '/x'"),
    "posixpath.split": ("'/a/b.txt'", "'/a/'", "'a'"),
    "posixpath.splitext": ("'a/b.tar.gz'", "'.bashrc'", "'a.b/c'"),
    "re.escape": ("'a.b*c'", "'abc'", "'[x] '"),
    "set.isdisjoint": ("{1, 2}, {3}", "{1}, {1}", "set(), set()"),
    "set.issubset": ("{1}, {1, 2}", "{3}, {1}", "set(), {1}"),
    "set.symmetric_difference": ("{1, 2}, {2, 3}", "set(), {1}", "{1}, {1}"),
    "shlex.join": ("['a', 'b c']", "[]", "[\"it's\"]"),
    "shlex.quote": ("'a b'", "''", "'ab'", "\"it's\""),
    "shlex.split": ("'a \"b c\" d'", "''", "\"x 'y z'\""),
    "stat.filemode": ("0o100644", "0o040755", "0o120777"),
    "statistics.fmean": ("[1, 2, 4]", "[0.5]", "[1.0, 3.0]"),
    "statistics.geometric_mean": ("[54, 24, 36]", "[1.0]", "[2, 8]"),
    "statistics.harmonic_mean": ("[40, 60]", "[1.0]", "[2, 0]"),
    "statistics.mean": ("[1, 2, 3, 4]", "[0.5]", "[-1, 1]"),
    "statistics.median": ("[1, 3, 5]", "[1, 3, 5, 7]", "[2]"),
    "statistics.median_grouped": ("[1, 2, 2, 3]", "[52, 52, 53, 54]", "[1]"),
    "statistics.median_high": ("[1, 3, 5]", "[1, 3, 5, 7]", "[2, 1]"),
    "statistics.median_low": ("[1, 3, 5]", "[1, 3, 5, 7]", "[2, 1]"),
    "statistics.mode": ("[1, 1, 2]", "'abb'", "[3, 2, 2, 3]"),
    "statistics.multimode": ("'aabbc'", "[]", "[1, 2]"),
    "statistics.pstdev": ("[1.5, 2.5, 2.5, 2.75, 3.25, 4.75]", "[1, 1]", "[0, 2]"),
    "statistics.pvariance": ("[0.0, 0.25, 0.25, 1.25, 1.5, 1.75, 2.75, 3.25]", "[1, 1]", "[0, 2]"),
    "statistics.quantiles": ("[1, 2, 3, 4, 5]", "[1, 2]", "[10, 20, 40, 80]"),
    "statistics.variance": ("[2.75, 1.75, 1.25, 0.25, 0.5, 1.25, 3.5]", "[1, 1]", "[0, 2]"),
    "str.capitalize": ("'hello World'", "''", "'ABC'"),
    "str.casefold": ("'Straße'", "''", "'ABC'"),
    "str.center": ("'ab', 5", "'abc', 2", "'a', 4, '*'"),
    "str.count": ("'banana', 'an'", "'aaa', 'aa'", "'', 'a'"),
    "str.endswith": ("'abc', 'bc'", "'abc', 'x'", "'', ''"),
    "str.expandtabs": ("'a\\tb'", "'abcdefgh\\tx'", "'\\t', 4"),
    "str.find": ("'banana', 'an'", "'abc', 'x'", "'', ''"),
    "str.isalnum": ("'a1'", "'a 1'", "''"),
    "str.isdecimal": ("'12'", "'1.2'", "''"),
    "str.isidentifier": ("'a1'", "'1a'", "''"),
    "str.islower": ("'a1'", "'1'", "'aB'"),
    "str.isspace": ("' \\t'", "''", "' a'"),
    "str.istitle": ("'Hello World'", "'Hello world'", "''"),
    "str.ljust": ("'ab', 4", "'abc', 2", "'a', 3, '-'"),
    "str.lstrip": ("'  a '", "'xxa', 'x'", "''"),
    "str.partition": ("'a=b=c', '='", "'abc', '-'", "'=', '='"),
    "str.removeprefix": ("'foobar', 'foo'", "'abc', 'x'", "'aab', 'a'"),
    "str.removesuffix": ("'foobar', 'bar'", "'abc', 'x'", "'abb', 'b'"),
    "str.replace": ("'aaa', 'a', 'b'", "'abc', '', '-'", "'aaa', 'a', 'b', 2"),
    "str.rfind": ("'banana', 'an'", "'abc', 'x'", "'abca', 'a'"),
    "str.rjust": ("'ab', 4", "'abc', 2", "'a', 3, '-'"),
    "str.rpartition": ("'a=b=c', '='", "'abc', '-'", "'=', '='"),
    "str.rsplit": ("'a b  c'", "'a,b,c', ',', 1", "''"),
    "str.split": ("'a b  c'", "'a,b,,c', ','", "''"),
    "str.splitlines": ("'a\\nb\\r\\nc'", "''", "'a\\n\\n'"),
    "str.strip": ("'  a '", "'xxax', 'x'", "''"),
    "str.swapcase": ("'Hello'", "''", "'a1B'"),
    "str.title": ("'hello world'", "\"they're\"", "'a1b'"),
    "str.zfill": ("'42', 5", "'-42', 5", "'abc', 2"),
    "string.capwords": ("'hello  world'", "''", "' a b '"),
    "textwrap.dedent": ("'  a\\n    b\\n'", "'a\\n  b'", "'\\ta\\n\\tb'"),
    "textwrap.fill": ("'the quick brown fox', 10", "'', 5", "'abcdefgh', 3"),
    "textwrap.indent": ("'a\\nb\\n', '  '", "'a\\n\\nb', '> '", "'', 'x'"),
    "textwrap.shorten": ("'hello  world!', 12", "'hello  world!', 11", "'a', 5"),
    "textwrap.wrap": ("'the quick brown fox', 10", "'', 5", "'abcdefgh', 3"),
    "tuple.count": ("(1, 2, 1), 1", "(), 1", "('a',), 'b'"),
    "unicodedata.combining": ("'a'", "'\\u0301'", "'\\u0323'"),
    "urllib.parse.parse_qs": ("'a=1&b=2&a=3'", "''", "'a=&b=%20'"),
    "urllib.parse.parse_qsl": ("'a=1&b=2&a=3'", "''", "'a=x+y'"),
    "urllib.parse.quote": ("'a b/c'", "'é'", "'~a?'"),
    "urllib.parse.quote_plus": ("'a b/c'", "'é'", "'a+b'"),
    "urllib.parse.unquote": ("'a%20b'", "'%C3%A9'", "'a+b'"),
    "urllib.parse.urlencode": ("{'a': 1, 'b': 'x y'}", "{}", "[('a', 'é')]"),
    "urllib.parse.urljoin": ("'http://a/b/c', 'd'", "'http://a/b/c', '/d'", "'http://a/b/', '../x'"),
    "xml.sax.saxutils.escape": ("'<a> & b'", "'ab'", "'\"'"),
    "xml.sax.saxutils.quoteattr": ("'ab'", "'a\"b'", "'<'"),
    "xml.sax.saxutils.unescape": ("'&lt;a&gt;'", "'ab'", "'&amp;lt;'"),
    "zlib.adler32": ("b'abc'", "b''", "b'Wikipedia'"),
    "zlib.crc32": ("b'abc'", "b''", "b'123456789'"),
}  # fmt: skip


def found(name: str) -> Any:
    """Return a function by its dotted name; None where this Python has none."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for part in parts[cut:]:
            value = getattr(value, part, None)
        return value
    return getattr(getattr(importlib.import_module("builtins"), parts[0], None), parts[1], None)


def documented(function: Any) -> str:
    """Return the first paragraphs of a docstring, no longer than 300 characters, without signatures and sessions."""
    kept: list[str] = []
    for paragraph in re.split(r"\n\s*\n", inspect.getdoc(function) or ""):
        plain = re.sub(r"^[\w.]+\(.*?\)\s*-+>\s*", "", " ".join(paragraph.split()))
        if ">>>" in plain:
            break
        if len(" ".join([*kept, plain])) > 300:
            break
        if len(plain.split()) > 3 or kept:
            kept.append(plain)
    return " ".join(kept)


def signature(name: str, function: Any, arguments: int) -> str:
    """Return how the function is to be called, as far as the calls below use its parameters."""
    try:
        parameters = list(inspect.signature(function).parameters.values())[:arguments]
    except (TypeError, ValueError):
        return called(name)
    kind = {"str": "text", "bytes": "data"}.get(name.partition(".")[0], "it")
    shown = [
        kind if one.name == "self" else f"*{one.name}" if one.kind is one.VAR_POSITIONAL else one.name
        for one in parameters
        if one.kind is not one.KEYWORD_ONLY
    ]
    return f"{called(name)}({', '.join(shown)})"


def called(name: str) -> str:
    """Return what the function is to be called: a built-in one is not to be hidden by it."""
    module, _, last = name.rpartition(".")
    return f"my_{last}" if module == "builtins" else last


def asserted(name: str, function: Any, call: str) -> str:
    """Return the assertion that a call returns what it returns: iterators are listed, floats rounded."""
    value, shown = eval(f"function({call})", {"function": function}), f"{name}({call})"  # noqa: S307 (the table above)
    if hasattr(value, "__next__"):
        return f"assert list({shown}) == {list(value)!r}"
    if isinstance(value, float):
        return f"assert round({shown}, 6) == {round(value, 6)!r}"
    if isinstance(value, tuple | list) and any(isinstance(one, float) for one in value):
        return f"assert [round(one, 6) for one in {shown}] == {[round(one, 6) for one in value]!r}"
    return f"assert {shown} == {value!r}"


def tasks() -> Iterator[dict[str, Any]]:
    """Return a row for each function that this Python has and documents."""
    for number, (name, calls) in enumerate(sorted(CALLS.items())):
        function = found(name)
        words = documented(function) if function is not None else ""
        if len(words) < 25:
            continue
        most = max(call.count(",") + 1 for call in calls)  # or more: commas lie inside of arguments as well
        yield {
            "task_id": 10_000 + number,
            "source": name,
            "text": f"Write a function `{signature(name, function, most)}` that does this: {words}",
            "test_list": [asserted(called(name), function, call) for call in calls],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    rows = list(tasks())
    options.out.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    print(f"{len(rows)} tasks of {len({row['source'].rpartition('.')[0] for row in rows})} modules and types")


if __name__ == "__main__":
    main()
