"""Slack's incoming webhooks. Mattermost and Rocket.Chat take the same."""

from typing import Any

from alerts.channels.base import Kind


class Slack(Kind):
    """Plain text blocks, so that nothing of an order is read as markup, and a button."""

    key, label = "slack", "Slack"
    help = "In Slack: Apps, Incoming Webhooks, Add to Slack, choose a channel, copy the Webhook URL."
    example = "https://hooks.slack.com/services/T000/B000/XXXX"

    def body(self, event: dict[str, Any]) -> dict[str, Any]:
        alert = event["alert"]
        blocks: list[dict[str, Any]] = [
            {"type": "header", "text": _plain(f"{alert['title']} at {event['account']['name']}", 150)},
            {"type": "section", "text": _plain(alert["message"])},
        ]
        whose = " · ".join(part for part in (alert["merchant"], alert["cart"], alert["fix"]) if part)
        if whose:
            blocks.append({"type": "context", "elements": [_plain(whose, 2000)]})
        button = {"type": "button", "text": _plain(alert["button"], 75), "url": alert["fix_url"]}
        blocks.append({"type": "actions", "elements": [button]})
        return {"text": _escaped(f"{alert['title']}: {alert['message']}"), "blocks": blocks}


def _plain(text: str, most: int = 3000) -> dict[str, str]:
    return {"type": "plain_text", "text": text if len(text) <= most else f"{text[: most - 1]}…"}


def _escaped(text: str) -> str:
    """For the notification, which is always markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")[:3000]
