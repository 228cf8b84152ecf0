"""How many decimals an amount of a currency has: ISO 4217's minor units, where they are not two."""

from decimal import ROUND_HALF_UP, Decimal

_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_DECIMALS = {**dict.fromkeys(_NONE.split(), 0), **dict.fromkeys(_THREE.split(), 3), "CLF": 4, "UYW": 4}


def decimals(currency: str) -> int:
    """The decimals of a currency's amounts; two where it is unknown."""
    return _DECIMALS.get(currency.upper(), 2)


def rounded(amount: Decimal, currency: str) -> Decimal:
    """An amount as it can be paid in this currency, half a unit up."""
    return amount.quantize(Decimal(1).scaleb(-decimals(currency)), ROUND_HALF_UP)
