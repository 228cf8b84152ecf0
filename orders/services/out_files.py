"""Files on their way out, each once: planned → uploaded under a temporary name → renamed.

Name, records and content are fixed before the first byte leaves, and every phase is committed. The
temporary name carries the token: a worker that was taken for dead renames nothing of its successor.
"""

import logging
import time
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from alerts.raising import raise_alert, resolve
from integration_manager.kit.crash import crash_here
from integration_manager.kit.errors import AuthFailed, ConnectionFailed, ConnectorError
from orders.models import Order, OutFile, Status
from orders.out_file import FREE, LEASE, ByHand, Lost, advance, failing_key, orders_of, rows_in
from orders.purchase_rows import Row as PurchaseRow
from orders.run import Run
from orders.services import posting
from orders.services.failed_parcels import SOON
from orders.services.file_records import DONE, DROPPED
from orders.states import move

log = logging.getLogger(__name__)
HALVES = 20  # that one run clears away
ASK = 60  # tries to give a file its name, one a minute, after which a person may say what has become of it
STUCK = (
    "Mend the folder and its rights: it is tried every minute, and this ends by itself. Or say below that it arrived: "
    "from then on it is not tried any more, and the recipient can have it in another way. Do not delete it before: "
    "what is gone counts as taken."
)
Phase = OutFile.Phase
OPEN = [Phase.PLANNED, Phase.UPLOADED, Phase.POSTING]


def recover(run: Run, kind: str) -> list[Any]:
    """Goes on with files whose worker died, and clears away halves that were given up.

    Returns the records of those that it took up, whatever comes after: who cannot be reached any more ends the run.
    """
    taken: list[Any] = []
    files = OutFile.objects.filter(merchant=run.merchant, cart=run.cart, kind=kind)
    _let_go(run, files)
    for pk in files.filter(phase__in=OPEN).order_by("id").values_list("id", flat=True):
        if not run.keep_alive() or run.stopping.is_set():
            return taken
        with connection.cursor() as cursor:
            cursor.execute(
                """UPDATE orders_outfile SET token = token + 1, lease_until = now() + make_interval(secs => %s)
                   WHERE id = %s AND phase = ANY(%s) AND (lease_until IS NULL OR lease_until < now()) RETURNING id""",
                [LEASE, pk, OPEN],
            )
            mine = cursor.fetchone()
        if mine:
            file = OutFile.objects.get(pk=pk)
            taken += file.records
            if not _taken_back(run, file):
                carry(run, file)
    halves = files.filter(phase=Phase.DROPPED).exclude(temporary="").only("account", "kind", "temporary")
    for file in halves.order_by("id")[:HALVES]:
        if not run.keep_alive() or run.stopping.is_set():
            break
        try:
            run.call(run.connector.remove, file.kind, file.temporary)
        except ConnectionFailed as error:
            run.unreachable(error)
        except AuthFailed as error:
            run.refused(error)
        except ConnectorError as error:  # nobody reads it: what waits need not wait for that
            log.info("half a file could not be removed: %s", error)
        else:
            files.filter(pk=file.pk).update(temporary="")
    return taken


def _taken_back(run: Run, file: OutFile) -> bool:
    """Whether a file that has certainly not arrived is dropped, since one of its orders is wanted otherwise by now."""
    if file.kind != "orders" or file.phase != Phase.PLANNED:
        return False
    otherwise = Q(cancel_requested_at__isnull=False) | Q(source_changed=True)
    if not Order.objects.filter(otherwise, out_file_id=file.pk, status=Status.SENDING).exists():
        return False
    message = f"{file.name} is not sent: an order in it was canceled or changed. What is to be sent goes in another."
    with transaction.atomic():
        advance(file, phase=Phase.DROPPED)
        rows = rows_in("orders_order", file)
        move(rows, Status.SENDING, Status.READY, "released", now=run.now, message=message, starts=0, out_file_id=None)
    return True


