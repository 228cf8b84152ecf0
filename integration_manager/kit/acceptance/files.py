"""Systems that exchange files: examples of both directions, nothing taken before it is stored.

Fixtures besides `values.json` (what a person types): files that come in, `x.<kind>.csv` with what
is read from them, `x.<kind>.json`; files that go out, `x.<kind>.csv` from `x.prepared.json` (orders),
`x.shipped.json` (confirmations), `x.levels.json` (inventory), `x.goods.json` (products), `x.offered.json` (new
products for a cart), `x.bought.json` (purchase orders) or `x.received.json` (receipts). `x.values.json` adds to the
values.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from integration_manager.kit.acceptance.bench import START, Bench, Check
from integration_manager.kit.canonical import (
    Prepared,
    Product,
    PurchaseOrder,
    Receipt,
    Shipment,
    Stock,
    from_json,
    to_json,
)
from integration_manager.kit.errors import Unmappable
from integration_manager.kit.folder import open_folder

SOURCES = {"orders": "prepared", "confirmations": "shipped", "inventory": "levels", "products": "goods"}
SOURCES |= {"catalog": "offered", "purchases": "bought", "receipts": "received"}
STAMP = "20260301-080000-7"


def checks(bench: Bench) -> list[Check]:
    """The checks of this file."""
    if bench.system.uses != "folder":
        return []
    found: list[Check] = [("folder: check makes what is missing", lambda: prepares(bench))]
    if examples(bench, coming=True):
        found += [
            ("files in: golden", lambda: golden_in(bench)),
            ("files in: taken once stored", lambda: taken_once_stored(bench)),
        ]
    if bench.system.renders:
        found += [
            ("files out: golden", lambda: golden_out(bench)),
            ("files out: phases", lambda: phases(bench)),
        ]
    return found


def readers(bench: Bench) -> dict[str, str]:
    """The kinds of file that come in, and the methods that read them."""
    if bench.is_cart:
        known = {"orders": "orders", "products": "products", "purchases": "purchase_orders"}
    else:
        known = {"confirmations": "shipments", "inventory": "stock", "catalog": "products", "receipts": "receipts"}
    return {kind: method for kind, method in known.items() if bench.has(method)}


def examples(bench: Bench, *, coming: bool) -> list[tuple[str, str, Path]]:
    """(name, kind, file) of the example files in one direction."""
    kinds = readers(bench) if coming else dict.fromkeys(bench.system.renders)
    found = [(path.name.split("."), path) for path in sorted(bench.folder.glob("*.*.*"))]
    return [(p[0], p[1], path) for p, path in found if p[1] in kinds and p[-1] != "json"]


def values_of(bench: Bench, name: str = "") -> dict[str, Any]:
    """What a person types, for one example."""
    values: dict[str, Any] = {}
    for path in (bench.folder / "values.json", bench.folder / f"{name}.values.json"):
        if path.exists():
            values |= json.loads(path.read_text("utf-8"))
    return values


@contextlib.contextmanager
def connected(bench: Bench, name: str = "") -> Iterator[tuple[Any, Path]]:
    """A connector on an empty folder of this machine's disk, and that folder."""
    with tempfile.TemporaryDirectory() as root:
        values = values_of(bench, name)
        folder = open_folder(values, local_root=root)
        connector = bench.system(values, folder=folder)
        connector.check()
        yield connector, Path(root)


def lay(connector: Any, kind: str, name: str, data: bytes, root: Path) -> Path:
    """Puts a file where the other side would, as old as it has to be."""
    path = root / str(connector.directory_of(kind)) / name
    path.write_bytes(data)
    os.utime(path, (START.timestamp(), START.timestamp()))
    return path


def read(bench: Bench, connector: Any, kind: str, *, store: bool) -> tuple[list[Any], list[Any]]:
    """Everything that lies there: (rows, rejects). `store`: tells the connector that it is stored."""
    method = getattr(connector, readers(bench)[kind])
    rows: list[Any] = []
    rejects: list[Any] = []
    for page in method(START):
        rows += page.rows
        rejects += page.rejects
        if store and page.done is not None:
            page.done()
    return rows, rejects


def raws(bench: Bench) -> list[tuple[Path, Any]]:
    """The raw orders in a cart's example files, for the checks of the mapping."""
    found = []
    for name, kind, path in examples(bench, coming=True):
        if kind != "orders":
            continue
        with connected(bench, name) as (connector, root):
            lay(connector, kind, path.name, path.read_bytes(), root)
            found += [(path, row) for row in read(bench, connector, kind, store=False)[0]]
    return found


def prepares(bench: Bench) -> None:
    """check() makes the directories, leaves no file behind, and may be repeated."""
    with connected(bench) as (connector, root):
        connector.check()
        left = [path.name for path in root.rglob("*") if path.is_file()]
        assert not left, f"check() leaves {left} behind"
        for kind in connector.places:
            assert (root / connector.directory_of(kind)).is_dir(), f"no directory for {kind}"


