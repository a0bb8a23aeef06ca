"""Trees in which what is merely said otherwise looks the same."""

from __future__ import annotations

import ast

from gatllm.data.functions import parse

_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


def plain(text: str) -> str | None:
    """Return the tree of ``text`` with idioms undone and local names numbered; None when it has none."""
    parsed = parse(text)
    if parsed is None:
        return None
    tree = _Locals(parsed).visit(_Idioms().visit(parsed))
    return ast.dump(tree)


class _Idioms(ast.NodeTransformer):
    """Undoes what is only another way to say the same.

    ``not a == b`` → ``a != b``; ``x.keys()`` → ``x``; ``super(A, self)`` → ``super()``; ``raise … from e`` →
    ``raise …``; ``f(a=1)`` → ``f(1)``; ``x = v; return x`` → ``return v``; ``x == None`` → ``x is None``; ``list()`` →
    ``[]``; ``else`` after a block that is left → no ``else``; ``x = x + 1`` → ``x += 1``; ``cast(T, x)`` → ``x``;
    ``isinstance(x, (A, B))`` → ``isinstance(x, A | B)``; ``in {…}`` → ``in (…)``; f-strings, ``%``, ``format`` alike.
    """

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                setattr(node, name, self._block(block))
        return node

    def _block(self, block: list[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for one in block:
            words = isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)
            if words or isinstance(one, ast.Pass):
                continue
            last = out[-1] if out else None
            value = _returned(last, one)
            if value is not None:
                out[-1] = ast.Return(value)
                continue
            out.append(one)
            if isinstance(one, ast.If) and one.body and one.orelse and isinstance(one.body[-1], _LEAVES):
                out += one.orelse
                one.orelse = []
        return out

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        inner = node.operand
        if isinstance(node.op, ast.Not) and isinstance(inner, ast.Compare) and len(inner.ops) == 1:
            opposite = _OPPOSITE.get(type(inner.ops[0]))
            if opposite is not None:
                return self.visit_Compare(ast.Compare(inner.left, [opposite()], inner.comparators))
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        last = node.comparators[-1]
        if isinstance(last, ast.Set | ast.List):
            node.comparators[-1] = ast.Tuple(last.elts, ast.Load())
        if isinstance(last, ast.Constant) and last.value is None and isinstance(node.ops[-1], ast.Eq | ast.NotEq):
            node.ops[-1] = ast.Is() if isinstance(node.ops[-1], ast.Eq) else ast.IsNot()
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if isinstance(node.func, ast.Attribute) and node.func.attr == "keys" and not node.args:
            return node.func.value
        if name == "super":
            node.args = []
        if _last(node.func) == "cast" and len(node.args) == 2:
            return node.args[1]
        if name == "isinstance" and len(node.args) == 2 and isinstance(node.args[1], ast.BinOp):
            node.args[1] = ast.Tuple(_joined(node.args[1]), ast.Load())
        if isinstance(node.func, ast.Attribute) and node.func.attr == "format" and _is_text(node.func.value):
            return _message([*node.args, *(keyword.value for keyword in node.keywords)])
        if name in {"list", "dict", "tuple"} and not node.args and not node.keywords:
            kinds = {"list": ast.List([], ast.Load()), "dict": ast.Dict([], []), "tuple": ast.Tuple([], ast.Load())}
            return kinds[name]
        node.args += [keyword.value for keyword in node.keywords if keyword.arg is not None]
        node.keywords = [keyword for keyword in node.keywords if keyword.arg is None]
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        node.cause = None
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        if len(node.targets) == 1 and isinstance(node.value, ast.BinOp):
            target = node.targets[0]
            if ast.dump(target).replace("Store()", "Load()") == ast.dump(node.value.left):
                return ast.AugAssign(target, node.value.op, node.value.right)  # type: ignore[arg-type]
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        self.generic_visit(node)
        return _message([one.value for one in node.values if isinstance(one, ast.FormattedValue)])

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Mod) and _is_text(node.left):
            return _message(node.right.elts if isinstance(node.right, ast.Tuple) else [node.right])
        if isinstance(node.op, ast.Add) and _is_text(node.left) != _is_text(node.right):
            return _message([node.right if _is_text(node.left) else node.left])
        return node


def _last(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _joined(node: ast.expr) -> list[ast.expr]:
    """The parts of ``A | B``."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*_joined(node.left), *_joined(node.right)]
    return [node]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _message(values: list[ast.expr]) -> ast.expr:
    """A text made of values, however it is made."""
    return ast.Call(ast.Name("format", ast.Load()), values, [])


def _returned(before: ast.stmt | None, one: ast.stmt) -> ast.expr | None:
    """The value of ``x = value; return x``."""
    if not (isinstance(one, ast.Return) and isinstance(one.value, ast.Name)):
        return None
    target: ast.expr
    if isinstance(before, ast.AnnAssign):
        target = before.target
    elif isinstance(before, ast.Assign) and len(before.targets) == 1:
        target = before.targets[0]
    else:
        return None
    return before.value if isinstance(target, ast.Name) and target.id == one.value.id else None


_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)


class _Locals(ast.NodeTransformer):
    """Numbers the names that a function binds, in the order in which they first appear; parameters keep theirs."""

    def __init__(self, tree: ast.AST) -> None:
        nodes = list(ast.walk(tree))
        kept = {one.arg for one in nodes if isinstance(one, ast.arg)}
        kept |= {name for one in nodes if isinstance(one, ast.Global | ast.Nonlocal) for name in one.names}
        inside = any(isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) for one in nodes)
        bound = {one.id for one in nodes if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
        bound |= {one.name for one in nodes if isinstance(one, ast.ExceptHandler) and one.name}
        self._bound = bound - kept if inside else set()
        self._numbers: dict[str, str] = {}

    def _number(self, name: str) -> str:
        return self._numbers.setdefault(name, f"_{len(self._numbers)}") if name in self._bound else name

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self._number(node.id), node.ctx)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = self._number(node.name) if node.name else None
        return self.generic_visit(node)
