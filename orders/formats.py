"""The file formats that people mapped, put in the place of their names before a connector sees its values."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from integration_manager.kit.connector import Connector
from merchants.models import FileFormat, Merchant

CUSTOM = "custom:"


def with_formats(system: type[Connector], values: Mapping[str, Any], merchant: Merchant | None) -> dict[str, Any]:
    """The values, with a whole format where one is named. A name that stands for none stays as it is.

    The connector then says so where it needs the format, so that only the services which use it stop.
    """
    found = dict(values)
    named = {
        name: str(values[name]).removeprefix(CUSTOM)
        for name, field in system.fields.items()
        if field.files and str(values.get(name) or "").startswith(CUSTOM)
    }
    if not named:
        return found
    owned = Q(merchant=None) | Q(merchant=merchant) if merchant else Q(merchant=None)
    known = {
        (form.public_id, form.kind, form.direction): form.spec
        for form in FileFormat.objects.filter(owned, public_id__in=set(named.values()))
    }
    for name, public_id in named.items():
        kind = system.fields[name].files
        direction = FileFormat.Direction.OUT if kind in system.renders else FileFormat.Direction.IN
        spec = known.get((public_id, kind, direction))
        if spec is not None:
            found[name] = spec
    return found
