"""OAuth: what a person grants gets in, what is forged or stale does not, and tokens are renewed in time."""

import functools
from typing import Any

from integration_manager.kit import oauth
from integration_manager.kit.acceptance.bench import Bench, Check, Running
from integration_manager.kit.errors import AuthFailed, ConnectorError
from integration_manager.kit.oauth import BadCallback, Denied, OAuth
from integration_manager.kit.tokens import MemoryStore, Token

BACK = "https://im.example/oauth/callback/"
STATE, VERIFIER = "state-" + "s" * 40, "verifier-" + "v" * 40


def checks(bench: Bench) -> list[Check]:
    """The checks of this file."""
    if bench.system.oauth is None:
        return []
    return [
        ("grant: the whole way", functools.partial(the_whole_way, bench)),
        ("grant: denied and forged", functools.partial(denied_and_forged, bench)),
        ("grant: a code is good once", functools.partial(once, bench)),
        ("grant: tokens are renewed", functools.partial(renewed, bench)),
    ]


def _asked(bench: Bench, running: Running) -> tuple[OAuth, str]:
    declared = bench.system.oauth
    assert declared is not None
    running.connector.http.tokens = MemoryStore()
    running.connector.connect(running.connector.http)  # as it is before anybody granted anything
    return declared, oauth.authorization_url(declared, running.values, STATE, BACK, VERIFIER)


def _consent(running: Running, url: str, decision: str = "approve") -> dict[str, str]:
    found: Any = running.fake
    query: dict[str, str] = found.consent(url, decision)
    return query


def the_whole_way(bench: Bench) -> None:
    """From the consent to a call that works; nothing of it stands in what is kept."""
    with bench.running() as running:
        declared, url = _asked(bench, running)
        assert (VERIFIER in url, oauth.challenge(VERIFIER) in url) == (False, declared.pkce), "PKCE is sent wrongly"
        assert running.values[oauth.CLIENT_SECRET] not in url, "the app's secret stands in the address"
        try:
            running.connector.check()
        except AuthFailed:
            pass
        else:
            raise AssertionError("check() passes before anybody granted access")
        query = _consent(running, url)
        assert query.get("state") == STATE, "the fake loses the state"
        code = oauth.code_of(declared, running.values, query)
        token = oauth.exchange(running.connector.http, declared, running.values, code, BACK, VERIFIER)
        running.connector.check()
        said = repr(running.exchanges)
        for secret in (code, VERIFIER, token.value, token.refresh, running.values[oauth.CLIENT_SECRET]):
            assert not secret or secret not in said, "a secret of the grant stands in the exchanges"


def denied_and_forged(bench: Bench) -> None:
    """Denied access is said to be; a signed callback that was changed is refused."""
    with bench.running() as running:
        declared, url = _asked(bench, running)
        try:
            oauth.code_of(declared, running.values, _consent(running, url, "deny"))
        except Denied:
            pass
        else:
            raise AssertionError("a denied grant gives a code")
        if declared.verify is None:
            return
        right = _consent(running, url)
        for name in right:
            for forged in ({**right, name: right[name] + "x"}, {k: v for k, v in right.items() if k != name}):
                try:
                    oauth.code_of(declared, running.values, forged)
                except BadCallback:
                    continue
                raise AssertionError(f"a callback is believed although its {name} was changed")


def once(bench: Bench) -> None:
    """A code gets a token once, and with PKCE only for who asked for it."""
    with bench.running() as running:
        declared, url = _asked(bench, running)
        http, values = running.connector.http, running.values
        code = oauth.code_of(declared, values, _consent(running, url))
        if declared.pkce:
            _refused(lambda: oauth.exchange(http, declared, values, code, BACK, VERIFIER + "x"), "another verifier")
            code = oauth.code_of(declared, values, _consent(running, url))
        oauth.exchange(http, declared, values, code, BACK, VERIFIER)
        _refused(lambda: oauth.exchange(http, declared, values, code, BACK, VERIFIER), "a code that was used")


def renewed(bench: Bench) -> None:
    """A token that has ended is renewed, and the new one is stored; with none left a person is asked."""
    with bench.running() as running:
        store, fake = running.connector.http.tokens, running.fake
        before = store.load()
        if not before.refresh:
            return
        assert hasattr(fake, "expire"), "the fake gives refresh tokens, and cannot let a token end"
        fake.expire()
        running.connector.check()
        after = store.load()
        assert after.value != before.value, "the ended token is still the stored one"
        running.connector.check()
        fake.expire()
        store.save(Token("gone-0123456789", None, "gone-too-0123456789"))
        try:
            running.connector.check()
        except AuthFailed:
            return
        raise AssertionError("check() passes with a refresh token that is not good")


def _refused(call: Any, what: str) -> None:
    try:
        call()
    except ConnectorError:
        return
    raise AssertionError(f"{what} gets a token")
