"""Postal codes: how those of each country look, and which state they lie in.

Facts, after the addressing pages of the Universal Postal Union (upu.int) for the forms, ZIP prefixes after the
labeling list L002 of the United States Postal Service, and Canadian first letters after Canada Post's guide.
"""

import functools
import re
from collections.abc import Mapping
from string import ascii_uppercase

# Country → its forms: 9 a digit, A a letter, * either, the rest as it stands. Spelled like this a code is standardised.
_FORMS = """
    AD AD999|AF 9999|AI AI-9999|AL 9999|AM 9999|AR A9999AAA,9999|AS 99999,99999-9999|AT 9999|AU 9999|AX 99999|AZ AZ 9999
    BA 99999|BB BB99999|BD 9999|BE 9999|BG 9999|BL 99999|BM AA 99,AA AA|BN AA9999|BR 99999-999|BY 999999
    CA A9A 9A9|CC 9999|CH 9999|CL 9999999,999-9999|CN 999999|CO 999999|CR 99999|CU 99999|CV 9999|CX 9999|CY 9999
    CZ 999 99|DE 99999|DK 9999|DO 99999|DZ 99999|EC 999999|EE 99999|EG 99999|ES 99999|ET 9999|FI 99999
    FM 99999,99999-9999|FO 999|FR 99999
    GB A9 9AA,A99 9AA,AA9 9AA,AA99 9AA,A9A 9AA,AA9A 9AA,GIR 0AA,BFPO 9,BFPO 99,BFPO 999,BFPO 9999
    GE 9999|GF 97399
    GG GY9 9AA,GY99 9AA|GI GX11 1AA|GL 9999|GP 97199|GR 999 99|GT 99999|GU 99999,99999-9999|HN 99999|HR 99999|HT HT9999
    HU 9999|ID 99999|IE A99 ****,D6W ****
    IL 9999999|IM IM9 9AA,IM99 9AA|IN 999999|IQ 99999|IR 99999-99999|IS 999|IT 99999|JE JE9 9AA|JO 99999|JP 999-9999
    KE 99999|KG 999999|KH 99999,999999|KR 99999|KW 99999|KZ 999999,A99A9A9|LA 99999|LI 9999|LK 99999|LS 999|LT LT-99999
    LU 9999|LV LV-9999|MA 99999|MC 98099|MD MD-9999|ME 99999|MF 97199|MG 999|MH 99999,99999-9999|MK 9999|MM 99999
    MN 99999|MP 99999,99999-9999|MQ 97299|MT AAA 9999|MV 99999|MX 99999|MY 99999|NC 98899|NE 9999|NF 9999|NG 999999
    NL 9999 AA|NO 9999|NP 99999|NZ 9999|OM 999|PE 99999|PF 98799|PG 999|PH 9999|PK 99999|PL 99-999|PM 97599
    PR 99999,99999-9999|PT 9999-999|PW 99999,99999-9999|PY 9999,999999|RE 97499|RO 999999|RS 99999,999999|RU 999999
    SA 99999,99999-9999|SE 999 99|SG 999999|SI 9999|SJ 9999|SK 999 99|SM 47899|SN 99999|SV 9999|SZ A999|TC TKCA 1ZZ
    TH 99999|TJ 999999|TM 999999|TN 9999|TR 99999|TW 999,99999,999999|UA 99999|UM 99999|US 99999,99999-9999|UY 99999
    UZ 999999|VA 00120|VC VC9999|VE 9999|VI 99999,99999-9999|VN 99999,999999|WF 98699|YT 97699|ZA 9999|ZM 99999
"""
FORMS: dict[str, tuple[str, ...]] = {
    one[:2]: tuple(one[3:].split(",")) for line in _FORMS.split("\n") for one in line.strip().split("|") if one
}
# Where nothing is delivered without one. Elsewhere one that is given is checked, and none is no fault.
_REQUIRED = """
    AT AU BE BG BR CA CH CN CY CZ DE DK EE ES FI FR GB GR HR HU IN IT JP KR LI LT LU LV MC MT MX MY NL NO NZ PL PR
    PT RO SE SG SI SK SM TH TR TW UA US VA
"""
REQUIRED = frozenset(_REQUIRED.split())
# First three digits of a ZIP Code → state: from, to.
_ZIPS = """
    005-005 NY|006-007 PR|008-008 VI|009-009 PR|010-027 MA|028-029 RI|030-038 NH|039-049 ME|050-054 VT|055-055 MA
    056-059 VT|060-069 CT|070-089 NJ|090-098 AE|100-149 NY|150-196 PA|197-199 DE|200-200 DC|201-201 VA|202-205 DC
    206-219 MD|220-246 VA|247-268 WV|270-289 NC|290-299 SC|300-319 GA|320-339 FL|340-340 AA|341-349 FL|350-369 AL
    370-385 TN|386-397 MS|398-399 GA|400-427 KY|430-459 OH|460-479 IN|480-499 MI|500-528 IA|530-549 WI|550-567 MN
    569-569 DC|570-577 SD|580-588 ND|590-599 MT|600-629 IL|630-658 MO|660-679 KS|680-693 NE|700-714 LA|716-729 AR
    730-732 OK|733-733 TX|734-749 OK|750-799 TX|800-816 CO|820-831 WY|832-838 ID|840-847 UT|850-865 AZ|870-884 NM
    885-885 TX|889-898 NV|900-961 CA|962-966 AP|967-968 HI|969-969 GU|970-979 OR|980-994 WA|995-999 AK
"""
_OTHER_ZIPS = {"06390": "NY", "83414": "WY", "96799": "AS", "96950": "MP", "96951": "MP", "96952": "MP"}
_SEVERAL = ("969",)  # prefixes of Guam and its neighbours: they say no state
_PROVINCES = {
    "A": "NL", "B": "NS", "C": "PE", "E": "NB", "G": "QC", "H": "QC", "J": "QC", "K": "ON", "L": "ON", "M": "ON",
    "N": "ON", "P": "ON", "R": "MB", "S": "SK", "T": "AB", "V": "BC", "Y": "YT",
}  # fmt: skip
_AUSTRALIA = (
    (200, 299, "ACT"), (800, 999, "NT"), (1000, 2599, "NSW"), (2600, 2618, "ACT"), (2619, 2899, "NSW"),
    (2900, 2920, "ACT"), (2921, 2999, "NSW"), (3000, 3999, "VIC"), (4000, 4999, "QLD"), (5000, 5999, "SA"),
    (6000, 6999, "WA"), (7000, 7999, "TAS"), (8000, 8999, "VIC"), (9000, 9999, "QLD"),
)  # fmt: skip
_MISREAD: Mapping[str, str] = {"O": "0", "I": "1", "L": "1"}  # letters that stand where a digit belongs
_MARK = re.compile(r"\s*[A-Z]{1,3}\s?-")  # of a country, before its postal code
LONGEST = 16  # characters worth looking at


