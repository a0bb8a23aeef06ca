# ruff: noqa: E501  # an input is one line, however long
"""What people hand in, by kind, with what they would want; ``None`` where only the author knows.

Written beside the rules that answer them, and apart from the typo model that trains the discriminator.
"""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """A broken text, and the texts that are right for it; leaving it alone is right where ``leave``."""

    name: str
    broken: str
    right: tuple[str, ...] = ()
    leave: bool = False


KINDS = [
    # another language's words
    Kind(
        "catch as Python would have it",
        "try:\n    f()\ncatch Exception as e:\n    print(e)\n",
        ("try:\n    f()\nexcept Exception as e:\n    print(e)\n",),
    ),
    Kind(
        "an assignment as the condition of a loop",
        "while x = 3:\n    x -= 1\n",
        ("while x == 3:\n    x -= 1\n",),
    ),
    Kind("two numbers side by side", "x = 3 4\n", leave=True),
    Kind("a call that is assigned to", "def get():\n    return 1\n\n\nget() = 5\n", leave=True),
    # conflicts, patches, edit blocks
    Kind(
        "conflict in a dictionary",
        'OPTIONS = {\n<<<<<<< HEAD\n    "retries": 3,\n=======\n    "retries": 5,\n>>>>>>> main\n}\n',
        leave=True,
    ),
    Kind(
        "conflict of three sides",
        "<<<<<<< ours\nx = 1\n||||||| base\nx = 0\n=======\nx = 2\n>>>>>>> theirs\n",
        leave=True,
    ),
    Kind(
        "two conflicts",
        "<<<<<<< A\na = 1\n=======\na = 2\n>>>>>>> B\nb = 1\n<<<<<<< A\nc = 1\n=======\nc = 2\n>>>>>>> B\n",
        leave=True,
    ),
    Kind("edit block alone", "<<<<<<< SEARCH\nold = 1\n=======\nnew = 2\n>>>>>>> REPLACE\n", ("new = 2\n",)),
    Kind(
        "edit block beside its code",
        "def f():\n    return 1\n\n\n<<<<<<< SEARCH\n    return 1\n=======\n    return 2\n>>>>>>> REPLACE\n",
        ("def f():\n    return 2\n\n\n", "def f():\n    return 2\n"),
    ),
    Kind(
        "patch with its head",
        "--- a/m.py\n+++ b/m.py\n@@ -1,3 +1,4 @@\n import os\n-print(os.name)\n+name = os.name\n+print(name)\n",
        ("import os\nname = os.name\nprint(name)\n",),
    ),
    Kind(
        "plus signs left",
        "import os\n+import sys\n+\n+print(sys.path, os.sep)\n",
        ("import os\nimport sys\n\nprint(sys.path, os.sep)\n",),
    ),
    Kind(
        "marks in a string only",
        'HELP = """\n<<<<<<< HEAD\n=======\n>>>>>>> x\n"""\nprint(HELP\n',
        ('HELP = """\n<<<<<<< HEAD\n=======\n>>>>>>> x\n"""\nprint(HELP)\n',),
    ),
    # what strings say
    Kind(
        "path of a user",
        "import os\nhome = os.path.join('C:\\Users\\bob', 'x')\n",
        ("import os\nhome = os.path.join(r'C:\\Users\\bob', 'x')\n",),
    ),
    Kind(
        "path with x",
        'log = "D:\\logs\\x1\\out.txt"\nother = "E:\\xtra"\n',
        (
            'log = "D:\\logs\\x1\\out.txt"\nother = r"E:\\xtra"\n',
            'log = r"D:\\logs\\x1\\out.txt"\nother = r"E:\\xtra"\n',
        ),
        leave=True,
    ),
    Kind(
        "path in a format string",
        'name = "a"\np = f"C:\\Users\\{name}"\n',
        ('name = "a"\np = rf"C:\\Users\\{name}"\n', 'name = "a"\np = fr"C:\\Users\\{name}"\n'),
        leave=True,
    ),
    Kind("path partly doubled", 'p = "C:\\\\temp\\Users"\nprint(p)\n', ('p = "C:\\\\temp\\\\Users"\nprint(p)\n',)),
    Kind("path with an end", "src = 'E:\\photos\\'\nprint(src)\n", ("src = 'E:\\\\photos\\\\'\nprint(src)\n",)),
    Kind("path with an end in a call", 'save("C:\\out\\", 3)\n', ('save("C:\\\\out\\\\", 3)\n',)),
    Kind("bytes with letters", 'GREETING = b"grüß"\n', ('GREETING = b"gr\\xc3\\xbc\\xc3\\x9f"\n',)),
    Kind("format string with a join", "rows = ['a']\nprint(f\"{', '.join(r + '\\n' for r in rows)}\")\n", leave=True),
    Kind(
        "message of two lines",
        'raise ValueError("one line\nand another")\n',
        ('raise ValueError("""one line\nand another""")\n',),
    ),
    Kind("two strings without an end", "a = 'one\nb = 'two\n", ("a = 'one'\nb = 'two'\n",), leave=True),
    Kind(
        "docstring of several lines",
        'def f(x):\n    """Add one.\n\n    Nothing else.\n    y = x + 1\n    return y\n\n\ndef g():\n    """Say."""\n    return 1\n',
        (
            'def f(x):\n    """Add one.\n\n    Nothing else.\n    """\n    y = x + 1\n    return y\n\n\ndef g():\n    """Say."""\n    return 1\n',
        ),
        leave=True,
    ),
    Kind(
        "docstring at the end",
        'def f(x):\n    """Double x.\n    return 2 * x\n',
        ('def f(x):\n    """Double x."""\n    return 2 * x\n',),
    ),
    # places
    Kind("return at the top", "x = 1\nif x:\n    return x\nprint(x)\n", leave=True),
    Kind("return in a class", "class A:\n    x = 1\n    return x\n", leave=True),
    Kind("continue outside", "for x in [1]:\n    pass\ncontinue\n", leave=True),
    Kind("yield in a class", "class A:\n    yield 1\n", leave=True),
    Kind("await at the top", "import asyncio\n\nresult = await asyncio.sleep(0, 3)\nprint(result)\n", leave=True),
    Kind(
        "await in a method",
        "class A:\n    def get(self):\n        return await self.load()\n",
        ("class A:\n    async def get(self):\n        return await self.load()\n",),
    ),
    Kind(
        "future behind a docstring",
        '"""Words."""\nimport re\nfrom __future__ import annotations\nprint(re)\n',
        ('"""Words."""\nfrom __future__ import annotations\nimport re\nprint(re)\n',),
    ),
    Kind("argument twice", "def area(w, w):\n    return w * w\n", leave=True),
    Kind("default first", "def f(a=1, b):\n    return a + b\n", leave=True),
    Kind(
        "keywords first",
        "import subprocess\nsubprocess.run(check=True, ['ls'])\n",
        ("import subprocess\nsubprocess.run(['ls'], check=True)\n",),
    ),
    Kind("assignment to a call", "def f():\n    return {}\n\n\nf() = 3\n", leave=True),
    Kind("assignment to a number", "5 = x\n", leave=True),
    Kind(
        "global late",
        "n = 0\n\n\ndef f():\n    print(n)\n    global n\n    n = 1\n",
        ("n = 0\n\n\ndef f():\n    global n\n    print(n)\n    n = 1\n",),
    ),
    Kind("nonlocal nowhere", "def f():\n    nonlocal x\n    x = 1\n", leave=True),
    Kind("star alone at the end", "def f(a, *):\n    return a\n", ("def f(a):\n    return a\n",)),
    Kind("keyword with two values", "open('x', mode='r', mode='w')\n", leave=True),
    Kind(
        "else twice",
        "def f(x):\n    if x:\n        return 1\n    else:\n        return 2\n    else:\n        return 3\n",
        leave=True,
    ),
    Kind("decorator of nothing", "import functools\n\n\n@functools.cache\n\nx = 1\n", leave=True),
    # keywords as names
    Kind(
        "keyword given to a call",
        "plot(x, y, lambda=0.1)\n",
        ('plot(x, y, **{"lambda": 0.1})\n', "plot(x, y, lambda_=0.1)\n"),
    ),
    Kind(
        "keyword as a parameter",
        "def go(from, to):\n    return from + to\n\n\ngo(from=1, to=2)\n",
        ("def go(from_, to):\n    return from_ + to\n\n\ngo(from_=1, to=2)\n",),
    ),
    Kind("keyword as a variable", "class = 'first'\nprint(class)\n", ("class_ = 'first'\nprint(class_)\n",)),
    Kind(
        "keyword for a missing name",
        "for in in [1, 2]:\n    print(item)\n",
        ("for item in [1, 2]:\n    print(item)\n",),
        leave=True,
    ),
    Kind(
        "keyword as a loop's name",
        "for class in rows:\n    print(student)\nrows = []\n",
        ("for student in rows:\n    print(student)\nrows = []\n",),
    ),
    Kind(
        "keyword as an attribute",
        "class M:\n    def __init__(self, a):\n        self.from = a\n\n    def get(self):\n        return self.from\n",
        (
            "class M:\n    def __init__(self, a):\n        self.from_ = a\n\n    def get(self):\n        return self.from_\n",
        ),
    ),
    # Python 2
    Kind(
        "print to a file",
        "import sys\nprint >> sys.stderr, 'no'\nprint 'yes'\n",
        ("import sys\nprint('no', file=sys.stderr)\nprint('yes')\n",),
    ),
    Kind("print nothing", "def f():\n    print 'a'\n    print\n", ("def f():\n    print('a')\n    print()\n",)),
    Kind(
        "parameters as a tuple",
        "def add(a, (b, c)):\n    return a + b + c\n",
        ("def add(a, b_c):\n    b, c = b_c\n    return a + b + c\n",),
        leave=True,
    ),
    Kind("long and octal", "M = 0777\nB = 10L\nprint M\n", ("M = 0o777\nB = 10\nprint(M)\n",)),
    Kind(
        "has_key",
        "def f(d, k):\n    if d.has_key(k):\n        print d[k]\n",
        (
            "def f(d, k):\n    if (k in d):\n        print(d[k])\n",
            "def f(d, k):\n    if k in d:\n        print(d[k])\n",
            "def f(d, k):\n    if d.has_key(k):\n        print(d[k])\n",
        ),
    ),
    Kind("backticks", "n = 3\nprint `n`\n", ("n = 3\nprint(repr(n))\n",)),
    Kind(
        "old exceptions",
        "try:\n    f()\nexcept (A, B), e:\n    raise C, 'x'\n",
        ("try:\n    f()\nexcept (A, B) as e:\n    raise C('x')\n",),
    ),
    # newer Python
    Kind(
        "generic class",
        "class Stack[T]:\n    def push(self, item: T) -> None:\n        self.items.append(item)\n",
        leave=True,
    ),
    Kind("alias of a type", "type Pair[T] = tuple[T, T]\nx: Pair[int] = (1, 2)\n", leave=True),
    Kind(
        "same quotes inside",
        'd = {"a": 1}\nprint(f"a is {d["a"]} now")\n',
        ('d = {"a": 1}\nprint(f"a is {d[\'a\']} now")\n',),
        leave=True,
    ),
    Kind(
        "same quotes inside two fields",
        'd = {"a": 1}\n\nlabel = f"{d["a"]} and {d["b"]}"\nprint(label)\n',
        ("d = {\"a\": 1}\n\nlabel = f\"{d['a']} and {d['b']}\"\nprint(label)\n",),
        leave=True,
    ),
    # notebooks, templates
    Kind(
        "line magics",
        "%load_ext autoreload\n%autoreload 2\nimport os\n!ls -la\nprint(os.sep)\n",
        ("# %load_ext autoreload\n# %autoreload 2\nimport os\n# !ls -la\nprint(os.sep)\n",),
    ),
    Kind("output of a shell", "files = !ls data\nprint(1)\n", ("# files = !ls data\nprint(1)\n",), leave=True),
    Kind(
        "help of a notebook",
        "import os\nos.path.join?\nprint(os.sep)\n",
        ("import os\n# os.path.join?\nprint(os.sep)\n",),
        leave=True,
    ),
    Kind("template of a loop", "VALUES = [\n{% for v in values %}\n    {{ v }},\n{% endfor %}\n]\n", leave=True),
    Kind("template of a shell", "HOST = ${HOST}\nprint(HOST)\n", leave=True),
    # other languages
    Kind("Cython import", "import os\nfrom libc.math cimport sqrt\nprint(os.sep)\n", leave=True),
    Kind("Cython function", "import os\n\ncpdef double half(double x):\n    return x / 2\n", leave=True),
    Kind("Cython class", "cdef class Point:\n    cdef double x, y\n", leave=True),
    Kind(
        "two words for a name are no Cython",
        "def read file(path):\n    return open(path)\n",
        ("def read_file(path):\n    return open(path)\n",),
        leave=True,
    ),
    Kind(
        "conditions of C",
        "def f(a, b):\n    if (!a || b === 3) {\n        return null;\n    }\n    return true;\n",
        ("def f(a, b):\n    if (not a or b == 3):\n        return None;\n    return True;\n",),
    ),
    Kind(
        "choice of C",
        "x = 3\nsize = x > 2 ? 10 : 20\nprint(size)\n",
        ("x = 3\nsize = 10 if x > 2 else 20\nprint(size)\n",),
    ),
    Kind("choice in a call", "x = 3\nprint(x > 2 ? 'a' : 'b', x)\n", ("x = 3\nprint('a' if x > 2 else 'b', x)\n",)),
    Kind(
        "arrow of two", "add = (a, b) => a + b\nprint(add(1, 2))\n", ("add = lambda a, b: a + b\nprint(add(1, 2))\n",)
    ),
    Kind("arrow as an argument", "xs = list(map(x => x + 1, [1]))\n", ("xs = list(map(lambda x: x + 1, [1]))\n",)),
    Kind(
        "note behind code",
        "speed = 10 // metres per second\nprint(speed)\n",
        ("speed = 10  # metres per second\nprint(speed)\n",),
    ),
    Kind(
        "notes of C",
        "/*\n * Sum up.\n */\ntotal = 1 + 2\nprint(total)\n",
        ("# Sum up.\ntotal = 1 + 2\nprint(total)\n",),
    ),
    Kind("loop of a shell", "for x in [1, 2] do\n    print(x)\ndone\n", ("for x in [1, 2]:\n    print(x)\n",)),
    Kind(
        "loop of Java",
        "total = 0\nfor (int i = 1; i <= 3; i++) {\n    total += i;\n}\nprint(total)\n",
        ("total = 0\nfor i in range(1, 3 + 1):\n    total += i;\nprint(total)\n",),
    ),
    Kind(
        "typed as in C", "float rate = 0.5;\nprint(rate)\n", ("rate = 0.5\nprint(rate)\n", "rate = 0.5;\nprint(rate)\n")
    ),
    Kind(
        "braces with else",
        "x = 1\nif (x) {\n    print(1)\n} else {\n    print(2)\n}\n",
        ("x = 1\nif (x):\n    print(1)\nelse:\n    print(2)\n",),
    ),
    # chats
    Kind(
        "fence and words",
        "Sure! This works:\n\n```py\nx = [1, 2]\nprint(sum(x))\n```\nHope this helps!\n",
        ("x = [1, 2]\nprint(sum(x))\n",),
    ),
    Kind(
        "two fences",
        "First:\n```python\na = 1\n```\nThen:\n```python\nb = a\n```\n",
        ("a = 1\n\nb = a\n", "a = 1\nb = a\n"),
    ),
    Kind(
        "words first",
        "Below is the corrected version.\n\nimport os\n\n\ndef f():\n    return os.sep\n",
        (
            "# Below is the corrected version.\n\nimport os\n\n\ndef f():\n    return os.sep\n",
            "import os\n\n\ndef f():\n    return os.sep\n",
        ),
    ),
    Kind(
        "rest of the code",
        "import os\n\n... rest of the code ...\n\n\ndef f():\n    return os.sep\n",
        ("import os\n\n# ... rest of the code ...\n\n\ndef f():\n    return os.sep\n",),
    ),
    Kind(
        "entities",
        "if a &lt; 3 &amp;&amp; b == &#39;x&#39;:\n    print(a)\n",
        ("if a < 3 and b == 'x':\n    print(a)\n",),
    ),
    Kind("full width", "x ＝ （1 ＋ 2）＊ 3\nprint（x）\n", ("x = (1 + 2)* 3\nprint(x)\n",)),
    Kind("cut off", "def f(x):\n    y = x +\n", leave=True),
    Kind("a letter", "Dear all,\n\nwe're moving on Friday. Please don't be late.\n", leave=True),
    # half-typed
    Kind("attribute to come", "import os\nx = os.\nprint(x)\n", leave=True),
    Kind("try alone", "def f():\n    try:\n        g()\n\n\ndef g():\n    return 1\n", leave=True),
    Kind("loop to come", "items = [1]\nfor x in\n    print(x)\n", leave=True),
    Kind("import to come", "from os import\nprint(1)\n", leave=True),
    # dropped or invented
    Kind("walrus in brackets", "print((n = 10), n)\n", ("print((n := 10), n)\n",)),
    Kind(
        "walrus of a loop",
        "import sys\nwhile (line = sys.stdin.readline()):\n    print(line)\n",
        ("import sys\nwhile (line := sys.stdin.readline()):\n    print(line)\n",),
    ),
    Kind("comparison", "x = 1\nif x = 3:\n    print(x)\n", ("x = 1\nif x == 3:\n    print(x)\n",)),
    Kind("half a number", "rate = 2e\nprint(rate)\n", leave=True),
    Kind("number with letters", "x = 3px\nprint(x)\n", leave=True),
    Kind(
        "dot of self",
        "class A:\n    def f(self):\n        self items = []\n",
        ("class A:\n    def f(self):\n        self.items = []\n",),
        leave=True,
    ),
    Kind("bits of a number", "n = 5.bit_length()\nprint(n)\n", ("n = (5).bit_length()\nprint(n)\n",)),
    Kind(
        "space behind the end",
        "if True and \\  \n        1:\n    print(1)\n",
        ("if True and \\\n        1:\n    print(1)\n",),
    ),
    Kind(
        "targets of a list",
        "d = {'a': 1}\nx = [k, v for k, v in d.items()]\n",
        ("d = {'a': 1}\nx = [(k, v) for k, v in d.items()]\n",),
    ),
    Kind("generator beside", "print(sum(x for x in [1], 2))\n", ("print(sum((x for x in [1]), 2))\n",)),
    Kind("operator missing", "a = 1\nb = 2\nc = a b\nprint(c)\n", leave=True),
    Kind("flat function", "def f(a):\nb = a + 1\nreturn b\n", ("def f(a):\n    b = a + 1\n    return b\n",)),
    Kind(
        "flat condition",
        "x = 1\nif x:\nprint(1)\nelse:\nprint(2)\n",
        ("x = 1\nif x:\n    print(1)\nelse:\n    print(2)\n",),
    ),
    Kind("bracket never closed", "x = foo(1, 2\ny = 3\nprint(x, y)\n", ("x = foo(1, 2)\ny = 3\nprint(x, y)\n",)),
    Kind("colon", "while True\n    break\n", ("while True:\n    break\n",)),
    # what stands beside a header, a call, an operator
    Kind("body lost, the next statement apart", "def f():\n\nx = 1\n", leave=True),
    Kind(
        "class without a body before another",
        "class A:\nclass B:\n    x = 1\n",
        ("class A:\n    pass\nclass B:\n    x = 1\n",),
    ),
    Kind("condition that binds a constant", "if x = 3:\n    print(x)\n", ("if x == 3:\n    print(x)\n",)),
    Kind(
        "condition that binds a call",
        "import re\nif m = re.match('a', 'b'):\n    print(m)\n",
        ("import re\nif m := re.match('a', 'b'):\n    print(m)\n",),
        leave=True,
    ),
    Kind("operator cut in two", "if x > = 3:\n    print(x)\n", ("if x >= 3:\n    print(x)\n",)),
    Kind("not equal cut in two", "while x ! = 3:\n    x + = 1\n", ("while x != 3:\n    x += 1\n",)),
    Kind("argument with a colon", "f(a: 1)\n", ("f(a=1)\n",)),
    Kind("second argument with a colon", "box(2, depth: 3, wide = 4)\n", ("box(2, depth=3, wide = 4)\n",)),
    Kind("with without as", "with open('a') f:\n    pass\n", ("with open('a') as f:\n    pass\n",)),
    Kind("import without as", "import numpy np\nprint(np.pi)\n", ("import numpy as np\nprint(np.pi)\n",)),
    Kind("import without a comma", "import os sys\nprint(os, sys)\n", ("import os, sys\nprint(os, sys)\n",)),
    Kind("import of two unknown names", "import spam eggs\n", leave=True),
    Kind(
        "edit block under the name of its file",
        "src/x.py\n<<<<<<< SEARCH\ndef f():\n    return 1\n=======\ndef f():\n    return 2\n>>>>>>> REPLACE\n",
        ("def f():\n    return 2\n",),
    ),
    Kind(
        "session with numbers as answers",
        ">>> x = 3\n>>> for i in range(x):\n...     print(i)\n... \n0\n1\n2\n",
        ("x = 3\nfor i in range(x):\n    print(i)\n\n# 0\n# 1\n# 2\n",),
    ),
    Kind("bytes that are not text", "\x00\x01\x02", leave=True),
    Kind("NUL in code", "x = 1\x00\n", ("x = 1\n",), leave=True),
    Kind(
        "tabs of four beside spaces",
        "def f(x):\n\tif x:\n        return 1\n\treturn 2\n",
        ("def f(x):\n    if x:\n        return 1\n    return 2\n",),
    ),
    Kind(
        "tabs of eight beside spaces",
        "def f(x):\n    for y in x:\n\tprint(y)\n\tif y:\n\t    print(x)\n    return 2\n",
        ("def f(x):\n    for y in x:\n        print(y)\n        if y:\n            print(x)\n    return 2\n",),
    ),
    Kind(
        "nested body lost, the next statement apart", "def g(a):\n    def f():\n\n    x = 1\n    return a\n", leave=True
    ),
    Kind("dictionary with equals", "d = {**a, 'b' = 2}\n", ("d = {**a, 'b': 2}\n",)),
    Kind("dictionary with equals throughout", 'd = {"a" = 1, "b" = f(x=2)}\n', ('d = {"a": 1, "b": f(x=2)}\n',)),
    Kind("unless of Ruby", "unless x:\n    y = 1\n", ("if not x:\n    y = 1\n",)),
    Kind(
        "unless of Ruby with a condition",
        "unless x and z:\n    y = 1\n",
        ("if not (x and z):\n    y = 1\n",),
        leave=True,
    ),
    Kind(
        "lambda in braces",
        "def g(x):\n    f = lambda x { x + 1 }\n    return f\n",
        ("def g(x):\n    f = lambda x: x + 1\n    return f\n",),
    ),
    Kind(
        "closing brackets crossed",
        'def f(rows, key):\n    for row in sorted(rows, key=lambda row: row["name")]:\n        print(row)\n',
        ('def f(rows, key):\n    for row in sorted(rows, key=lambda row: row["name"]):\n        print(row)\n',),
    ),
    Kind(
        "a sign too many behind return",
        "def f(x):\n    return = sum(x)\n",
        ("def f(x):\n    return sum(x)\n",),
        leave=True,
    ),
    Kind(
        "clause without a condition",
        "def f(x):\n    if x:\n        y = 1\n        elif: print('a', x, sep=': ')\n    return y\n",
        leave=True,
    ),
    Kind(
        "default without its sign",
        "def f(path, *, strict True):\n    return path, strict\n",
        ("def f(path, *, strict=True):\n    return path, strict\n",),
        leave=True,
    ),
    Kind("colon of a function on one line", "def f(x) return x\n", ("def f(x) :return x\n", "def f(x): return x\n")),
]
