"""No secret in exchanges, errors, logs and reprs: canaries in every place a secret can stand."""

import base64
import json
import logging
import time
import traceback
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests import PreparedRequest
from requests.auth import AuthBase

from integration_manager.kit.errors import ConnectorError, Permanent
from integration_manager.kit.redact import MASK, Redactor, forms, is_secret
from integration_manager.kit.transport import Answer, Exchange, Http
from tests.kit_server import Handler, serving

CANARY = 'c4n/ry+"ü&=x7'


class Signed(AuthBase):
    """An auth object that signs, as OAuth 1 does."""

    def __init__(self, secret: str) -> None:
        self.consumer_secret = secret

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["X-Sig"] = self.consumer_secret.encode().hex()
        return request


def echo(handler: Handler) -> None:
    """Repeats everything it was sent, as some systems do in their errors."""
    asked = handler.asked
    body = asked.body.decode("utf-8", "replace")
    text = json.dumps([asked.path, asked.headers, body], ensure_ascii=False)
    status = int(handler.path.partition("status=")[2][:3] or 200)
    handler.say(status, text.encode(), X_Echo=quote(body), Set_Cookie=f"s={quote(CANARY)}")


def spread(http: Http) -> list[tuple[str, dict[str, Any]]]:
    """Calls with the canary in every place."""
    basic = "Basic " + base64.b64encode(f"user:{CANARY}".encode()).decode()
    xml = f"<Login><Pass>x</Pass><Password>{CANARY.replace('&', '&amp;')}</Password></Login>".encode()
    return [
        ("auth", {}),
        ("header", {"headers": {"Authorization": basic}}),
        ("bearer", {"headers": {"Authorization": f"Bearer {CANARY.encode().hex()}"}}),
        ("token", {"headers": {"X-Shop-Access-Token": quote(CANARY)}}),
        ("query", {"params": {"api_key": CANARY, "access_token": CANARY, "signature": CANARY, "key": CANARY}}),
        ("json", {"json": {"client_secret": CANARY, "deep": [{"apiKey": CANARY}], "text": f"mine is {CANARY}"}}),
        ("nested", {"json": {"payload": json.dumps({"password": CANARY})}}),
        ("form", {"data": {"grant_type": "password", "password": CANARY, "client_secret": CANARY}}),
        ("xml", {"data": xml}),
    ]


def shapes(secret: str) -> set[str]:
    """How the canary could show: whole, coded, or by its telling middle."""
    raw = secret.encode()
    return {secret, quote(secret), quote(secret, safe=""), base64.b64encode(raw).decode(), raw.hex(), "c4n/ry"}


def held(secret: str, text: str) -> list[str]:
    """The shapes of a secret that are in `text`."""
    return [shape for shape in shapes(secret) if shape in text]


@pytest.mark.parametrize("status", [200, 401, 422, 500])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("place", range(9))
def test_no_canary_comes_through(status: int, known: bool, place: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    kept: list[Exchange] = []
    with serving() as server:
        server.play = echo
        secrets = [CANARY] if known else []
        with Http(base_url=server.url, guard=None, limiter=None, journal=kept.append, secrets=secrets) as http:
            http.trace = True
            name, call = spread(http)[place]
            if name == "auth":
                http.auth = ("user", CANARY)
            texts = [repr(http)]
            try:
                answer = http.post(f"{name}?status={status}", **call)
                texts.append(repr(answer))
            except ConnectorError as error:
                texts += [repr(error), str(error), error.said, "".join(traceback.format_exception(error))]
                assert error.__cause__ is None
                assert error.__context__ is None
            texts += [repr(kept), caplog.text]
    assert len(kept) == 1
    for text in texts:
        # A text field of the customer's that happens to hold the secret is known by the value alone.
        assert not held(CANARY, text), (name, text)


def test_signatures_and_user_names_that_are_keys() -> None:
    kept: list[Exchange] = []
    with serving() as server:
        server.play = echo
        with Http(base_url=server.url, guard=None, limiter=None, journal=kept.append) as http:
            http.auth = Signed("the-signing-secret")
            http.post("a")
            http.auth = ("ck_0123456789abcdef0123", "cs_pass")
            http.post("b")
    assert "the-signing-secret" not in repr(kept)
    assert b"the-signing-secret".hex() not in repr(kept)
    assert "ck_0123456789abcdef0123" not in repr(kept)


def test_what_a_connector_says_is_cleaned_too() -> None:
    def classify(answer: Answer) -> Exception | None:
        try:
            int(answer.text)
        except ValueError as error:
            raise Permanent(f"It said canary-password and {answer.text}", said=answer.text) from error
        return None

    with serving() as server:
        server.play = echo
        with Http(base_url=server.url, guard=None, limiter=None, journal=None) as http:
            http.auth, http.classify = ("user", "canary-password"), classify
            with pytest.raises(Permanent) as raised:
                http.get("x", params={"api_key": "canary-key"})
    assert "canary" not in repr(raised.value) + raised.value.said
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_a_failure_on_the_wire_shows_no_url() -> None:
    secret = CANARY  # a traceback shows source lines
    with serving() as server:
        server.play = lambda h: h.hang_up()
        for url in (server.url, "http://127.0.0.1:1"):
            with Http(base_url=url, guard=None, limiter=None, journal=None) as http:
                with pytest.raises(ConnectorError) as raised:
                    http.post("x", params={"api_key": secret})
                shown = "".join(traceback.format_exception(raised.value))
                assert not held(secret, shown)


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "Authorization",
        "X-Shopify-Access-Token",
        "api_key",
        "apiKey",
        "API-Key",
        "consumer_secret",
        "client_secret",
        "oauth_signature",
        "Set-Cookie",
        "sig",
        "refresh_token",
        "X-WC-Webhook-Signature",
        "privateKey",
        "oauth_consumer_key",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    ["key", "order_key", "sku", "tracking_no", "ship_code", "design", "author", "assigned_to", "passenger", "zip"],
)
def test_names_of_other_things(name: str) -> None:
    assert not is_secret(name)


