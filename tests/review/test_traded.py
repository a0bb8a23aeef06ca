"""What a rule says of a line holds for a line with that one mistake."""

import pytest

from gatllm.review.default import load_reviewer
from gatllm.review.rules.table import RULES
from gatllm.review.traded import _TRADING

SEVERAL = (
    # A bracket too many, or too few: the signs are right.
    "def run(store):\n    if store.find((owner=owner, path=path, name=path[-1]):\n        return store\n",
    "class Signature((Element, is_leaf=True):\n    pass\n",
    "def load(reader, html):\n    for kind, item in parse((reader, html=html, recover=True):\n        print(kind)\n",
    "def add(app):\n    app.add_value('retries', 1, '', types=frozenset(int}))\n",
    "def add(app):\n    app.add_item(\n        Link('', 'Home',\n             target='https://example.org/',\n    ])\n",
    # A quote is missing: the colon is a text's.
    "def title(name):\n    text = _(Section author: ')\n    return text + name\n",
    # A misspelt keyword is no reason to touch a string.
    "def shown(text):\n    retunr '\"%s\"' % text.replace('\\\\', '\\\\\\\\').replace('\\t', '\\\\t').replace(\n"
    "        '\"', '\\\\\"')\n",
)
OTHERS = (
    # Code within a string was broken in two: nothing tells whether the line break is the string's.
    "def read(line):\n    return match(r'(.+?)\\s+(\n\\d+)\\s+(.*)', line)\n",
    "def told(found):\n    print(f'gave {len(found)} candidate(\ns): {found!r}')\n",
    "BULLET = r'\\d{1,\n9}\\.'\n",
    "def told(name):\n    raise KeyError('no \"{}\" there,\n\\n'.format(name))\n",
    "def told(name):\n    return f'data:image/png;base64,\n{name}'\n",
    # The method lost its indentation.
    "class Reader(Base):\n\ndef locate(self, place) -> None:\n        self.place = place\n",
    # The number sign is a text's.
    "def base(name):\n    first = name.partition(#')[0].split('/')\n    return first\n",
    # The field has its brace, and one too many.
    "def put(out, m, depth):\n    out.append(f'{m.group(0)}\\n{{\" \" * depth}')\n",
    # A keyword is misspelt.
    "def wait(run):\n    run(lambad: 3)\n",
    # A name that has no value yet, and is used below, is not compared.
    "def f(app):\n    if wait = app.wait_for:\n        return wait\n",
    # One value twice may lack its comma.
    "def f():\n    return None None\n",
    # A character's name without its end is no path.
    "BULLET = '\\N{TRIANGULAR BULLET'\n",
)
ALONE = {
    "print((n = 10), n)\n": "print((n := 10), n)\n",
    "if (n = read()) > 0:\n    print(n)\n": "if (n := read()) > 0:\n    print(n)\n",
    "def f(a):\n    if a = 1:\n        return 2\n": "def f(a):\n    if a == 1:\n        return 2\n",
    "def f(a):\n    if a = 1:\n        return max(1, 2\n": "def f(a):\n    if a == 1:\n        return max(1, 2)\n",
    "def f(app, wait):\n    if wait = app.wait_for:\n        return wait\n": (
        "def f(app, wait):\n    if wait == app.wait_for:\n        return wait\n"
    ),
    "log(\n    'not found, \n    'and left'\n)\n": "log(\n    'not found, '\n    'and left'\n)\n",
    "SIZES = [  # in metres\n    1,\n    2,\n\n\ndef area(w):\n    return w\n": (
        "SIZES = [  # in metres\n    1,\n    2,\n]\n\n\ndef area(w):\n    return w\n"
    ),
}
WRITTEN_BY_RULE = (
    *("{len(found)", ":=", "==", "author=", '"""', "'''", "r'\\N", "    )\n", "{depth}", "\\\\\\'"),
    *("return None\n", "lambad=", "pass\n"),
)


@pytest.mark.parametrize("broken", [*SEVERAL, *OTHERS])
def test_a_line_with_another_mistake_is_not_rewritten(broken: str) -> None:
    repair = load_reviewer(quick=True).fix(broken)
    assert not repair.rules, repair.text
    if repair.changed:
        assert all(repair.text.count(sign) <= broken.count(sign) for sign in WRITTEN_BY_RULE), repair.text


@pytest.mark.parametrize(("broken", "fixed"), ALONE.items())
def test_a_line_with_that_one_mistake_is(broken: str, fixed: str) -> None:
    assert load_reviewer(quick=True).fix(broken).text == fixed


def test_every_rule_that_trades_is_there() -> None:
    assert set(_TRADING) <= {rule.name for rule in RULES}
