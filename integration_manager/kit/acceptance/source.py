"""What can be told by reading a connector: its fields, its declarations, its code."""

import ast
import inspect
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from datetime import timedelta

from integration_manager.kit.acceptance.bench import Bench, Check
from integration_manager.kit.connector import Dedupe
from integration_manager.kit.oauth import ACCESS
from integration_manager.kit.redact import is_secret
from integration_manager.kit.registry import capabilities

MOST_LINES = 350
WRITES = {
    True: (
        "ship", "correct", "stock", "cancel", "refund", "create_product", "tell_received", "subscribe", "unsubscribe",
    ),
    False: (
        "send", "cancel", "create_product", "update_product",
        "send_purchase_order", "change_purchase_order", "cancel_purchase_order",
    ),
}  # fmt: skip
OURS = ("accounts", "alerts", "benchmarks", "billing", "carts", "merchants", "orders", "tests", "wms")
FORBIDDEN_MODULES = ("django", "logging", *OURS)
FORBIDDEN_CALLS = ("print", "sleep", "breakpoint", "input")
BROAD = ("Exception", "BaseException", "ConnectorError")
# What a LOOKUP of that method needs.
LOOKS = {
    "ship": "find_shipments",
    "send": "find",
    "refund": "find_refund",
    "create_product": "find_product",
    "send_purchase_order": "find_purchase_order",
}


def checks(bench: Bench) -> list[Check]:
    """The checks of this file."""
    return [
        ("spec", lambda: spec(bench)),
        ("declares how it dedupes", lambda: declares(bench)),
        ("code: size", lambda: size(bench)),
        ("code: imports", lambda: imports(bench)),
        ("code: manners", lambda: manners(bench)),
    ]


def spec(bench: Bench) -> None:
    """Key, label, numbers and fields are what form, API and engine need."""
    system = bench.system
    assert isinstance(system.key, str) and re.fullmatch(r"[a-z][a-z0-9_]*", system.key), (
        f"key {system.key!r}: lower case letters, digits and _ (and no Field may be called key)"
    )
    assert isinstance(system.label, str) and system.label.strip(), "the label is missing"
    assert system.__doc__ and system.__doc__ != system.__base__.__doc__, "the class has no docstring"
    assert system.category in ("standard", "premium", "edi"), f"category {system.category!r}"
    assert system.rate.per_second > 0 and system.rate.burst >= 1, f"rate {system.rate}"
    assert 0 < system.timeout <= 120, f"timeout {system.timeout}: seconds, at most 120"
    assert timedelta(0) <= system.overlap <= timedelta(days=2), f"overlap {system.overlap}"
    assert timedelta(0) <= system.settle <= timedelta(hours=1), f"settle {system.settle}"
    assert capabilities(system), "it can do nothing: no method of the contract is implemented"
    assert bench.has("check"), "check() is missing"
    needed = ("key_of", "to_order") if bench.is_cart else ("payload",)
    for name in needed if bench.has("orders") or bench.has("send") else ():
        assert callable(bench.mapper(name)), f"{name}() is missing in the module"
    for name, field in system.fields.items():
        assert field.label.strip(), f"field {name}: no label"
        assert not (field.secret and field.option), f"field {name}: a secret is no option"
        assert not (field.secret and field.default), f"field {name}: a secret has no default"
        assert field.secret or not is_secret(name), f"field {name}: is a secret, say secret=True"
        if field.kind == "choice":
            keys = [key for key, _ in field.choices]
            assert keys, f"field {name}: no choices"
            assert field.default in (None, *keys), f"field {name}: the default is no choice"
        if field.when:
            other = system.fields.get(field.when[0])
            assert other is not None and other.kind == "choice", f"field {name}: when names no choice"
            assert other.level == field.level, f"field {name}: when names a field of another form"
            unknown = set(field.when[1]) - {key for key, _ in other.choices}
            assert field.when[1] and not unknown, f"field {name}: when names {unknown or 'no value'}"
            assert system.applies(name, {}) in (True, False), f"field {name}: it hangs on itself"
    assert ACCESS not in system.fields, f"field {ACCESS}: this name is the product's own, for tokens"
    if bench.is_cart:
        merchants = [name for name, field in system.fields.items() if field.level == "merchant"]
        assert not merchants, f"fields {merchants}: a cart is one merchant's already"


def declares(bench: Bench) -> None:
    """Every method that writes is marked with `@writes(Dedupe.…)`, and can keep what that says."""
    for name in WRITES[bench.is_cart]:
        if not bench.has(name):
            continue
        dedupe = getattr(getattr(bench.system, name), "dedupe", None)
        assert isinstance(dedupe, Dedupe), f"{name}() does not declare how it dedupes: @writes(…)"
        look = LOOKS.get(name, "")
        if dedupe is Dedupe.LOOKUP:
            assert look, f"{name}() cannot be LOOKUP: the engine has nothing to look it up by"
            assert bench.has(look), f"{name}() says LOOKUP, and {look}() is missing"


def size(bench: Bench) -> None:
    """A connector is one file of at most 350 lines of code."""
    lines = code_lines(_text(bench))
    assert lines <= MOST_LINES, f"{lines} lines of code; {MOST_LINES} at most"


def code_lines(text: str) -> int:
    """Lines with code on them: no blank lines, comments and docstrings."""
    docs: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        inside = node.value if isinstance(node, ast.Expr) else None
        if isinstance(inside, ast.Constant) and isinstance(inside.value, str):
            docs |= set(range(inside.lineno, (inside.end_lineno or inside.lineno) + 1))
    quiet = (
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
        tokenize.ENCODING, tokenize.ENDMARKER,
    )  # fmt: skip
    busy: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in quiet:
            busy |= set(range(token.start[0], token.end[0] + 1))
    return len(busy - docs)


def imports(bench: Bench) -> None:
    """A connector imports the kit and libraries, and nothing of the application."""
    for name, line in _imported(ast.parse(_text(bench))):
        top = name.partition(".")[0]
        if name.startswith("."):
            raise AssertionError(f"line {line}: imports {name}, a neighbour")
        if top == "integration_manager":
            inside = name.startswith("integration_manager.kit.")
            assert inside, f"line {line}: imports {name}; of ours a connector sees the kit only"
        assert top not in FORBIDDEN_MODULES, f"line {line}: imports {name}"


def _imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                yield f"{module}.{alias.name}", node.lineno


def manners(bench: Bench) -> None:
    """A connector does not sleep, print, or catch more than it knows."""
    for node in ast.walk(ast.parse(_text(bench))):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            assert name not in FORBIDDEN_CALLS, f"line {node.lineno}: calls {name}()"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: a bare except"
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            for one in caught:
                name = one.attr if isinstance(one, ast.Attribute) else getattr(one, "id", "")
                assert name not in BROAD, f"line {node.lineno}: catches {name}, which is too much"


def _text(bench: Bench) -> str:
    return inspect.getsource(sys.modules[bench.system.__module__])