def test_what_is_no_secret_stays_readable() -> None:
    clean = Redactor(["s3cret-value"])
    body = '{"order": {"key": "A-1", "qty": 2, "note": "say \\"hi\\""}, "token": null, "total": "19.10"}'
    assert clean.text(body) == body
    assert clean.text("The token expired; error code=42") == "The token expired; error code=42"
    assert clean.text("Bearer abcdef0123456789") == f"Bearer {MASK}"
    assert clean.url("https://shop.example/orders?page=2&status=any") == "https://shop.example/orders?page=2&status=any"
    assert clean.headers({"Content-Type": "text/xml", "X-Api-Key": "x"}) == {
        "Content-Type": "text/xml",
        "X-Api-Key": MASK,
    }
    assert (
        clean.url("https://u:p@shop.example/a?code=1&b=s3cret-value") == f"https://shop.example/a?code={MASK}&b={MASK}"
    )


def test_a_quote_in_a_password_does_not_end_it() -> None:
    assert Redactor().text('{"password": "abc\\"def", "a": 1}') == f'{{"password": "{MASK}", "a": 1}}'
    assert (
        Redactor().text('"{\\"password\\": \\"abcdef\\", \\"a\\": 1}"')
        == f'"{{\\"password\\": \\"{MASK}\\", \\"a\\": 1}}"'
    )


@settings(max_examples=40)
@given(st.text(min_size=6, max_size=40), st.integers(0, 3_000), st.booleans())
def test_a_known_value_goes_in_each_of_its_forms(secret: str, pad: int, cut: bool) -> None:
    secret = "zq" + secret + "qz"
    clean = Redactor([secret])
    for form in forms(secret):
        text = clean.text("." * (15_000 + pad if cut else pad) + f" {form} " + "," * 9_000)
        assert form not in text


@pytest.mark.parametrize("at", range(15_900, 18_200, 97))
def test_a_secret_at_the_cut_is_not_shown_in_half(at: int) -> None:
    for secret in ("canary" * 4, "canary" * 500):
        text = Redactor([secret]).text("." * at + secret + "." * 50_000)
        assert "canary" not in text
        assert len(text) <= 16_001


def test_a_redactor_forgets_the_secrets_of_a_single_request() -> None:
    always = Redactor(["always-secret"])
    once = always.knowing(["once-secret"])
    assert once.values("always-secret once-secret") == f"{MASK} {MASK}"
    assert always.values("always-secret once-secret") == f"{MASK} once-secret"
    assert "secret" not in repr(once).replace("secrets", "")


@pytest.mark.parametrize("piece", ['"', '\\"', "a=", "<a ", '"a":', "x", "\\", 'a="', "Bearer ", '"a":"\\'])
def test_large_and_malicious_texts_take_no_time(piece: str) -> None:
    began = time.process_time()
    Redactor(["secret-value"]).text(piece * (40_000 // len(piece)))
    assert time.process_time() - began < 1
