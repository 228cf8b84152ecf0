"""The kinds of channels, one small file each."""

from alerts.channels.base import Kind
from alerts.channels.slack import Slack
from alerts.channels.teams import Teams
from alerts.channels.webhook import Webhook

KINDS: dict[str, Kind] = {kind.key: kind for kind in (Slack(), Teams(), Webhook())}