def _canonical(bench: Bench, row: Any, options: dict[str, Any]) -> Any:
    if not bench.is_cart or isinstance(row, Product | PurchaseOrder):
        return to_json(row)
    try:
        return to_json(bench.mapper("to_order")(row, options))
    except Unmappable as error:
        return {"unmappable": error.field}


def golden_in(bench: Bench) -> None:
    """Each example file that comes in gives the rows and the refusals that stand beside it."""
    for name, kind, path in examples(bench, coming=True):
        with connected(bench, name) as (connector, root):
            lay(connector, kind, path.name, path.read_bytes(), root)
            rows, rejects = read(bench, connector, kind, store=True)
            got = {
                "rows": [_canonical(bench, row, connector.options()) for row in rows],
                "rejects": [[reject.line, reject.reason] for reject in rejects],
            }
        _same(path.with_suffix(".json"), json.dumps(got, ensure_ascii=False, indent=2) + "\n")


def taken_once_stored(bench: Bench) -> None:
    """A file stays until it is stored (a crash loses nothing), then goes (nothing comes twice)."""
    for name, kind, path in examples(bench, coming=True):
        with connected(bench, name) as (connector, root):
            lying = lay(connector, kind, path.name, path.read_bytes(), root)
            first = read(bench, connector, kind, store=False)
            assert lying.exists(), f"{path.name} is taken away before it is stored"
            again = read(bench, connector, kind, store=True)
            assert first == again, f"{path.name} read again gives something else"
            assert not lying.exists(), f"{path.name} is stored and still lies there"
            assert read(bench, connector, kind, store=True) == ([], []), f"{path.name} comes twice"


def rendered(bench: Bench, name: str, kind: str, stamp: str) -> tuple[str, bytes]:
    """The file made of one example."""
    source = bench.folder / f"{name}.{SOURCES[kind]}.json"
    said = json.loads(source.read_text("utf-8"))
    items: list[Any]
    if kind == "orders":
        items = [from_json(Prepared, said)]
    elif kind in ("products", "catalog"):
        items = [from_json(Product, one) for one in said]
    elif kind == "purchases":
        items = [(from_json(PurchaseOrder, one["order"]), one["ref"]) for one in said]
    elif kind == "receipts":
        items = [(one["number"], from_json(Receipt, one["receipt"])) for one in said]
    elif kind == "confirmations":
        items = [(one["order"], from_json(Shipment, one["shipment"])) for one in said]
    else:
        items = [from_json(Stock, one) for one in said]
    options = bench.system(values_of(bench, name)).options()
    return bench.system.render(kind, items, stamp, options)


def _outgoing(bench: Bench) -> list[tuple[str, str]]:
    return [
        (path.name.split(".")[0], kind)
        for kind in bench.system.renders
        for path in sorted(bench.folder.glob(f"*.{SOURCES[kind]}.json"))
    ]


def golden_out(bench: Bench) -> None:
    """Each example gives the file beside it; the stamp makes its name unique."""
    missing = set(bench.system.renders) - {kind for _, kind in _outgoing(bench)}
    assert not missing, f"no example of {sorted(missing)}"
    for name, kind in _outgoing(bench):
        title, data = rendered(bench, name, kind, STAMP)
        assert (title, data) == rendered(bench, name, kind, STAMP), f"{name}: rendered twice, differs"
        other, _ = rendered(bench, name, kind, STAMP + "1")
        assert other != title, f"{name}: the name {title} does not depend on the stamp"
        assert "/" not in title and not title.startswith("."), f"{title!r} is no name of a file"
        suffix = title.rpartition(".")[2]
        _same(bench.folder / f"{name}.{kind}.{suffix}", data.decode("utf-8-sig"))


def phases(bench: Bench) -> None:
    """What the engine does after a crash in each phase: upload again, rename again, delete again."""
    with connected(bench) as (connector, root):
        for kind in bench.system.renders:
            directory = root / connector.directory_of(kind)
            connector.put(kind, "a.tmp", b"half")
            connector.put(kind, "a.tmp", b"the whole file")
            assert connector.listing(kind) == ["a.tmp"], f"{connector.listing(kind)}"
            connector.rename(kind, "a.tmp", "a.csv")
            connector.rename(kind, "a.tmp", "a.csv")  # done before: the answer was lost
            assert (directory / "a.csv").read_bytes() == b"the whole file"
            connector.put(kind, "b.tmp", b"never finished")
            connector.remove(kind, "b.tmp")
            connector.remove(kind, "b.tmp")
            assert [path.name for path in directory.iterdir()] == ["a.csv"], "something was left"


def _same(path: Path, text: str) -> None:
    text = text.replace("\r\n", "\n")
    if not path.exists():
        if os.environ.get("IM_GOLDEN") == "write":
            path.write_text(text, "utf-8")
        raise AssertionError(f"{path.name} is missing. If this is right, it is:\n{text}")
    wanted = path.read_text("utf-8").replace("\r\n", "\n")
    if text != wanted:
        pairs = zip(text.splitlines(), [*wanted.splitlines(), *[""] * len(text)], strict=False)
        line = next(((a, b) for a, b in pairs if a != b), ("(shorter)", ""))
        raise AssertionError(f"{path.name} says {line[1]!r}, and it is {line[0]!r}")
