"""What the style guide shows: samples for the very parts that the pages are made of, so that it cannot drift.

Nothing is stored: the rows are made here and thrown away.
"""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.core.mail import EmailMultiAlternatives
from django.core.paginator import Paginator

from accounts import mail
from accounts.models import Account, AuditEntry, Mail, User
from alerts import kinds
from alerts.contacts import Contact
from alerts.forms import EmailsForm, PreferenceForm
from alerts.models import Alert
from integration_manager import runs, service_rows
from integration_manager.checklist import Step
from integration_manager.embedded import CLONE
from integration_manager.kit import clock
from integration_manager.systems import offered
from integration_manager.today import moved
from integration_manager.trying import Answer
from merchants.models import Schedule, Service
from orders import pulls
from orders.models import Event, Exchange, Run
from orders.search import Page
from orders.state_words import FACES
from orders.whereabouts import AtWms

ACCOUNT = Account(name="Northquay", public_id="northquay", timezone="Europe/London")
# What a mail says; how something was done to a sign-in is said in those of SIGN_IN only.
SAID = {
    "account": "Northquay Fulfilment", "by": "Priya Raman", "merchant": "Alder & Finch", "system": "WooCommerce",
    "name": "Alder & Finch shop", "place": "Admin user", "from_email": "old@northquay.example",
    "to_email": "new@northquay.example", "url": "https://im.northquay.example/some/path/mfW2zJ8Yw0uQF2mH4kq7Z1bA9/",
}  # fmt: skip
DONE = {"when": "22 November 2026, 09:41 GMT", "device": "Firefox on Linux", "ip": "203.0.113.7"}


class _Fields(forms.Form):
    """One field of each kind."""

    source = forms.CharField(label="Order Source", help_text="Sent to the WMS with every order. Example: SHOP-US.")
    tags = forms.CharField(label="Only load orders tagged", required=False, help_text="Separate tags by commas.")
    key = forms.CharField(
        label="API password",
        help_text="Never shown again. Leave empty to keep it.",
        widget=forms.PasswordInput(attrs={"placeholder": "Stored. Type to replace it"}),
    )
    reference = forms.CharField(label="Reference", disabled=True, help_text="Cannot be changed after loading.")
    method = forms.ChoiceField(label="Ship method", choices=[("", "Choose one"), ("UPSG", "UPS Ground")])
    note = forms.CharField(label="Note", required=False, widget=forms.Textarea(attrs={"rows": 2}))
    kind = forms.ChoiceField(
        label="Business Type",
        choices=[("3pl", "Fulfillment Center"), ("merchant", "Merchant")],
        widget=forms.RadioSelect,
        initial="3pl",
    )
    pos = forms.BooleanField(label="Leave out point-of-sale orders", required=False, initial=True)


def samples() -> dict[str, Any]:
    """The context of templates/styleguide.html."""
    found, stored = _runs(), {"source": "SHOP-US", "reference": "AF10482"}
    typed = {"source": "SHOP-US", "tags": "hold*", "key": "typed", "kind": "3pl"}
    wrong = _Fields({f"wrong-{name}": text for name, text in typed.items()}, prefix="wrong", initial=stored)
    wrong.add_error("tags", "“hold*” is not a tag: stars are not understood here.")
    return {
        "account": ACCOUNT,
        "faces": FACES,
        "form": _Fields(initial=stored),
        "wrong": wrong,
        "mail_form": PreferenceForm(prefix="mail"),
        "guide": max((str(one["guide"]) for one in offered("cart")), key=len),
        "answers": _answers(),
        "services": service_rows.rows(_schedules(), None),
        "contact_lists": _contacts(),
        "emails_form": EmailsForm(initial={"emails": "dock@example.com"}),
        "systems": offered("cart"),
        "steps": _steps(),
        "events": _events(),
        "order": {"public_id": "sample"},  # whose they are
        "runs": found,
        "health": runs.health(found),
        "messages": _messages(),
        "mark": "",
        "last_change": AuditEntry(
            actor="priya@example.com", at=clock.now(), changes={"Name": ["Alder", "Alder & Finch"]}
        ),
        "pull": pulls.Pull(clock.now() - timedelta(days=30), clock.now(), None, "", 12_400, 8_112, 0, 31),
        "alert_groups": _alerts(),
        "may": {"alerts_act": True},
        "numbered": Paginator(range(1284), 50).page(2),
        "keyset": Page(["entry"] * 50, newer="a", older="b"),
        "there": AtWms(4, 1, 0),
        "exchanges": _exchanges(),
        "mail_pages": [(kind, f"/styleguide/mails/{kind}/") for kind in mails()],  # addresses that only DEBUG has
        "chips": [{"label": "Merchant", "value": "Alder & Finch", "without": "#menus"}],
    }


def _schedules() -> list[Schedule]:
    now = clock.now()
    ran = {"started_at": now - timedelta(minutes=4), "finished_at": now - timedelta(minutes=4), "every": 300}
    due = {"next_run": now + timedelta(minutes=1)}
    return [
        Schedule(service=Service.DOWNLOAD, result={"stored": 12}, **ran, **due),
        Schedule(service=Service.DELIVER, automatic=True, result={"sent": 3}, **ran, **due),
        Schedule(service=Service.SHIP_CONFIRM, failures=3, problem="The system did not answer.", **ran, **due),
        Schedule(service=Service.UPLOAD_SHIPMENTS, paused=Schedule.Paused.AUTH, **ran),
        Schedule(service=Service.INVENTORY, paused=Schedule.Paused.PERSON, **ran),
        Schedule(service=Service.UPLOAD_INVENTORY),
    ]


