"""What everybody sees, as it stands in their browsers: every page of tests/every_page.py and those around an account
(before, during and after a sign-in, by a link out of a mail, of staff, when something goes wrong), forms that were
refused, each mail, and the style guide.

The answers are taken through the whole stack, headers included, and shown in a browser afterwards (tests/browser).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from allauth.mfa.models import Authenticator
from django.core.mail import EmailMultiAlternatives
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.test.utils import override_settings

from accounts import invitations, mail, people
from accounts.models import Account, Mail, Membership, User
from alerts import planning, stopping
from alerts.models import Alert, AlertMail, ErrorEmail
from carts.models import Cart, DryRun
from integration_manager import styleguide, tenancy
from integration_manager.kit import clock
from orders.services import dry_run
from tests import desk as desks
from tests import every_page
from tests.desk import PASSWORD, Desk, make_order
from tests.world import ago
from wms.models import Wms

LINK = re.compile(r"https?://[^/]+(/.*)")


@dataclass(frozen=True)
class View:
    """A page as it was answered. Mails are shown at the width of mail programs."""

    name: str
    body: bytes
    headers: dict[str, str]
    mail: bool = False


def views(shop: Any, url: str) -> list[View]:
    """All of them. `shop`: a sandbox shop that is being served at `url`, for what is read from a cart."""
    pages = every_page.build()
    desk, found = pages.desk, list[View]()

    def see(name: str, answer: HttpResponse) -> None:
        assert answer.status_code not in (301, 302), f"{name} leads on to {answer.headers['Location']}"
        found.append(View(name, answer.content, dict(answer.headers)))

    for name, answer in pages.seen().items():
        see(name, answer)
    empty = every_page.empty()
    for name, address in empty.below_account.items():
        see(name, empty.owner.get(address))
    for name, address in every_page.OUTSIDE.items():
        see(name, Client().get(address))
    _from_a_shop(desk, see, shop, url)
    for part in (
        _lists,
        _refused,
        _systems,
        _signing_in,
        _by_link,
        _two_steps,
        _people,
        _operators,
        _trouble,
        _to_decide,
    ):
        part(desk, see)
    factory = RequestFactory().get("/styleguide/")
    see("style guide", HttpResponse(render_to_string("styleguide.html", styleguide.samples(), factory)))
    for kind, message in styleguide.mails().items():
        found.append(_mailed(f"mail {kind}", message))
    return found + _about_alerts(desk)


See = Callable[[str, HttpResponse], None]


def _mailed(name: str, message: EmailMultiAlternatives) -> View:
    return View(name, str(message.alternatives[0][0]).encode(), {}, mail=True)


def _to_decide(desk: Desk, see: See) -> None:
    """What only a person can decide about an order, and the question before an action on many."""
    asked = {
        "outcome_unknown": "The warehouse did not answer, and cannot be asked whether it has the order.",
        "reference_taken": "The warehouse has another order under this reference.",
    }
    owner = desk.client("owner")
    for code, why in asked.items():
        with tenancy.activate(desk.account.pk):
            order = make_order(desk.carts[0], code, status="error", error_code=code, error_message=why, starts=1)
        see(f"order in error: {code}", owner.get(desk.url(f"orders/{order.public_id}/")))
        see(
            f"action on orders, asked: {code}",
            owner.get(desk.url(f"orders/bulk/?action=cancel_sending&order={order.public_id}")),
        )


def _about_alerts(desk: Desk) -> list[View]:
    """The mails about alerts: one that comes at once, and one that sums up."""
    with tenancy.activate(desk.account.pk):
        ErrorEmail.objects.get_or_create(address="hall@northquay.example")  # told every half hour
        Alert.objects.filter(resolved_at=None, dismissed_at=None).update(news_at=clock.now(), count=9)
        planning.plan(desk.account, clock.now())
        letters = {letter.at_once: letter.mail for letter in AlertMail.objects.select_related("mail")}
    messages = {"mail about an alert": mail.message(letters[True]), "mail about alerts": mail.message(letters[False])}
    return [_mailed(name, message) for name, message in messages.items() if message is not None]


def _refused(desk: Desk, see: See) -> None:
    """Forms with something wrong in them."""
    owner, merchant = desk.client("owner"), desk.merchants[0].public_id
    for name, path in {
        "new merchant": "merchants/new/",
        "new cart": f"carts/new/sandbox_shop/?merchant={merchant}",
        "new user": "users/new/",
        "profile": "profile/",
        "WMS settings": "wms/setup/sandbox_wms/",
    }.items():
        see(f"{name}, refused", owner.post(desk.url(path), {"email": "nobody", "earliest_order_date": "yesterday"}))
    see("sign-in, refused", Client().post("/login/", {"login": "owner@northquay.example", "password": "wrong"}))
    see("sign-up, refused", Client().post("/signup/", {"email": "x", "password1": "short"}))
    see("change of password, refused", owner.post("/security/password/", {"oldpassword": "wrong", "password1": "x"}))


def _systems(desk: Desk, see: See) -> None:
    """A WMS and a shop online, not the sandbox's; an account of one merchant, whose WMS works by files."""
    online = desks.build("Online", orders=1)
    cart = online.carts[0]
    with tenancy.activate(online.account.pk):
        Wms.objects.update(system="extensiv")
        Cart.objects.filter(pk=cart.pk).update(system="shopify", name="Alder & Finch US")
    paths = {"WMS": "wms/", "merchant’s setup": f"merchants/{cart.merchant.public_id}/edit/"}
    paths |= {"cart": f"carts/{cart.public_id}/", "cart’s setup": f"carts/{cart.public_id}/edit/"}
    for name, path in paths.items():
        see(f"{name}, online", online.client("owner").get(online.url(path)))
    solo = desks.build("Solo", orders=0)
    Account.objects.filter(pk=solo.account.pk).update(kind=Account.Kind.MERCHANT)
    with tenancy.activate(solo.account.pk):
        solo.carts[1].delete()
        Membership.objects.filter(merchant=solo.merchants[1]).delete()
        solo.merchants[1].delete()
        Wms.objects.update(system="csv_wms")
    paths = {"dashboard": "", "WMS": "wms/", "carts": "carts/", "merchant": "merchants/", "users": "users/"}
    paths |= {"files": f"wms/of/{solo.merchants[0].public_id}/files/", "no merchant user": "users/new/"}
    for name, path in paths.items():
        see(f"{name} of an account of one merchant", solo.client("owner").get(solo.url(path), follow=True))


