"""The addresses: what every one needs to have, and, where a cart verifies them, how its country writes it."""

from msgspec import structs

from integration_manager.kit.canonical import Address, Order
from integration_manager.kit.countries import name_of
from integration_manager.kit.verifier import Answer
from merchants.rules.address_check import CITY_STATES, LABELS, STREETS, Checked, Fault, checked
from merchants.rules.draft import ADDRESS_LOOKUP, Applied, Draft, Hold, Problem
from merchants.rules.known import Rules
from merchants.rules.verify import Verify, can_be_asked

ERROR, INCOMPLETE = "address_error", "address_incomplete"
SIDES = {"ship": "Shipping", "bill": "Billing"}
PLACE = (*STREETS, "city", "state", "zip")  # what a look-up says
SUGGESTED = "Suggested"  # begins the field of what may have been meant
UNCONFIRMED = "The address could not be confirmed."


def check(draft: Draft, rules: Rules) -> None:
    """Verifies the addresses that the cart's setup says, then stops an order that nobody could deliver."""
    known = rules.verify
    if known.sides:
        for side in SIDES:
            if known.covers(side, getattr(draft.order, side)):
                _verify(draft, known, side)
    _complete(draft)


def to_ask(order: Order, known: Verify) -> list[Address]:
    """The addresses of an order whose look-up it waits for, as they are asked about."""
    if known.answer is None:
        return []
    found = [checked(getattr(order, side)).address for side in SIDES if known.covers(side, getattr(order, side))]
    return [address for address in found if can_be_asked(address) and known.answer(address) is None]


def in_a_line(address: Address) -> str:
    """An address in a sentence."""
    parts = [value for name in PLACE if (value := getattr(address, name))]
    return ", ".join([*parts, name_of(address.country)] if address.country else parts)


def _verify(draft: Draft, known: Verify, side: str) -> None:
    given: Address = getattr(draft.order, side)
    found, said = checked(given), ""
    if known.answer is not None and can_be_asked(found.address):
        answer = known.answer(found.address)
        if answer is None:
            draft.wait(Hold(ADDRESS_LOOKUP, f"{SIDES[side]} address: {known.provider} is asked about it."))
        elif answer.unasked:
            said = answer.said
        else:
            _heed(found, answer, known.provider)
    _tell(draft, side, found, said)
    if found.faults:
        _stop(draft, known, side, found)


def _heed(found: Checked, answer: Answer, provider: str) -> None:
    """Takes a look-up's word: it knows more than the built-in rules."""
    where = answer.address
    if answer.sure:
        found.faults, found.suggested = [], None
        for name in PLACE:
            if value := getattr(where, name, None):
                found.put(name, value, f"{provider} says so.")
        return
    found.fault(UNCONFIRMED, answer.said or f"{provider} knows no such address.")
    if where is not None:
        meant = {name: value for name in PLACE if (value := getattr(where, name))}
        found.suggested = structs.replace(found.address, **meant)


def _tell(draft: Draft, side: str, found: Checked, said: str) -> None:
    """Changes the address in the order that is sent, and says why; the source's own stays where it is stored."""
    told = [Applied(f"{SIDES[side]} {LABELS[one.name]}", one.why, one.before, one.after) for one in found.changes]
    if told:
        draft.change(told[0], **{side: found.address})
        draft.applied.extend(told[1:])
    if said:
        draft.applied.append(Applied(f"{SIDES[side]} address", said))


def _stop(draft: Draft, known: Verify, side: str, found: Checked) -> None:
    """What is wrong, in the timeline; and, where the cart holds such orders, until somebody has looked at it."""
    where = f"{SIDES[side]} address"
    held = known.hold and not draft.address_right
    for fault in found.faults:
        draft.applied.append(Applied(where, fault.detail if held else f"{fault.detail} It is sent all the same."))
    if not held:
        return
    if found.suggested is not None:
        draft.suggest(side, found.suggested, Applied(f"{SUGGESTED} {where.lower()}", in_a_line(found.suggested)))
    draft.stop(
        Problem(
            code=ERROR,
            field=side,
            message=_in_a_sentence(found.faults[0], where),
            fix="Correct the address here or in the shop; the order is sent as soon as that is done.",
        )
    )


def _in_a_sentence(fault: Fault, where: str) -> str:
    return f"{where}: {fault.message[0].lower()}{fault.message[1:]}"


def _complete(draft: Draft) -> None:
    """Stops an order that nobody could deliver, whatever the cart's setup says."""
    where = draft.order.ship
    missing = [
        label
        for label, value in (
            ("name or company", where.name),
            ("street", where.address_1),
            ("city", where.city or where.country in CITY_STATES),
            ("country", where.country),
        )
        if not value
    ]
    if missing:
        draft.stop(
            Problem(
                code=INCOMPLETE,
                field="ship",
                message=f"The shipping address has no {', no '.join(missing)}.",
                fix="Correct the address in the shop; the order is sent as soon as the correction arrives.",
            )
        )
