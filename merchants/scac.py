"""SCAC Mapping: the WMS's carrier codes as the carts know them.

Rows fill themselves in from confirmations, each passed through until somebody maps it. The list proposes;
any other code can be typed, since carts have names of their own.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection

from integration_manager import tenancy
from merchants.models import CarrierCode
from merchants.rules.methods import code_key

MOST = 1000  # carriers of a merchant
LONGEST = 60
LONGEST_SCAC = 20

# What most carts understand better than any SCAC, then SCACs of parcel, freight and truck carriers.
KNOWN = (
    ("UPS", "UPS, by name"),
    ("FEDEX", "FedEx, by name"),
    ("USPS", "United States Postal Service"),
    ("DHL", "DHL, by name"),
    ("UPSN", "United Parcel Service"),
    ("FDEG", "FedEx Ground"),
    ("FDEN", "FedEx Express"),
    ("FXFE", "FedEx Freight Priority"),
    ("FXNL", "FedEx Freight Economy"),
    ("UPGF", "UPS Freight, now TForce"),
    ("DHLC", "DHL Express"),
    ("AACT", "AAA Cooper Transportation"),
    ("ABFS", "ABF Freight"),
    ("CNWY", "XPO, formerly Con-way"),
    ("CTII", "Central Transport"),
    ("DAFG", "Dayton Freight"),
    ("EXLA", "Estes Express Lines"),
    ("HJBT", "J.B. Hunt"),
    ("HMES", "Holland"),
    ("NPME", "New Penn Motor Express"),
    ("ODFL", "Old Dominion Freight Line"),
    ("PITD", "Pitt Ohio"),
    ("RDFS", "Roadrunner Freight"),
    ("RDWY", "YRC Freight"),
    ("RETL", "Reddaway"),
    ("RLCA", "R+L Carriers"),
    ("SAIA", "Saia"),
    ("SCNN", "Schneider National"),
    ("SEFL", "Southeastern Freight Lines"),
    ("WARD", "Ward Trucking"),
    ("WERN", "Werner Enterprises"),
    ("XPOL", "XPO Logistics"),
)


def translation(merchant_id: int) -> dict[str, str]:
    """A merchant's mapped carriers: key → what carts are told."""
    rows = CarrierCode.objects.filter(merchant=merchant_id).exclude(scac="")
    return dict(rows.values_list("key", "scac"))


def carrier_key(carrier: str | None) -> str:
    """A carrier as it is compared, as ship codes are."""
    return code_key((carrier or "")[:LONGEST])[:LONGEST]


def note(merchant_id: int, carriers: Iterable[str | None], now: datetime) -> None:
    """Puts carriers on the merchant's list, where they can be mapped, once each."""
    said = ((carrier or "").replace("\x00", "") for carrier in carriers)
    new = {key: carrier for carrier in said if (key := carrier_key(carrier))}
    if not new:
        return
    keys = sorted(new)
    account = tenancy.account_id()
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO merchants_carriercode (account_id, merchant_id, code, key, scac, by_hand, created_at)
               SELECT %s, %s, g.code, g.key, '', false, %s FROM unnest(%s::text[], %s::text[]) AS g(key, code)
               WHERE NOT EXISTS (SELECT 1 FROM merchants_carriercode c
                                 WHERE c.account_id = %s AND c.merchant_id = %s AND c.key = g.key)
                 AND (SELECT count(*) FROM merchants_carriercode c
                      WHERE c.account_id = %s AND c.merchant_id = %s) < %s
               ON CONFLICT DO NOTHING""",
            [
                *(account, merchant_id, now, keys, [" ".join(new[key].split())[:LONGEST] for key in keys]),
                *(account, merchant_id, account, merchant_id, MOST),
            ],
        )