def _from_a_shop(desk: Desk, see: See, shop: Any, url: str) -> None:
    """What is read from a cart: a test that works, a preview, a dry run."""
    cart, owner = desk.carts[0], desk.client("owner")
    for number in range(1, 5):
        shop.place(number, ago(minutes=number))
    shop.orders.change("2", status="canceled")
    shop.orders.change("3", lines=[])
    with tenancy.activate(desk.account.pk):
        mine = Cart.objects.get(pk=cart.pk)
        mine.shop, mine.credentials = shop.name, {"url": url, "api_key": shop.credential}
        mine.save()
    path = desk.url(f"carts/{cart.public_id}/")
    see("connection that was tested", owner.post(path + "test/", follow=True))
    see("preview of orders", owner.post(path + "preview/"))
    owner.post(path + "dry-run/")
    with tenancy.activate(desk.account.pk):
        dry = DryRun.objects.get()
        while dry_run.carry_on(dry.pk, desk.account):
            pass
    see("dry run", owner.get(path + "going-live/"))


def _lists(desk: Desk, see: See) -> None:
    """Rules with something in their lists: each was put there on its own page."""
    owner, cart = desk.client("owner"), desk.carts[0]
    scac, methods = f"merchants/{desk.merchants[0].public_id}/scac/", "wms/ship-methods/"
    ship_map, items = f"ship-methods/{cart.public_id}/", f"carts/{cart.public_id}/item-filters/"
    orders = f"carts/{cart.public_id}/order-filters/"
    for path, form in (
        (scac, {"do": "add", "code": "UPS-G", "scac": "UPSN"}),
        (scac, {"do": "add", "code": "LOCAL VAN"}),
        (methods, {"do": "add", "code": "UPSG", "description": "UPS Ground, 1 to 5 days", "carrier": "UPS"}),
        (methods, {"do": "add", "code": "FEDEX-2D", "description": "FedEx 2Day"}),
        (ship_map, {"do": "add", "code": "UPS Ground", "code_method": "UPSG"}),
        (ship_map, {"do": "add", "code": "Economy, with a name that is longer than most are"}),
        (ship_map, {"do": "pattern", "match": "starts", "text": "Free shipping", "text_method": "UPSG"}),
        (ship_map, {"do": "rest", "rest": "default", "rest_method": "FEDEX-2D"}),
        (items, {"do": "add", "items": "GIFT-WRAP\nSHIPPING-PROTECTION"}),
        (orders, {"do": "save", "field": "ship_country", "kind": "required", "match": "full", "values": "USA\nCAN"}),
    ):
        assert owner.post(desk.url(path), form, follow=True).redirect_chain, (path, form)
    for name, path in {
        "SCAC mapping with carriers": scac,
        "WMS list with methods": methods,
        "ship methods of a cart, mapped": ship_map,
        "item filters with items": items,
        "order filters with filters": orders,
    }.items():
        see(name, owner.get(desk.url(path)))


def _signing_in(desk: Desk, see: See) -> None:
    """On the way in, with links out of the mails."""
    client, email = Client(), "owner@northquay.example"
    client.post("/login/link/", {"email": email})
    see("sign-in link, mailed", client.get("/login/link/sent/"))
    see("sign-in link, opened", client.get(_link("sign_in_link")))
    client.post("/password/", {"email": email})
    see("new password", client.get(_link("password_reset"), follow=True))
    owner = desk.client("owner")
    owner.post("/security/email/", {"email": "new@northquay.example", "action_add": ""})
    see("address to be verified", owner.get("/security/email/"))
    see("verification", client.get(_link("verify_address")))
    with override_settings(IM_DEMO=True, EMAIL_URL=""):
        see("mails of the demo", client.get("/outbox/"))
        see("one of the demo’s mails", client.get(f"/outbox/?mail={Mail.objects.latest('pk').key}"))


