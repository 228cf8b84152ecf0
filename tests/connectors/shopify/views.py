"""The rows of the Shopify that is not there, as its interface gives them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.connectors.shopify.admin import connection, most, numbered

OPEN = ("OPEN", "IN_PROGRESS")
BUYERS = (
    ("Ada", "Okafor", "12 Mill Lane", "Portland", "OR", "Oregon", "97201", "US"),
    ("Jonas", "Lindqvist", "Storgatan 5", "Uppsala", None, None, "753 31", "SE"),
    ("Léa", "Garnier", "3 rue des Écoles", "Lyon", None, None, "69001", "FR"),
)


def second(at: datetime) -> str:
    """A time as Shopify gives it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def address(number: int) -> dict[str, Any]:
    """Where a buyer lives."""
    first, last, street, city, code, province, postcode, country = BUYERS[number % len(BUYERS)]
    return {
        "firstName": first, "lastName": last, "company": None, "address1": street, "address2": None, "city": city,
        "provinceCode": code, "province": province, "zip": postcode, "countryCodeV2": country, "phone": "555-0100",
    }  # fmt: skip


def cents(value: Decimal) -> Decimal:
    """An amount, rounded as money is."""
    return value.quantize(Decimal("0.01"))


def money(value: Any) -> dict[str, Any]:
    """An amount in the shop's currency."""
    return {"shopMoney": {"amount": str(value), "currencyCode": "USD"}}


def unit(row: Any, line: Any) -> Decimal:
    """What one piece of a line costs, with its tax."""
    tax = Decimal(0) if row["included"] else Decimal(line["tax"]) / line["quantity"]
    return cents(Decimal(line["price"]) - Decimal(line["off"]) / line["quantity"] + tax)


def order_view(shop: Any, row: Any) -> dict[str, Any]:
    """An order."""
    freight = Decimal(row["freight"]) - Decimal(row["freight_back"])
    tax = sum((cents(Decimal(one["tax"]) * one["current"] / one["quantity"]) for one in row["lines"]), Decimal(0))
    goods = sum(
        (
            cents((Decimal(one["price"]) - Decimal(one["off"]) / one["quantity"]) * one["current"])
            for one in row["lines"]
        ),
        Decimal(0),
    )
    total = goods + freight + (Decimal(0) if row["included"] else tax)
    left = sum(line["remaining"] for part in row["parts"] for line in part["lines"] if part["status"] != "CANCELLED")
    state = (
        "PARTIALLY_FULFILLED" if row["fulfillments"] and left else "FULFILLED" if row["fulfillments"] else "UNFULFILLED"
    )
    where = row["address"]
    return {
        "id": numbered("Order", row["key"]), "legacyResourceId": row["key"], "name": row["name"], "poNumber": row["po"],
        "createdAt": row["created"], "processedAt": row["created"],
        "updatedAt": row["updated"],
        "cancelledAt": row["cancelled"], "closed": row["closed"], "displayFinancialStatus": row["financial"],
        "displayFulfillmentStatus": state,
        "sourceName": row["source"], "tags": row["tags"], "note": row["note"],
        "email": row["email"], "phone": row["phone"],
        "currencyCode": row["currency"], "presentmentCurrencyCode": row.get("presentment", row["currency"]),
        "taxesIncluded": row["included"], "discountCodes": row["codes"], "paymentGatewayNames": [row["gateway"]],
        "customAttributes": [{"key": key, "value": value} for key, value in row["attributes"].items()],
        "customer": {"id": numbered("Customer", 31), "legacyResourceId": "31", "tags": row["customer_tags"]},
        "shippingAddress": where, "billingAddress": where,
        "shippingLines": connection([{"title": row["method"], "code": row["method"]}]),
        "currentTotalPriceSet": money(total), "currentTotalTaxSet": money(tax),
        "currentShippingPriceSet": money(freight),
        "refunds": lambda args: [
            {"legacyResourceId": str(one["id"]), "note": one["note"]} for one in row["refunds"][: most(args)]
        ],
        "lineItems": connection([line_view(one) for one in row["lines"]]),
        "fulfillmentOrders": connection([part_view(shop, part) for part in row["parts"]]),
        "fulfillments": lambda args: [made_view(row, one) for one in row["fulfillments"][: most(args)]],
        "transactions": lambda args: [payment_view(row, one) for one in row["payments"][: most(args)]],
    }  # fmt: skip


