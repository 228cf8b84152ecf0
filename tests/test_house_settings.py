"""Settings: what production demands, and what every answer carries."""

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ValidationError
from django.test import Client, RequestFactory

from accounts.adapters import AccountAdapter
from integration_manager.embedded import CLONE

PRODUCTION = {
    "SECRET_KEY": "a-long-random-value-for-this-test-only-0123456789-abcdefghij",
    "IM_KEYS": "k1:" + "A" * 43 + "=",
    "IM_HOSTS": "app.example.com",
    "DATABASE_URL": "postgresql://im:pw@db.example.com:5433/im?sslmode=require",
    "REDIS_URL": "rediss://cache.example.com:6380/0",
}


def settings_in(environment: dict[str, str], show: str = "1") -> subprocess.CompletedProcess[str]:
    """Reads the settings in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", f"from integration_manager import settings as s; print({show})"],
        env={"PATH": os.environ["PATH"], **environment},
        cwd=CLONE,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", sorted(PRODUCTION))
def test_production_does_not_start_without(name: str) -> None:
    result = settings_in({key: value for key, value in PRODUCTION.items() if key != name})
    assert result.returncode != 0
    assert f"{name} is not set" in result.stderr


def test_only_the_demo_knows_the_simulators_app() -> None:
    from integration_manager.kit.fake_oauth import CLIENT_ID, CLIENT_SECRET

    demo = {**PRODUCTION, "IM_EMBEDDED": "1", "IM_DEMO": "1"}
    apps = settings_in(demo, "sorted(s.IM_OAUTH)").stdout.strip()
    assert apps == str(["sandbox_oauth", "shopify"])
    assert str((CLIENT_ID, CLIENT_SECRET)) in settings_in(demo, "s.IM_OAUTH").stdout
    assert settings_in({**demo, "IM_DEMO": ""}, "s.IM_OAUTH").stdout.strip() == "{}"
    assert settings_in({**PRODUCTION, "IM_DEMO": "1"}, "s.IM_OAUTH").stdout.strip() == "{}", "no demo in production"
    own = {"IM_OAUTH_SANDBOX_OAUTH_ID": "mine", "IM_OAUTH_SANDBOX_OAUTH_SECRET": "its secret"}
    assert "('mine', 'its secret')" in settings_in(demo | own, "s.IM_OAUTH").stdout


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"": "smrty"}, "IM_ADDRESS_VERIFIER: there is no address verifier “smrty”. Known: smarty."),
        ({"_AUTH_ID": "1"}, "there is no address verifier “”"),
        ({"": "smarty", "_AUTH_ID": "1"}, "IM_ADDRESS_VERIFIER_AUTH_TOKEN is not set."),
        (
            {"": "smarty", "_AUTH_ID": "1", "_AUTH_TOKEN": "2", "_AUTHTOKEN": "2"},
            "IM_ADDRESS_VERIFIER_AUTHTOKEN is nothing that Smarty knows.",
        ),
        ({"": " Smarty ", "_AUTH_ID": "1", "_AUTH_TOKEN": "2", "_INTERNATIONAL": "yes"}, ""),
    ],
)
def test_an_address_verifier_that_cannot_be_asked_stops_the_start(given: dict[str, str], said: str) -> None:
    result = settings_in({**PRODUCTION, **{f"IM_ADDRESS_VERIFIER{name}": value for name, value in given.items()}})
    assert (said in result.stderr, bool(result.returncode)) == (True, bool(said)), result.stderr


def test_a_star_is_no_host() -> None:
    assert "must name the hosts" in settings_in({**PRODUCTION, "IM_HOSTS": "*"}).stderr


def test_production_speaks_https_only() -> None:
    shown = settings_in(
        PRODUCTION,
        "s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE, s.SECURE_HSTS_SECONDS, s.IM_DEMO",
    )
    assert shown.stdout.split() == ["__Host-im_session", "__Host-im_csrf", "True", "31536000", "False"]
    shown = settings_in(PRODUCTION, "s.DATABASES['default']['OPTIONS']")
    assert "role=im_app" in shown.stdout
    assert "'sslmode': 'require'" in shown.stdout


def test_the_app_has_a_login_of_its_own_where_one_is_given() -> None:
    environment = {**PRODUCTION, "APP_DATABASE_URL": "postgresql://im_app:pw2@db.example.com/im"}
    assert settings_in(environment, "s.DATABASES['default']['USER']").stdout.strip() == "im_app"
    owner = settings_in({**environment, "IM_DB_ROLE": "im_owner"}, "s.DATABASES['default']['USER']")
    assert owner.stdout.strip() == "im"


@pytest.mark.parametrize(("process", "timeout"), [("web", "10000"), ("worker", "60000")])
def test_statements_are_limited_in_time(process: str, timeout: str) -> None:
    shown = settings_in({**PRODUCTION, "IM_PROCESS": process}, "s.DATABASES['default']['OPTIONS']['options']")
    assert f"-c statement_timeout={timeout}" in shown.stdout


def test_the_demo_is_only_for_make_run() -> None:
    assert settings_in({**PRODUCTION, "IM_DEMO": "1"}, "s.IM_DEMO").stdout.strip() == "False"


def test_every_answer_has_the_headers(client: Client) -> None:
    response = client.get("/healthz")
    policy = response["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["X-Content-Type-Options"] == "nosniff"


@pytest.mark.django_db
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("demo", "address", "forwarded", "allowed"),
    [
        (True, "127.0.0.1", "", True),
        (True, "192.0.2.7", "", False),
        (True, "127.0.0.1", "192.0.2.7", False),
        (False, "127.0.0.1", "", False),
    ],
)
def test_the_demo_login_is_refused_elsewhere(
    demo: bool, address: str, forwarded: str, allowed: bool, settings: object
) -> None:
    settings.IM_DEMO = demo  # type: ignore[attr-defined]
    extra = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    request = RequestFactory().post("/login/", REMOTE_ADDR=address, **extra)
    try:
        AccountAdapter(request).pre_authenticate(request, email="Demo@example.com", password="demo-password")
    except ValidationError:
        assert not allowed
    else:
        assert allowed
