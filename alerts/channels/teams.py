"""Microsoft Teams: a workflow that posts to a channel when a webhook request is received."""

import re
from typing import Any

from alerts.channels.base import Kind

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~])")


class Teams(Kind):
    """An adaptive card with a button."""

    key, label = "teams", "Microsoft Teams"
    help = "In Teams: Workflows, “Post to a channel when a webhook request is received”, copy its URL."
    example = "https://prod-00.westeurope.logic.azure.com/workflows/…"

    def body(self, event: dict[str, Any]) -> dict[str, Any]:
        alert = event["alert"]
        whose = " · ".join(part for part in (event["account"]["name"], alert["merchant"], alert["cart"]) if part)
        texts = [_text(alert["title"], weight="Bolder", size="Medium"), _text(alert["message"])]
        texts += [_text(text, isSubtle=True) for text in (whose, alert["fix"]) if text]
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": texts,
            "actions": [{"type": "Action.OpenUrl", "title": alert["button"], "url": alert["fix_url"]}],
        }
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
        return {"type": "message", "attachments": [attachment]}


def _text(text: str, **how: Any) -> dict[str, Any]:
    """Read as Markdown there: what stands in an order must not become a link."""
    return {"type": "TextBlock", "text": _MARKUP.sub(r"\\\1", text)[:4000], "wrap": True, **how}