def _let_go(run: Run, files: QuerySet[OutFile]) -> None:
    """Files that waited for a person or for their name, until the WMS showed of all their orders that it has them."""
    left = Order.objects.filter(out_file_id=OuterRef("pk"))
    shown = files.filter(kind="orders").exclude(Exists(left))
    shown.filter(phase=Phase.PARKED).update(phase=Phase.DONE)
    if shown.filter(FREE, phase=Phase.UPLOADED).update(phase=Phase.DROPPED):  # it is not to be read a second time
        resolve("file_failing", [f"orders:{run.merchant.pk}"], run.now)
    due = PurchaseRow.objects.filter(out_file_id=OuterRef("pk"))
    files.filter(phase=Phase.PARKED, kind="purchases").exclude(Exists(due)).update(phase=Phase.DONE)


def carry(run: Run, file: OutFile) -> None:
    """Takes a file through its phases, from whichever it is in."""
    try:
        # One whose last step was begun stays with that, also if the files have another place meanwhile.
        posts = run.connector.posts or file.phase == Phase.POSTING
        if posts and not posting.post(run, file):
            return
        if not posts:
            _lay(run, file)
        with transaction.atomic():
            advance(file, phase=Phase.DONE, done_at=run.now)
            finished(run, file)
        run.counts["files"] += 1
        run.state["failing"] = False
    except ConnectorError as error:
        _failed(run, file, error)


def finished(run: Run | ByHand, file: OutFile) -> None:
    """The file is where it was to go: so are its records. Nobody has to be asked."""
    DONE[file.kind](run, file)
    resolve("file_failing", [failing_key(file)], run.now)
    resolve(posting.KIND, [posting.key_of(file)], run.now)


def _lay(run: Run, file: OutFile) -> None:
    """Puts a file into its directory: whole under a temporary name, then under its own."""
    began = time.monotonic()
    connector = run.connector
    about = () if file.failures else orders_of(file)  # a step that fails every minute is told of each order once
    if file.phase == Phase.PLANNED:
        half, temporary = file.temporary, f".{file.name}.{file.token}.tmp"
        advance(file, temporary=temporary)
        if half and half != temporary:
            run.call(connector.remove, file.kind, half)  # perhaps half a file, of a worker that died
        run.call(connector.put, file.kind, temporary, bytes(file.content), subject=about)
        crash_here("after_put")
        advance(file, phase=Phase.UPLOADED)
        crash_here("after_uploaded")
    if time.monotonic() - began > LEASE / 2:
        raise Lost
    # Uploaded and gone means renamed, and perhaps already taken by its reader.
    if run.call(connector.has, file.kind, file.temporary, subject=about):
        run.call(connector.rename, file.kind, file.temporary, file.name, subject=about)
    crash_here("after_rename")


def _failed(run: Run, file: OutFile, error: ConnectorError) -> None:
    """A planned file is dropped and its records wait for another; an uploaded one stays and is renamed later.

    Where that fails for long, a person is asked: what is in it can go in no other file before somebody knows. What
    may be told twice is not kept for that.
    """
    now = run.now
    if isinstance(error, AuthFailed):
        run.refused(error)
    elif isinstance(error, ConnectionFailed):
        run.unreachable(error)
    else:
        run.stopping.set()
    charged = not isinstance(error, ConnectionFailed | AuthFailed)
    run.counts["failed"] += 1
    if charged:
        raise_alert(
            "file_failing",
            failing_key(file),
            f"The file {file.name} could not be written: {error}",
            fix="Check the folder and its rights. It is tried again by itself.",
            said=error.said,
            merchant_id=run.merchant.pk,
            cart_id=run.cart.pk if run.cart else None,
            now=now,
        )
    with transaction.atomic():
        if file.phase == Phase.PLANNED or (charged and file.kind in posting.REPEATABLE):
            advance(file, phase=Phase.DROPPED)
            DROPPED[file.kind](run, file, error, charged)
        else:
            advance(file, failures=file.failures + 1)
            OutFile.objects.filter(pk=file.pk).update(lease_until=None)
            run.due_at(now + SOON)
            if file.failures == ASK and file.kind not in posting.REPEATABLE:
                why = f"it lies there as {file.temporary} and cannot be given its own name: {error}"
                posting.ask(run, file, why, STUCK)
