"""Every online address verifier of this folder, found by itself: a newcomer adds a file and nothing else."""

import functools
from collections.abc import Mapping

from integration_manager.kit.registry import Registry, discover
from integration_manager.kit.verifier import Verifier


@functools.cache
def registry() -> Registry:
    """The verifiers by key."""
    return discover(__name__, Verifier)


def problem(key: str, values: Mapping[str, str]) -> str:
    """What is wrong with the operator's choice of a verifier and its values, in words; "" where it can be asked."""
    found = registry().systems.get(key)
    if found is None:
        known = ", ".join(sorted(registry().systems))
        return f"IM_ADDRESS_VERIFIER: there is no address verifier “{key}”. Known: {known}."
    name = "IM_ADDRESS_VERIFIER_{}"
    unknown = sorted(name.format(field.upper()) for field in values.keys() - found.fields.keys())
    missing = [name.format(field.upper()) for field, is_of in found.fields.items() if is_of.required]
    missing = [variable for variable in missing if variable.removeprefix(name.format("")).lower() not in values]
    said = [f"{variable} is not set" for variable in missing]
    said += [f"{variable} is nothing that {found.label} knows" for variable in unknown]
    return f"{'; '.join(said)}." if said else ""
