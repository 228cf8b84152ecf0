"""Inventory Upload: tells a cart what may be sold. Only what has changed; everything once a day."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db.models import Q

from alerts.raising import raise_alert, resolve
from carts.models import CartStock
from integration_manager.kit.canonical import Stock, StockResult
from integration_manager.kit.connector import CartConnector
from integration_manager.kit.errors import AuthFailed, ConnectionFailed, ConnectorError, RateLimited
from merchants.models import Schedule, Service
from orders import managed
from orders.run import LostLease, Run
from orders.services import file_batches
from orders.services.download import download
from orders.services.list_products import list_products
from orders.services.stock_told import record
from orders.services.waiting_lines import bring_up
from orders.stock import Available, offered, stock_rules

log = logging.getLogger(__name__)

FULL = timedelta(hours=24)
SINCE = "full_since"  # in the schedule's state: when a full upload began that took more than one run
AHEAD_FAILED = "ahead_failed"
FRESH = timedelta(minutes=2)  # the cart's own orders must not be older when its stock is counted
AHEAD = 15.0  # seconds for reading them, apart from the upload's own
BATCH = 100
TRIES, DAYS = 100, timedelta(days=30)  # whichever comes first; at most one an hour counts
_NEVER = datetime.min.replace(tzinfo=UTC)


def upload_inventory(run: Run) -> None:
    """Sends the levels that the cart does not have yet."""
    connector, cart = run.connector, run.cart
    assert isinstance(connector, CartConnector) and cart is not None
    _download_first(run)
    if not bring_up(run):
        return
    managed.settle(run.merchant, run.now)
    last = run.schedule.reached_back_at
    full = None
    if SINCE in run.state:
        full = datetime.fromisoformat(run.state[SINCE])
    elif last is None or run.now - last >= FULL:
        full = run.now
        run.state[SINCE] = full.isoformat()
    by_files = "inventory" in connector.renders
    if by_files:
        file_batches.tell_stock_left(run)  # first: what it says is not told again
    rules = stock_rules(cart)
    offers = list(offered(run.merchant, rules, run.now))
    told = {row.sku: row for row in CartStock.objects.filter(cart=cart)}
    for code in list_products(run, offers):
        if code in told and told[code].skipped:
            del told[code]  # it did not have it, and now it has
    refused = {sku for sku, row in told.items() if row.error}
    levels = [Available(offer.code, offer.quantity, offer.at or run.now) for offer in offers if offer.told]
    wanted = [level for level in levels if _due(told.get(level.sku), level, full, run.now)]
    # What was told the longest time ago comes first, so that what one run leaves is not left for ever.
    wanted.sort(key=lambda level: ((row := told.get(level.sku)) is not None and row.sent_at) or _NEVER)
    failing = refused
    if by_files:
        file_batches.tell_stock(run, wanted)
    else:
        for start in range(0, len(wanted), BATCH):
            if not run.keep_alive() or run.stopping.is_set():
                break
            batch = wanted[start : start + BATCH]
            stock = [Stock(sku=level.sku, available=level.quantity, at=level.at) for level in batch]
            results = run.call(connector.stock, stock)
            failing = (failing - {level.sku for level in batch}) | record(run, batch, results)
            _tell_refused(run, [result for result in results if result.error], len(failing))
    if full and not run.unfinished and not run.stopping.is_set():
        run.fields["reached_back_at"] = full
        del run.state[SINCE]
    if refused:
        # What it is told of no more, it need not take: an Item Filter cures that.
        CartStock.objects.filter(cart=cart, sku__in=refused - {level.sku for level in levels}).delete()
        if not CartStock.objects.filter(cart=cart, sku__in=refused | failing).exclude(error="").exists():
            resolve("stock_refused", [f"cart:{cart.pk}"], run.now)


def _download_first(run: Run) -> None:
    """What this cart has sold is subtracted before it is told what is left."""
    assert run.cart is not None
    schedule = Schedule.objects.filter(cart=run.cart, service=Service.DOWNLOAD, every__gt=0).first()
    if schedule is None or schedule.paused or not run.connector.overrides("orders"):
        return
    if schedule.finished_at is not None and run.now - schedule.finished_at <= FRESH:
        return
    cart = run.cart
    try:
        # Read with the download's own cursor, which its own runs move on: storing twice is harmless.
        with run.on_behalf_of(schedule, AHEAD):
            download(run, save_cursor=False)
    except (LostLease, AuthFailed, ConnectionFailed, RateLimited):
        raise  # that is about the upload too
    except Exception as error:
        # Stock that is told no more is worse than stock that lacks the latest orders; but it has to be known.
        log.exception("reading ahead for schedule %s failed", run.leased)
        said = error if isinstance(error, ConnectorError) else "we made a mistake; it has been reported."
        raise_alert(
            "stock_without_orders",
            f"cart:{cart.pk}",
            f"The latest orders of {cart.name} are not subtracted from the stock it is told: {said}",
            fix="See why its orders cannot be read. It is tried again at every run.",
            merchant_id=run.merchant.pk,
            cart_id=cart.pk,
            now=run.now,
        )
        run.state[AHEAD_FAILED] = True
    else:
        if run.state.pop(AHEAD_FAILED, False):
            resolve("stock_without_orders", [f"cart:{cart.pk}"], run.now)


def _due(told: CartStock | None, level: Available, full: datetime | None, now: datetime) -> bool:
    """Whether the cart is to be told: what it was not told yet, or everything since `full`."""
    if told is None:
        return True
    if full and (told.sent_at is None or told.sent_at < full):
        return True
    long = told.first_failed_at is not None and now - told.first_failed_at >= DAYS
    given_up = bool(told.error) and (told.failures >= TRIES or long)  # until the daily full upload, or `once_more`
    return told.quantity != level.quantity and not given_up


def once_more(schedule: Schedule, now: datetime) -> int:
    """Lets the next run try once more what was given up, because a person wants it. Gives how many products."""
    left = CartStock.objects.filter(cart=schedule.cart_id).exclude(error="")
    given_up = left.filter(Q(failures__gte=TRIES) | Q(first_failed_at__lte=now - DAYS))
    number: int = given_up.update(failures=TRIES - 1, failed_at=None, first_failed_at=now)
    return number


def _tell_refused(run: Run, refused: Sequence[StockResult], total: int) -> None:
    """Tells people what the cart would not take. `total`: of how many of its products it does not, in all."""
    if not refused:
        return
    assert run.cart is not None
    run.counts["refused"] += len(refused)
    total = total or len(refused)  # it may name what it was not told of
    raise_alert(
        "stock_refused",
        f"cart:{run.cart.pk}",
        f"{run.cart.name} did not take the stock of {total:,} product{'' if total == 1 else 's'}, "
        f"first {refused[0].sku}: {refused[0].error}",
        fix="Check these products in the shop. It is tried again at every run; after 100 tries once a day, and "
        "by Run now on the cart's page.",
        merchant_id=run.merchant.pk,
        cart_id=run.cart.pk,
        total=total,
        now=run.now,
    )