def line_view(line: Any) -> dict[str, Any]:
    """A line."""
    price, off = Decimal(line["price"]), cents(Decimal(line["off"]) / line["quantity"])
    group = {"title": line["bundle"], "variantSku": None} if line.get("bundle") else None
    return {
        "id": numbered("LineItem", line["id"]), "sku": line["sku"] or None, "name": line["name"],
        "quantity": line["quantity"], "currentQuantity": line["current"], "refundableQuantity": line["current"],
        "requiresShipping": not line.get("digital"), "isGiftCard": False,
        "originalUnitPriceSet": money(price), "discountedUnitPriceAfterAllDiscountsSet": money(price - off),
        "taxLines": [{"title": "Tax", "priceSet": money(line["tax"])}],
        "customAttributes": [{"key": key, "value": value} for key, value in line.get("attributes", {}).items()],
        "lineItemGroup": group,
    }  # fmt: skip


def part_view(shop: Any, part: Any) -> dict[str, Any]:
    """A fulfillment order."""
    place = shop.places.rows[part["location"]]
    actions = {
        "OPEN": ["CREATE_FULFILLMENT", "HOLD", "MOVE"],
        "IN_PROGRESS": ["CREATE_FULFILLMENT"],
        "ON_HOLD": ["RELEASE_HOLD"],
    }
    may = ["REQUEST_FULFILLMENT"] if part.get("service") else actions.get(part["status"], [])
    rows = [
        {"id": one["id"], "totalQuantity": one["total"], "remainingQuantity": one["remaining"],
         "requiresShipping": not one.get("digital"),
         "lineItem": {"id": numbered("LineItem", one["line"]), "sku": one["sku"] or None}}
        for one in part["lines"]
    ]  # fmt: skip
    return {
        "id": part["id"], "status": part["status"],
        "assignedLocation": {"name": place["name"], "location": {"id": place["id"]}},
        "deliveryMethod": {"methodType": part["method"]}, "supportedActions": [{"action": one} for one in may],
        "lineItems": connection(rows),
    }  # fmt: skip


def made_view(row: Any, made: Any) -> dict[str, Any]:
    """A fulfillment."""
    skus = {line["id"]: line["sku"] for line in row["lines"]}
    way = {name: made[name] for name in ("company", "number", "url")}
    rows = [
        {"quantity": n, "lineItem": {"id": numbered("LineItem", line), "sku": skus[line]}}
        for line, n in made["lines"].items()
    ]
    return {
        "__typename": "Fulfillment", "id": numbered("Fulfillment", made["id"]),
        "legacyResourceId": str(made["id"]), "status": made["status"],
        "trackingInfo": lambda args: [way][: most(args)] if any(way.values()) else [],
        "fulfillmentLineItems": connection(rows),
    }  # fmt: skip


def product_view(row: Any) -> dict[str, Any]:
    """A product."""
    return {
        "id": numbered("Product", row["key"]), "legacyResourceId": row["key"], "title": row["title"],
        "status": row["status"], "updatedAt": row["updated"],
        "hasOnlyDefaultVariant": [one["title"] for one in row["variants"]] == ["Default Title"],
        "variants": connection([variant_view(row, one) for one in row["variants"]]),
    }  # fmt: skip


def variant_view(row: Any, one: Any) -> dict[str, Any]:
    """A variant. Its weight is a float, in the unit it was typed in."""
    weight = {"value": one["weight"], "unit": one["unit"]} if one["weight"] is not None else None
    return {
        "id": numbered("ProductVariant", one["id"]), "legacyResourceId": one["id"], "title": one["title"],
        "sku": one["sku"] or None, "barcode": one["barcode"] or None, "price": one["price"],
        "requiresComponents": one["bundle"], "updatedAt": row["updated"],
        "inventoryItem": {"id": numbered("InventoryItem", one["id"]), "sku": one["sku"] or None,
                          "requiresShipping": not one["digital"], "measurement": {"weight": weight}},
    }  # fmt: skip


def job_view(job: Any) -> dict[str, Any]:
    """A cancellation in the background."""
    errors = [{"code": "INVALID", "field": None, "message": one} for one in job["errors"]]
    done = job["status"] != "STARTED"
    return {
        "__typename": "OrderCancelJobResult",
        "id": job["id"],
        "status": job["status"],
        "done": done,
        "errors": errors,
    }


def payment_view(row: Any, one: Any) -> dict[str, Any]:
    """A payment."""
    return {
        "id": numbered("OrderTransaction", one["id"]), "kind": one.get("kind", "SALE"),
        "status": one.get("status", "SUCCESS"),
        "gateway": one["gateway"], "maximumRefundableV2": {"amount": one["left"], "currencyCode": row["currency"]},
    }  # fmt: skip
