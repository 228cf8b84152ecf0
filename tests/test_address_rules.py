"""Addresses by the rules of their country: what is rewritten, what is missing, what may have been meant. Pure."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from integration_manager.kit.canonical import Address
from integration_manager.kit.countries import ALPHA_2, alpha_2, alpha_3, name_of
from integration_manager.kit.verifier import Answer
from merchants.rules import Rules, judge, postal_codes, states
from merchants.rules.address import to_ask
from merchants.rules.address_check import LABELS, checked
from merchants.rules.address_parts import place_of, unit_of
from merchants.rules.verify import Verify
from merchants.verifiers.smarty import us_answer
from tests.test_rules import PLAIN, SHIP, codes, order

SALEM = structs.replace(SHIP, state="OR", zip="97301")


def verified(**more: Any) -> Rules:
    """The plain rules with verification."""
    return replace(PLAIN, verify=Verify(**{"sides": "ship", "hold": True, **more}))


def written(**given: str) -> dict[str, str]:
    """What of an address is written otherwise."""
    return {one.name: one.after for one in checked(Address(**given)).changes}


# ── facts ──


@pytest.mark.parametrize(
    ("country", "text", "code"),
    [
        ("US", "627041234", "62704-1234"), ("US", "6270", None), ("US", "752O1", "75201"), ("PR", "00901", "00901"),
        ("CA", "k1aob1", "K1A 0B1"), ("CA", "12345", None), ("GB", "sw1a1aa", "SW1A 1AA"), ("GB", "m1 1ae", "M1 1AE"),
        ("DE", "D-10115", "10115"), ("CH", "CH 8001", "8001"), ("LT", "01234", "LT-01234"), ("NL", "1234ab", "1234 AB"),
        ("GB", "bfpo57", "BFPO 57"), ("GB", "BFPO", None),
        ("IE", "d02x285", "D02 X285"), ("PT", "1000001", "1000-001"), ("SE", "11122", "111 22"),
        ("BR", "01310100", "01310-100"), ("JP", "0600001", "060-0001"), ("AE", " any thing ", "ANY THING"),
        ("US", "9" * 50, None), ("US", "00000", None), ("US", "", None),
    ],
)  # fmt: skip
def test_a_postal_code_is_spelled_as_its_country_does(country: str, text: str, code: str | None) -> None:
    assert postal_codes.spelled(country, text) == code


def test_every_form_is_of_a_country_and_takes_its_own_example() -> None:
    assert set(postal_codes.FORMS) <= ALPHA_2
    assert set(postal_codes.FORMS) >= postal_codes.REQUIRED >= {"US", "CA", "GB", "DE"}
    for country in postal_codes.FORMS:
        example = postal_codes.example(country)
        assert postal_codes.spelled(country, example) == example, country
        assert postal_codes.spelled(country, example.lower().replace(" ", "").replace("-", "")) == example, country


@pytest.mark.parametrize(
    ("country", "code", "state"),
    [
        ("US", "97201", "OR"), ("US", "02134", "MA"), ("US", "06390", "NY"), ("US", "73301", "TX"), ("US", "96910", ""),
        ("CA", "K1A 0B1", "ON"), ("CA", "X0A 0H0", ""), ("AU", "2000", "NSW"), ("AU", "0800", "NT"),
        ("DE", "10115", ""),
    ],
)  # fmt: skip
def test_a_postal_code_says_its_state_where_it_does(country: str, code: str, state: str) -> None:
    assert postal_codes.state_of(country, code) == state


@pytest.mark.parametrize(
    ("country", "text", "code"),
    [
        ("US", "oregon", "OR"), ("US", "Washington D.C.", "DC"), ("US", "Ontario", None), ("CA", "Québec", "QC"),
        ("CA", "PQ", "QC"), ("MX", "Nuevo Leon", "NLE"), ("BR", "SÃO PAULO", "SP"), ("IN", "orissa", "OD"),
        ("MX", "Edo. de México", "MEX"), ("MX", "Jalisco", "JAL"), ("IN", "Jammu & Kashmir", "JK"), ("IN", "DD", "DH"),
        ("DE", "Bayern", "Bayern"), ("US", "x" * 100, None),
    ],
)  # fmt: skip
def test_a_state_is_known_by_name_and_code(country: str, text: str, code: str | None) -> None:
    assert states.code_of(country, text) == code


# The codes that shops give for the states of Mexico, in the order of ISO 3166-2's.
MEXICO = (
    "AGU BCN BCS CAM CHP CHH CMX COA COL DUR GUA GRO HID JAL MEX MIC MOR NAY NLE OAX PUE QUE ROO SLP SIN SON TAB TAM "
    "TLA VER YUC ZAC",
    "AG BC BS CM CS CH DF CO CL DG GT GR HG JA MX MI MO NA NL OA PU QT QR SL SI SO TB TM TL VE YU ZA",
    "AGS BC BCS CAMP CHIS CHIH DF COAH COL DGO GTO GRO HGO JAL MEX MICH MOR NAY NL OAX PUE QRO Q_ROO SLP SIN SON TAB "
    "TAMPS TLAX VER YUC ZAC",
)


@pytest.mark.parametrize("codes", MEXICO, ids=["ISO", "WooCommerce", "Shopify"])
def test_the_codes_that_shops_give_are_states(codes: str) -> None:
    found = [states.code_of("MX", code.replace("_", " ")) for code in codes.split()]
    assert found == MEXICO[0].split()


def test_every_country_has_a_name_and_is_read_by_it() -> None:
    for code in ALPHA_2:
        assert alpha_2(name_of(code)) == alpha_2(alpha_3(code)) == code
    assert (alpha_2("UK"), alpha_2("Narnia"), name_of("XX")) == ("GB", None, "XX")


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("12 Main St Apt 4", ("12 Main St", "Apt 4")), ("12 Main St, Suite 210B", ("12 Main St", "Suite 210B")),
        ("12 Main St #4", ("12 Main St", "#4")), ("12 Main St Unit B", ("12 Main St", "Unit B")),
        ("12 Unit Rd", None), ("12 Floor Street", None), ("Apt 4", None), ("12 Main St", None), ("12 Oak Lot St", None),
    ],
)  # fmt: skip
def test_street_and_unit_are_told_apart(line: str, parts: tuple[str, str] | None) -> None:
    assert unit_of(line) == parts


@pytest.mark.parametrize(
    ("country", "line", "parts"),
    [
        ("US", "Springfield, IL 62704", ("Springfield", "IL", "62704")),
        ("US", "New York NY 10001", ("New York", "NY", "10001")),
        ("US", "Chapel Hill, North Carolina", ("Chapel Hill", "NC", "")),
        ("CA", "Ottawa ON K1A 0B1", ("Ottawa", "ON", "K1A 0B1")),
        ("AU", "Sydney NSW 2000", ("Sydney", "NSW", "2000")),
        ("DE", "10115 Berlin", ("Berlin", "", "10115")),
        ("NL", "1234 AB Den Haag", ("Den Haag", "", "1234 AB")),
        ("GB", "London SW1A 1AA", ("London", "", "SW1A 1AA")),
        ("US", "Springfield", None),
        ("US", "Springfield, OR 62704", None),  # the code lies in another state: nothing is guessed
        ("US", "Kansas City", None),
        ("FR", "Paris", None),
    ],
)
def test_city_state_and_postal_code_are_told_apart(country: str, line: str, parts: Any) -> None:
    found = place_of(country, line)
    assert (found and (found.rest, found.state, found.zip)) == parts


# ── an address as a whole ──


def test_the_whole_address_in_one_line_is_taken_apart() -> None:
    assert written(address_1="12 Main St, Springfield, IL 62704, USA", country="US") == {
        "address_1": "12 Main St", "city": "Springfield", "state": "IL", "zip": "62704",
    }  # fmt: skip
    assert written(address_1="12 Main St", address_2="Springfield IL 62704", country="US") == {
        "address_2": "", "city": "Springfield", "state": "IL", "zip": "62704",
    }  # fmt: skip


def test_what_is_right_stays_as_it_is() -> None:
    for address in (
        SALEM,
        Address(address_1="1600 PENNSYLVANIA AVE NW", city="WASHINGTON", state="DC", zip="20500-0003", country="US"),
        Address(address_1="3 rue des Écoles", city="Lyon", zip="69001", country="FR"),
        Address(address_1="Sheikh Zayed Road", city="Dubai", country="AE"),
    ):
        found = checked(address)
        assert (found.address, found.changes, found.faults) == (address, [], [])


@pytest.mark.parametrize(
    ("fields_", "after"),
    [
        ({"zip": "2134", "state": "MA", "city": "Boston"}, {"zip": "02134"}),  # a spreadsheet took its zero
        ({"zip": "97301", "state": ""}, {"state": "OR"}),
        ({"city": "97301", "zip": "Salem"}, {"city": "Salem", "zip": "97301"}),
        ({"address_1": "", "address_2": "14 Mill Lane"}, {"address_1": "14 Mill Lane", "address_2": ""}),
        ({"country": "usa"}, {"country": "US"}),
        ({"city": "  salem "}, {"city": "Salem"}),
        ({"city": "Singapore", "country": "SG", "zip": "018956", "state": ""}, {}),
        ({"city": "", "country": "SG", "zip": "018956", "state": ""}, {"city": "Singapore"}),
    ],
)
def test_what_can_be_no_other_is_put_right(fields_: dict[str, str], after: dict[str, str]) -> None:
    base = {"address_1": "14 Mill Lane", "city": "Salem", "state": "OR", "zip": "97301", "country": "US"}
    found = checked(Address(**{name: value for name, value in {**base, **fields_}.items() if value}))
    assert {one.name: one.after for one in found.changes} == after
    assert found.faults == []


@pytest.mark.parametrize(
    ("fields_", "message", "suggested"),
    [
        ({"zip": "1"}, "The postal code is none of its country.", None),
        ({"zip": None}, "The address has no postal code.", None),
        ({"state": "XX"}, "The state is none of its country.", {"state": "OR"}),
        ({"zip": "02134"}, "The postal code lies in another state.", {"state": "MA"}),
        ({"zip": "K1A0B1", "state": "ON"}, "The postal code is none of its country.", {"country": "CA"}),
        ({"country": "Narnia"}, "The country is not known.", {"country": "US"}),
        ({"state": None, "zip": None}, "The address has no state.", None),
    ],
)
def test_what_a_person_has_to_correct_and_what_may_have_been_meant(
    fields_: Any, message: str, suggested: dict[str, str] | None
) -> None:
    found = checked(structs.replace(SALEM, **fields_))
    assert found.faults[0].message == message
    if suggested is None:
        assert found.suggested is None
    else:
        assert found.suggested is not None
        assert {name: getattr(found.suggested, name) for name in suggested} == suggested


# ── the rule ──


def test_a_corrected_address_is_sent_and_told_and_the_source_is_not_touched() -> None:
    source = order(ship=structs.replace(SALEM, state="Oregon"))
    outcome = judge(source, verified())
    assert outcome.prepared("R").order.ship.state == "OR"
    assert source.ship.state == "Oregon"
    assert outcome.story == [
        {"field": "Shipping state", "why": "The state is written by its code.", "before": "Oregon", "after": "OR"}
    ]


@pytest.mark.parametrize(
    ("settings", "ship", "found"),
    [
        ({}, {"zip": "1"}, ["address_error"]),
        ({"hold": False}, {"zip": "1"}, []),
        ({"sides": ""}, {"zip": "1"}, []),
        ({"which": "us"}, {"zip": "1"}, ["address_error"]),
        ({"which": "other"}, {"zip": "1"}, []),
        ({"which": "other"}, {"zip": "1", "country": "DE"}, ["address_error"]),
        ({"which": "us"}, {"zip": "1", "country": "DE"}, []),
        ({"which": "us"}, {"zip": "1", "country": "PR"}, ["address_error"]),
    ],
)
def test_the_settings_say_whose_addresses_are_verified_and_what_is_held(settings: Any, ship: Any, found: Any) -> None:
    assert codes(judge(order(ship=structs.replace(SALEM, **ship)), verified(**settings))) == found
    assert codes(judge(order(ship=structs.replace(SALEM, **ship)), verified(**settings), address_right=True)) == []
    released = judge(order(ship=structs.replace(SALEM, **ship)), verified(**settings), anyway=True)
    assert codes(released) == found, "who releases an order says nothing of its address"


def test_the_billing_address_is_verified_only_where_that_is_asked_for_and_there_is_one() -> None:
    bad = order(ship=SALEM, bill=structs.replace(SALEM, zip="1"))
    assert codes(judge(bad, verified())) == []
    (problem,) = judge(bad, verified(sides="both")).problems
    assert (problem.field, problem.message) == ("bill", "Billing address: the postal code is none of its country.")
    assert codes(judge(order(ship=SALEM, bill=Address(e_mail="a@b.example")), verified(sides="both"))) == []


def test_one_message_for_one_kind_of_fault_so_that_its_orders_are_one_group() -> None:
    wrong = [structs.replace(SALEM, zip=code) for code in ("1", "22")]
    messages = {judge(order(ship=where), verified()).problems[0].message for where in wrong}
    assert len(messages) == 1


def test_a_look_up_is_waited_for_taken_at_its_word_or_done_without() -> None:
    bad = order(ship=structs.replace(SALEM, zip="02134"))

    def asked(answer: Answer | None, **more: Any) -> Any:
        return judge(bad, verified(answer=lambda where: answer, provider="Acorn", **more))

    waiting = asked(None)
    assert (waiting.waits.by, to_ask(bad, verified(answer=lambda where: None).verify)) == (
        "address_lookup", [bad.ship],
    )  # fmt: skip
    nobody = verified(answer=lambda where: None)
    released = judge(order(ship=SALEM), nobody, anyway=True).waits
    assert released is not None and released.by == "address_lookup"
    assert judge(order(ship=SALEM), nobody, address_right=True).waits is None
    sure = asked(Answer(True, Address(address_1="14 Mill Ln", zip="97301-4321")))
    assert (sure.problems, sure.prepared("R").order.ship.zip) == ([], "97301-4321"), "it knows more than the rules"
    unsure = asked(Answer(False, Address(zip="97302"), "No such house."))
    assert codes(unsure) == ["address_error"]
    assert unsure.suggested["ship"].zip == "97302"
    unknown = asked(Answer(False))
    assert unknown.suggested == {} or unknown.suggested["ship"].state == "MA", "of the rules, at most"
    without = asked(Answer(False, unasked=True, said="Acorn did not answer."))
    assert "Acorn did not answer." in [one["why"] for one in without.story]
    assert codes(without) == ["address_error"], "the built-in rules decide alone"
    assert to_ask(order(ship=Address(country="US")), verified(answer=lambda where: None).verify) == []


words = st.text(max_size=24)
some = (
    st.none() | words | st.sampled_from(["US", "CA", "usa", "DE", "12 Main St Apt 4", "OR", "97301", "K1A0B1", "Salem"])
)
addresses = st.builds(Address, **{f.name: some for f in structs.fields(Address)})


@given(addresses)
def test_nothing_of_an_address_is_lost_or_invented_and_a_second_look_changes_nothing(given_: Address) -> None:
    found = checked(given_)
    again = checked(found.address)
    assert (again.address, again.changes) == (found.address, [])
    for one in structs.fields(Address):
        if getattr(given_, one.name) != getattr(found.address, one.name):
            assert one.name in LABELS
            assert [change.name for change in found.changes].count(one.name) == 1, "each is told once"
    assert (given_.phone, given_.e_mail, given_.title) == (
        found.address.phone,
        found.address.e_mail,
        found.address.title,
    )


@given(addresses, addresses, st.sampled_from(["", "ship", "both"]), st.booleans(), st.booleans())
def test_whatever_the_addresses_an_order_is_sent_held_or_told_of(
    ship: Address, bill: Address, sides: str, hold: bool, right: bool
) -> None:
    source = order(ship=ship, bill=bill)
    outcome = judge(source, verified(sides=sides, hold=hold), address_right=right)
    sent = outcome.prepared("R")
    assert sent.order.lines == source.lines
    assert (sent.order.ship == ship and sent.order.bill == bill) or outcome.story
    if not sides:
        assert (sent.order.ship, sent.order.bill) == (ship, bill)
    if right or not hold:
        assert "address_error" not in codes(outcome)


@pytest.mark.parametrize(
    ("given", "line", "unit"),
    [
        (None, "12 Mill Lane", "Apt 1"),
        ("apt 1", "12 Mill Lane", "Apt 1"),
        ("Unit # 1", "12 Mill Lane", "Apt 1"),
        ("c/o Room 12", "12 Mill Lane Apt 1", "c/o Room 12"),
        ("Apt 12", "12 Mill Lane Apt 1", "Apt 12"),
    ],
)
def test_a_second_line_gives_way_to_the_same_unit_alone(given: str | None, line: str, unit: str) -> None:
    parts = {"secondary_designator": "Apt", "secondary_number": "1"}
    said = [{"delivery_line_1": "12 Mill Lane Apt 1", "components": parts, "analysis": {"dpv_match_code": "Y"}}]
    found = us_answer(Address(address_1="12 mill lane", address_2=given), said).address
    assert found is not None and (found.address_1, found.address_2) == (line, unit)
