"""/healthz, /readyz, /metrics."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client

from integration_manager import health, tenancy


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_last", None, raising=False)


def test_healthz_asks_nobody(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.django_db
def test_readyz_is_ok(client: Client) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "checks": {"database": "ok", "redis": "ok"}}


@pytest.mark.django_db
def test_readyz_is_degraded_without_redis(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_redis", lambda: "away")
    response = client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")


def test_redis_away_is_noticed(settings: Any) -> None:
    settings.CACHES = {
        **settings.CACHES,
        "redis": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "unix:///nowhere"},
    }
    assert health._redis() == "away"


@pytest.mark.django_db
def test_readyz_is_unavailable_without_migrations(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_migrated", False)
    monkeypatch.setattr(health.MigrationExecutor, "migration_plan", lambda *_: ["one"])
    response = client.get("/readyz")
    assert (response.status_code, response.json()["checks"]["database"]) == (503, "migrations are missing")


@pytest.mark.django_db
def test_metrics_name_every_outward_status(client: Client) -> None:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = response.content.decode().splitlines()
    for status in ("new", "error", "at_wms", "shipped", "confirmed", "canceled"):
        assert f'im_orders{{status="{status}"}} 0' in lines
    for gauge in health._GAUGES:
        assert f"# TYPE {gauge} gauge" in lines
        assert f"{gauge} 0" in lines


@pytest.mark.django_db
def test_metrics_are_for_this_machine_or_a_token(client: Client, settings: Any) -> None:
    settings.IM_METRICS_TOKEN = "right-token"
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    assert client.get("/metrics", **elsewhere).status_code == 403
    assert client.get("/metrics", HTTP_X_FORWARDED_FOR="192.0.2.7").status_code == 403
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 403
    with_token = client.get("/metrics", headers={"Authorization": "Bearer right-token"}, **elsewhere)
    assert with_token.status_code == 200


@pytest.mark.django_db
def test_an_empty_token_opens_nothing(client: Client, settings: Any) -> None:
    settings.IM_METRICS_TOKEN = ""
    response = client.get("/metrics", headers={"Authorization": "Bearer "}, REMOTE_ADDR="192.0.2.7")
    assert response.status_code == 403


@pytest.mark.django_db
def test_metrics_are_counted_once_in_15_seconds(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    first = client.get("/metrics").content
    monkeypatch.setattr(health, "_lines", lambda: iter(["counted again"]))
    assert client.get("/metrics").content == first
    monkeypatch.setattr(health, "FRESH", 0.0)
    assert client.get("/metrics").content == b"counted again\n"


@pytest.mark.django_db
def test_no_gauge_reads_a_whole_table_of_orders_or_parcels() -> None:
    """Each has a partial index: what is counted is few, however many orders there are."""
    with tenancy.everyone("a test"), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for name, (_, query) in health._GAUGES.items():
            cursor.execute("EXPLAIN " + query)
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Seq Scan on orders_" not in plan, f"{name}\n{plan}"
