"""Which task waits behind which: queues, and the workers that take them."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

from integration_manager.celery import BEAT, app
from integration_manager.embedded import CLONE
from integration_manager.im.run import Supervisor

MAIL = {"accounts.jobs.send_mails", "alerts.jobs.tell"}


def queues() -> dict[str, set[str]]:
    """By task: where it is sent, by the timetable and by others."""
    app.loader.import_default_modules()
    ours = [name for name in app.tasks if not name.startswith("celery.")]
    found = {name: {app.amqp.router.route({}, name)["queue"].name} for name in ours}
    for entry in BEAT.values():
        found[entry["task"]].add(entry["options"]["queue"])
    return found


def test_a_mail_waits_for_nothing_that_takes_long() -> None:
    """Neither for a customer's channel that never answers, nor for the night's clean-up."""
    assert {name for name, where in queues().items() if "mail" in where} == MAIL
    assert all(queues()[name] == {"mail"} for name in MAIL)


def in_make_run() -> list[str]:
    supervisor: Any = SimpleNamespace(bind="127.0.0.1", port=8000)
    commands = [command for _, command, _ in Supervisor._processes(supervisor, {})]
    return [command[command.index("-Q") + 1] for command in commands if "-Q" in command]


@pytest.mark.parametrize("where", ["make run", "docker-compose.yml", "README.md"])
def test_every_queue_has_one_kind_of_worker_and_no_other(where: str) -> None:
    found = in_make_run() if where == "make run" else re.findall(r'-Q"?,? "?(\w+)', (CLONE / where).read_text())
    assert sorted(found) == sorted(set.union(*queues().values()))
