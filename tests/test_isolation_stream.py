"""A streamed answer outlives the middleware: through a real gunicorn it still has its account's rows."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from accounts.models import Account
from integration_manager import tenancy
from integration_manager.embedded import CLONE
from merchants.models import Merchant

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = 50


@pytest.fixture
def server() -> Iterator[str]:
    """gunicorn as production runs it, with threads, on tests/streamed.py."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--workers=1", "--threads=4", f"--bind=127.0.0.1:{port}"]
    process = subprocess.Popen(
        [*command, "tests.streamed"], cwd=CLONE, env=dict(os.environ), stderr=subprocess.PIPE, text=True
    )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 60
        while True:
            try:
                requests.get(f"{url}/nothing", timeout=60)
                break
            except requests.RequestException:
                assert process.poll() is None and time.monotonic() < until, process.communicate()[1]
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.communicate(timeout=60)


def account(name: str) -> Account:
    made = Account.objects.create(name=name)
    with tenancy.activate(made.pk):
        Merchant.objects.bulk_create([Merchant(name=f"{name} {n:03}", code=str(n)) for n in range(ROWS)])
    return made


def test_a_streamed_export_has_its_accounts_rows_and_no_others(server: str) -> None:
    accounts = [account("Ours"), account("Theirs")]

    def read(n: int) -> tuple[str, list[str]]:
        mine = accounts[n % 2]
        answer = requests.get(f"{server}/kept/{mine.pk}", timeout=20)
        assert answer.status_code == 200
        return mine.name, answer.text.splitlines()

    with ThreadPoolExecutor(4) as pool:  # threads that serve one account after the other
        for name, rows in pool.map(read, range(12)):
            assert rows == [f"{name} {n:03}" for n in range(ROWS)]


def test_without_the_stream_helper_it_would_have_none(server: str) -> None:
    mine = account("Ours")
    try:
        text = requests.get(f"{server}/lost/{mine.pk}", timeout=20).text
    except requests.RequestException:
        text = ""
    assert "Ours" not in text