def _contacts() -> list[tuple[str, str, list[Contact]]]:
    people = [User(pk=n, name=name, email=f"{name.lower()}@example.com") for n, name in enumerate(("Ada", "Bo", "Cy"))]
    return [
        ("quiet", "Users Not Alerted", [Contact(people[0], alerted=False)]),
        ("alerted", "Users to Alert", [Contact(person, alerted=True) for person in people[1:]]),
    ]


def _answers() -> list[Answer]:
    return [
        Answer(True, "It works", seconds=0.4),
        Answer(True, "Not tested yet", "This system is tested together with a merchant’s values."),
        Answer(
            False, "The shop refused the key", "Make a new one there, and enter it here.", "401 Invalid API key", 0.3
        ),
    ]


def _steps() -> list[Step]:
    return [
        Step("Connect the WMS", "", "#setup", done=True),
        Step("Add the first merchant", "With what the WMS knows it by.", "#setup", done=False, next=True),
        Step("Connect the first cart", "Where orders come from.", "#setup", done=False),
    ]


def _events() -> list[Event]:
    now = clock.now()
    told = [
        Event(kind="loaded", to="ready", message="from the shop", at=now - timedelta(minutes=9)),
        Event(kind="failed", message="The warehouse did not answer.", at=now - timedelta(minutes=7)),
        Event(kind="edited", actor="priya@example.com", at=now - timedelta(minutes=5)),
        Event(kind="sent", frm="sending", to="at_wms", message="as W-10482", at=now - timedelta(minutes=4)),
    ]
    presented: list[Any] = told
    for event in presented:
        event.changes = {"ZIP": ["0000", "97201"]} if event.kind == "edited" else {}
    return told


def _runs() -> list[Any]:
    now = clock.now()
    outcomes = ["ok"] * 30 + ["partly"] * 2 + ["failed"] + ["ok"] * 5
    found: list[Any] = [
        Run(service="download", outcome=outcome, seconds=0.8, calls=2, waited=0.6, started_at=now - timedelta(hours=n))
        for n, outcome in enumerate(reversed(outcomes))
    ]
    for run in found:
        run.label, run.did, run.an_answer = Service(run.service).label, moved({"stored": 2}), 0.3
        run.failed_by = "Not reached" if run.outcome == "failed" else ""
        run.problem = "The shop could not be reached." if run.outcome == "failed" else ""
    return found


def _messages() -> list[Message]:
    return [
        Message(constants.SUCCESS, "Saved."),
        Message(constants.INFO, "It is being read; that takes a while."),
        Message(constants.WARNING, "Saved. The services stay off until the connection was tested."),
        Message(constants.ERROR, "Nothing was saved: somebody has deleted this merchant meanwhile."),
    ]


def _alerts() -> list[dict[str, Any]]:
    now = clock.now()
    first, last = now - timedelta(hours=4), now - timedelta(minutes=3)
    seen = {"public_id": "sample", "first_seen": first, "last_seen": last}
    unmapped = Alert(
        kind="ship_method_unknown", message="17 orders: ship method “UPS Worldwide Saver” is not mapped", count=17,
        fix="Map it once; the orders that wait are sent then.", said="422 unknown ship method", **seen,
    )  # fmt: skip
    away = Alert(
        kind="unreachable", message="The warehouse does not answer", fix="It is tried again by itself.", **seen
    )
    presented: list[tuple[Any, str]] = [(unmapped, "Map it"), (away, "Open WMS Setup")]
    for alert, button in presented:
        alert.about, alert.headline, alert.fix_url, alert.button = kinds.of(alert.kind), alert.message, "#", button
        alert.resend_url = ""
        alert.waiting, alert.order_page, alert.like = alert.count if alert is unmapped else 0, None, 0
    text = "Nothing is retried until someone acts."
    return [
        {"id": "sample-held", "title": "Orders are held", "text": text, "alerts": [unmapped]},
        {"id": "sample-rest", "title": "Connections and the rest", "text": "", "alerts": [away]},
    ]


def _exchanges() -> list[Exchange]:
    said = {"method": "POST", "url": "https://wms.example/orders", "at": clock.now(), "seconds": 0.4}
    return [
        Exchange(status=201, request='{"order_number": "OAK-1"}', response='{"id": "W-10482"}', **said),
        Exchange(status=None, error="No answer within 20 s", **said),
    ]


def mails() -> dict[str, EmailMultiAlternatives]:
    """Every mail about a person, as it would be sent: kind → mail."""
    found = {}
    for template in sorted((CLONE / "templates" / "mail").glob("*.html")):
        if template.read_text().startswith("{% extends base %}"):
            kind = template.stem
            done = DONE if kind.startswith(("app_", "passkey_")) or kind.endswith(("_changed", "_made")) else {}
            if made := mail.message(Mail(kind=kind, to="dock@northquay.example", context=SAID | done)):
                found[kind] = made
    return found
