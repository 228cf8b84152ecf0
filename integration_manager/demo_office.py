"""The demo's office: a program of the customer's that takes alerts by a signed webhook, and shows what has come.

It stands beside the simulator's shops, on loopback: what the demo tells of alerts never leaves this machine.
"""

import base64
from typing import Any

from integration_manager.kit.simulator import Fake, Reply, Request, route

NAME = "/office"  # where it stands in the simulator
PATH = f"{NAME}/alerts"
SECRET = "whsec_" + base64.b64encode(b"the secret of the demo's office.").decode()
SHOWN = 50  # of the latest


class Office(Fake):
    """Takes what is signed with SECRET, each event once; GET shows the latest, newest first."""

    system = "office"

    def setup(self) -> None:
        self.taken = self.table("alerts")

    def admits(self, request: Request) -> bool:
        """Everybody on this machine may look; what comes in has to be signed."""
        return request.method == "GET" or self._signed(request)

    @route("POST", "/alerts")
    def take(self, request: Request) -> Any:
        self.taken.put(request.headers["webhook-id"], request.json)
        return {"ok": True}

    @route("GET", "/alerts")
    def show(self, request: Request) -> Reply:
        return Reply([*self.taken][: -SHOWN - 1 : -1])

    @staticmethod
    def _signed(request: Request) -> bool:
        from alerts.channels.webhook import signature

        key, when = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
        return request.headers.get("webhook-signature") == signature(SECRET, key, when, request.body)


def channel(port: int, now: Any) -> None:
    """What needs a person, and what one should know, is told to the office."""
    from alerts.channel_models import Channel
    from alerts.kinds import Acts

    Channel.objects.create(
        kind="webhook",
        name="Office, in the simulator",
        topics=[Acts.PERSON.value, Acts.KNOW.value],
        credentials={"url": address(port), "secret": SECRET},
        created_at=now,
    )


def address(port: int) -> str:
    """Its address with the simulator at this port."""
    return f"http://127.0.0.1:{port}{PATH}"


def move(port: int, loopback: str) -> None:
    """The simulator listens at another port: the demo's channels that go there follow."""
    from alerts.channel_models import Channel
    from integration_manager.kit.oauth import plain

    for row in Channel.objects.filter(kind="webhook"):
        url = plain(row.credentials, "url")
        if url.startswith(loopback) and url.endswith(PATH) and url != address(port):
            row.credentials = {**row.credentials, "url": address(port)}
            row.save(update_fields=["credentials"])
