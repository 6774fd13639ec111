"""The house rules: small modules, few parameters, one meaning for each name, no import cycles."""

import ast
import io
import tokenize
from collections import defaultdict
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "workbench"

MOST_CODE_LINES = 28_230
MOST_PARAMETERS = 7
LONGEST_MODULE = 300
REASON = "Longer than 300 lines because"
"""What the docstring of a longer module says."""

NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
}  # fmt: skip


@cache
def modules() -> dict[str, tuple[str, ast.Module]]:
    """Dotted name → source and syntax tree of every module."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        source = path.read_text(encoding="utf-8")
        found[".".join(parts).removesuffix(".__init__")] = source, ast.parse(source)
    return found


def code_lines(source: str, tree: ast.Module) -> int:
    """Lines that hold code: no blank lines, comments or docstrings."""
    docstrings: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docstrings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            code.update(range(token.start[0], token.end[0] + 1))
    return len(code - docstrings)


def test_the_product_stays_small() -> None:
    total = sum(code_lines(source, tree) for source, tree in modules().values())
    assert total <= MOST_CODE_LINES, f"{total} lines of code"


def test_functions_take_at_most_seven_parameters() -> None:
    many = []
    for name, (_, tree) in modules().items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef):
                continue
            given = node.args
            names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
            command = any(
                ".command(" in ast.unparse(item) or "click." in ast.unparse(item) for item in node.decorator_list
            )
            if len([n for n in names if n not in ("self", "cls")]) > MOST_PARAMETERS and not command:
                many.append(f"{name}.{node.name}")
    assert many == []


def test_a_long_module_says_why() -> None:
    long = [
        name
        for name, (source, tree) in modules().items()
        if len(source.splitlines()) > LONGEST_MODULE and REASON not in (ast.get_docstring(tree) or "")
    ]
    assert long == []


def defined(tree: ast.Module) -> set[str]:
    """Classes and aliases that a module defines at its top."""
    names = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp | ast.Call):
            targets = [target.id for target in node.targets if isinstance(target, ast.Name)]
            names.update(name for name in targets if name[0].isupper() and not name.isupper())
    return names


def test_no_class_or_alias_is_defined_twice() -> None:
    where = defaultdict(list)
    for module, (_, tree) in modules().items():
        for name in defined(tree):
            where[name].append(module)
    assert {name: places for name, places in where.items() if len(places) > 1} == {}


def imports(name: str, tree: ast.Module) -> set[str]:
    """Modules of ours that a module imports when it is loaded."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update((inner & modules().keys()) or {node.module})
    return {item for item in found if item in modules() and item != name}


def test_no_module_imports_itself_through_others() -> None:
    graph = {name: imports(name, tree) for name, (_, tree) in modules().items()}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " imports ".join((*path[path.index(name) :], name))
        if name not in done:
            for item in sorted(graph[name]):
                visit(item, (*path, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())