def _by_link(desk: Desk, see: See) -> None:
    """Who was invited, or sent a setup link."""
    with tenancy.activate(desk.account.pk):
        place = people.Place("admin")
        invitations.invite(desk.account, "newcomer@guests.example", place, by=desk.users["owner"])
    there = _link("invitation")
    see("invitation", Client().get(there))
    see("invitation, refused", Client().post(there, {"password": "short"}))
    see("invitation of somebody known", desk.client("stranger").get(there))
    owner = desk.client("owner")
    share = desk.url(f"carts/share/sandbox_shop/?merchant={desk.merchants[0].public_id}")
    see("setup link, made", owner.post(share, {"name": "Alder main shop", "email": "shop@alder.example"}))
    see("setup link", Client().get(_link("setup_link")))
    see("setup link, refused", Client().post(_link("setup_link"), {"save": "1"}))
    see("setup link, gone", Client().get("/setup/nonsense/"))
    stop = LINK.match(stopping.link(desk.account.pk, None, "hall@northquay.example"))
    assert stop is not None
    see("mails about alerts, to be stopped", Client().get(stop[1]))
    see("access not granted", owner.get("/oauth/callback/"))


def _two_steps(desk: Desk, see: See) -> None:
    """Somebody with an authenticator app and a passkey."""
    user = desk.users["colleague"]
    client = desk.client("colleague")
    key = Authenticator.objects.create(user=user, type="webauthn", data={"name": "Laptop", "credential": {}})
    desks.with_app(user)
    see("security with two steps", client.get("/security/"))
    client.post("/security/codes/new/")
    see("recovery codes", client.get("/security/codes/"))
    see("recovery codes, once more", client.get("/security/codes/"))
    for name, path in {
        "new recovery codes": "codes/new/",
        "app to be removed": "app/remove/",
        "passkey to be renamed": f"passkeys/{key.pk}/rename/",
        "passkey to be removed": f"passkeys/{key.pk}/remove/",
        "once more the code": "again/code/",
    }.items():
        see(name, client.get(f"/security/{path}"))
    key.delete()  # it is not one that a browser made: nobody can be asked for it
    half = Client()
    half.post("/login/", {"login": user.email, "password": PASSWORD})
    see("second step", half.get("/login/second/"))
    see("second step, refused", half.post("/login/second/", {"code": "000000"}))


def _people(desk: Desk, see: See) -> None:
    """A merchant user, an account of one merchant, somebody with several accounts."""
    client = desk.client("stranger")
    see("no account", client.get("/"))
    with tenancy.activate(desk.account.pk):
        Membership.objects.create(user=desk.users["stranger"], role="merchant", merchant=desk.merchants[1])
    for name, path in {
        "dashboard": "",
        "carts": "carts/",
        "WMS": "wms/",
        "merchant": "merchants/",
        "users": "users/",
    }.items():
        see(f"{name} of a merchant user", client.get(desk.url(path), follow=True))
    see("not for this user", client.get(desk.url("audit/")))
    for name in ("Harbour", "Eastgate"):
        other = Account.objects.create(name=name)
        with tenancy.activate(other.pk):
            Membership.objects.create(user=desk.users["stranger"], role="primary")
    see("several accounts", client.get("/"))


def _operators(desk: Desk, see: See) -> None:
    """Staff, and what they see of an account."""
    staff = User.objects.create_user("staff@operator.example", PASSWORD, is_staff=True, name="Op")
    desks.with_app(staff)
    client = desks.signed_in(staff)
    see("staff", client.get("/staff/"))
    see("staff, none found", client.get("/staff/?q=zzz"))
    see("alerts of all accounts", client.get("/staff/alerts/"))
    see("alerts of all accounts, one kind", client.get(f"/staff/alerts/?kind={desk.alert.kind}"))
    client.post(f"/staff/open/{desk.account.public_id}/")
    see("account opened by staff", client.get(desk.url()))
    see("staff may not", client.post(desk.url("profile/"), {"name": "x"}))


def _trouble(desk: Desk, see: See) -> None:
    """When something goes wrong."""
    see("no such page in an account", desk.client("owner").get(desk.url("nothing/")))
    see("form without its token", Client(enforce_csrf_checks=True).post("/login/"))
    for status in ("429", "500"):
        see(f"error {status}", HttpResponse(render_to_string(f"{status}.html", {}, RequestFactory().get("/"))))
    ended = desk.client("owner")
    there = desk.url("merchants/new/")
    ended.logout()
    ended.post(there, {"name": "Typed before"})
    see("sign-in with a form that waits", ended.get("/login/"))


def _link(kind: str) -> str:
    """Where the newest mail of this kind leads, below the host."""
    found = LINK.match(Mail.objects.filter(kind=kind).latest("pk").context["url"].reveal())
    assert found
    return found[1]
