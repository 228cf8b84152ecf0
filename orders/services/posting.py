"""Files that leave in one step which nobody can look up afterwards, as mails do.

The step is committed before it is done. So a worker that dies earlier has sent nothing, and the file is sent by
the next one; if it dies later, or the answer never comes, the file waits for a person: it is never sent twice by
itself, and never lost. Levels of stock wait for nobody: the next run sends those of then.
"""

from django.db import connection, transaction

from alerts.raising import raise_alert
from integration_manager.kit.crash import crash_here
from integration_manager.kit.errors import ConnectorError, OutcomeUnknown
from orders import product_files, purchase_files
from orders.models import OutFile, Shipment
from orders.out_file import advance, orders_of
from orders.run import Run
from orders.states import note

Phase = OutFile.Phase
KIND = "file_unknown"  # of the alert
WORDS = "Whether {file} arrived is not known: {why}"
FIX = (
    "Ask the recipient, or look into the folder of sent mails; then say below whether it arrived."
    " It is sent again only if you say so, with the same identity."
)
REPEATABLE = ("inventory", *product_files.MODELS, "receipts")  # kinds of files of which another one does no harm


def key_of(file: OutFile) -> str:
    """The key of a file's alert; also the cause on its orders."""
    return f"file:{file.name}"


def post(run: Run, file: OutFile) -> bool:
    """Sends a file, unless that was begun before. False: it waits for a person. Raises what the connector does."""
    if file.phase != Phase.PLANNED:
        return _park(run, file, "a worker died while it was sent.")
    identity = f"{run.account.public_id}.{file.name}"
    try:
        crash_here("before_post")
        run.call(
            run.connector.post,
            file.kind,
            file.name,
            bytes(file.content),
            identity,
            file.created_at,
            lambda: _sending(file),
            subject=orders_of(file),
        )
    except OutcomeUnknown as error:
        return _park(run, file, str(error))
    except ConnectorError:
        if file.phase == Phase.POSTING:  # answered, and not by yes: it was certainly not taken
            advance(file, phase=Phase.PLANNED)
        raise
    crash_here("after_post")
    return True


def _sending(file: OutFile) -> None:
    crash_here("before_end")
    advance(file, phase=Phase.POSTING)
    crash_here("after_end")


def _park(run: Run, file: OutFile, why: str) -> bool:
    run.counts["unknown"] += 1
    if file.kind in REPEATABLE:
        message = WORDS.format(file=file.name, why=why)
        with transaction.atomic():
            advance(file, phase=Phase.DROPPED)
            if file.kind in product_files.MODELS:
                product_files.out_of(file, run.now, "outcome_unknown", message, unread=False)
            elif file.kind == "receipts":
                purchase_files.not_told(file, run.now, message)
        return False
    with transaction.atomic():
        advance(file, phase=Phase.PARKED)
        ask(run, file, why, FIX)
    return False


def ask(run: Run, file: OutFile, why: str, fix: str) -> None:
    """Has a person say whether a file arrived. What is in it says so, too. Call it in a transaction."""
    message = WORDS.format(file=file.name, why=why)
    _mark(file, message, run)
    raise_alert(
        KIND,
        key_of(file),
        message,
        fix=fix,
        merchant_id=run.merchant.pk,
        cart_id=run.cart.pk if run.cart else None,
        now=run.now,
    )


def _mark(file: OutFile, message: str, run: Run) -> None:
    """What is in the file says what it waits for."""
    if file.kind == "confirmations":
        Shipment.objects.filter(pk__in=file.records, out_file_id=file.pk).update(
            error_code="outcome_unknown", error_message=message
        )
        return
    if file.kind == "purchases":
        purchase_files.unknown(file, message, run.now)
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_order SET cause = %s, error_code = %s, error_message = %s "
            "WHERE account_id = %s AND out_file_id = %s AND status = 'sending' RETURNING id",
            [key_of(file), "file_unknown", message, file.account_id, file.pk],
        )
        note([row[0] for row in cursor.fetchall()], "unknown", message, now=run.now)
