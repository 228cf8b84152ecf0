"""What a person says of a file of which nobody knows whether it arrived, or that cannot be given its name."""

from datetime import datetime

from django.db import connection, transaction
from django.db.models import F, Q

from alerts.raising import resolve
from integration_manager.kit import clock
from merchants.models import Service
from merchants.schedules import wake
from orders import changes, purchase_files
from orders.actions import NotNow
from orders.models import Order, OutFile, Shipment, Status
from orders.out_file import FREE, ByHand
from orders.services import out_files
from orders.services.posting import KIND, key_of
from orders.states import note

Phase = OutFile.Phase
# That nobody knows it of, and what cannot be given its name, while no worker tries to.
WAITS = Q(phase=Phase.PARKED) | (Q(phase=Phase.UPLOADED, failures__gte=out_files.ASK) & FREE)


def waiting(key: str) -> OutFile | None:
    """The file that an alert is about, while it waits."""
    name = key.removeprefix("file:")
    found: OutFile | None = OutFile.objects.filter(WAITS, name=name).order_by("-id").first()
    return found


def arrived(file: OutFile, actor: str) -> None:
    """The recipient has it. Raises NotNow."""
    now = clock.now()
    with transaction.atomic():
        _decide(file, Phase.DONE, now)
        orders = list(Order.objects.filter(out_file_id=file.pk, status=Status.SENDING).values_list("pk", flat=True))
        note(orders, "it_arrived", f"A person says that {file.name} arrived.", now=now, actor=actor)
        out_files.finished(ByHand(now), file)
        changes.cancel_found(orders, now)


def did_not(file: OutFile, actor: str) -> None:
    """The recipient does not have it: it is sent again, as it was. Raises NotNow.

    Where one of its orders was canceled or changed since, the next run makes another one instead.
    """
    now = clock.now()
    with transaction.atomic():
        _decide(file, Phase.PLANNED, now)
        message = f"A person says that {file.name} did not arrive; it is sent again."
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE orders_order SET cause = '', error_code = '', error_message = '' "
                "WHERE account_id = %s AND out_file_id = %s AND status = 'sending' RETURNING id",
                [file.account_id, file.pk],
            )
            note([row[0] for row in cursor.fetchall()], "it_did_not", message, now=now, actor=actor)
        Shipment.objects.filter(out_file_id=file.pk).update(error_code="", error_message="")
        if file.kind == "purchases":
            purchase_files.again(file, message, now, actor)
        resolve(KIND, [key_of(file)], now)
    service = {"orders": Service.DELIVER, "purchases": Service.RECEIVING}.get(file.kind, Service.UPLOAD_SHIPMENTS)
    wake(service, now, merchant_id=file.merchant_id, cart_ids=[file.cart_id] if file.cart_id else None, timed=True)


def _decide(file: OutFile, phase: str, now: datetime) -> None:
    """Of two people who decide at once, one does; and neither while a worker has it."""
    decided = OutFile.objects.filter(WAITS, pk=file.pk).update(
        phase=phase,
        token=F("token") + 1,
        lease_until=None,
        failures=0,
        done_at=now if phase == Phase.DONE else None,
    )
    if not decided:
        raise NotNow("Somebody has just decided about this file, or it is being tried right now.")
    file.refresh_from_db()