def spelled(country: str, text: str) -> str | None:
    """The postal code as its country writes it: "k1aob1" in CA is K1A 0B1. None: it is none of that country."""
    forms = FORMS.get(country)
    if forms is None:
        return " ".join(text.upper().split())
    plain = "".join(char for char in text.upper() if char.isascii() and char.isalnum())
    if not plain or len(plain) > LONGEST:
        return None
    options = [plain]
    mark = _MARK.match(text.upper())
    if forms[0][0].isdigit() and (mark is not None or plain.startswith(country)):
        options.append(plain.lstrip(ascii_uppercase))  # D-10115, CH 8001
    elif plain.isdigit() and forms[0].startswith(country):
        options.append(country + plain)
    for misread in ({}, _MISREAD):
        for option in options:
            for form in forms:
                found = _in_form(form, option, misread)
                if found is not None:
                    return found if country != "US" or found[:3] in _by_prefix() else None
    return None


def state_of(country: str, code: str) -> str:
    """The state in which a postal code lies, as it is spelled; "" where it does not say."""
    if country == "US":
        if code[:5] in _OTHER_ZIPS:
            return _OTHER_ZIPS[code[:5]]
        return "" if code[:3] in _SEVERAL else _by_prefix().get(code[:3], "")
    if country == "CA":
        return _PROVINCES.get(code[:1], "")
    if country == "AU" and code.isdecimal():
        number = int(code)
        return next((state for first, last, state in _AUSTRALIA if first <= number <= last), "")
    return ""


def example(country: str) -> str:
    """How a postal code of this country may look; "" where it has none."""
    digits = iter("123456789012")
    form = FORMS.get(country, ("",))[0].replace("*", "X")
    return "".join(next(digits) if sign == "9" else sign for sign in form)


def _in_form(form: str, signs: str, misread: Mapping[str, str]) -> str | None:
    """These signs in that form. `misread`: letters that are taken for a digit where one belongs."""
    found, at = [], 0
    for wanted in form:
        if wanted in " -":
            found.append(wanted)
            continue
        if at >= len(signs):
            return None
        char = signs[at]
        at += 1
        if wanted == "9":
            char = misread.get(char, char)
            if not char.isdigit():
                return None
        elif wanted == "A":
            if not char.isalpha():
                return None
        elif wanted != "*" and char != wanted:
            return None
        found.append(char)
    return "".join(found) if at == len(signs) else None


@functools.cache
def _by_prefix() -> dict[str, str]:
    found: dict[str, str] = {}
    for line in _ZIPS.split("\n"):
        for one in line.strip().split("|"):
            if one:
                first, last, state = one[:3], one[4:7], one[8:]
                found |= {f"{number:03}": state for number in range(int(first), int(last) + 1)}
    return found
