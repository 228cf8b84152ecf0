"""States and provinces by their codes, where an address needs one. After ISO 3166-2 and the postal services' lists."""

import unicodedata

_LISTS = {
    "US": """AL Alabama|AK Alaska|AZ Arizona|AR Arkansas|CA California|CO Colorado|CT Connecticut|DE Delaware
        DC District of Columbia|FL Florida|GA Georgia|HI Hawaii|ID Idaho|IL Illinois|IN Indiana|IA Iowa|KS Kansas
        KY Kentucky|LA Louisiana|ME Maine|MD Maryland|MA Massachusetts|MI Michigan|MN Minnesota|MS Mississippi
        MO Missouri|MT Montana|NE Nebraska|NV Nevada|NH New Hampshire|NJ New Jersey|NM New Mexico|NY New York
        NC North Carolina|ND North Dakota|OH Ohio|OK Oklahoma|OR Oregon|PA Pennsylvania|RI Rhode Island
        SC South Carolina|SD South Dakota|TN Tennessee|TX Texas|UT Utah|VT Vermont|VA Virginia|WA Washington
        WV West Virginia|WI Wisconsin|WY Wyoming|PR Puerto Rico|VI Virgin Islands|GU Guam|AS American Samoa
        MP Northern Mariana Islands|AA Armed Forces Americas|AE Armed Forces Europe|AP Armed Forces Pacific
        FM Micronesia|MH Marshall Islands|PW Palau""",
    "CA": """AB Alberta|BC British Columbia|MB Manitoba|NB New Brunswick|NL Newfoundland and Labrador|NS Nova Scotia
        NT Northwest Territories|NU Nunavut|ON Ontario|PE Prince Edward Island|QC Quebec|SK Saskatchewan|YT Yukon""",
    "AU": """ACT Australian Capital Territory|NSW New South Wales|NT Northern Territory|QLD Queensland
        SA South Australia|TAS Tasmania|VIC Victoria|WA Western Australia""",
    "BR": """AC Acre|AL Alagoas|AP Amapá|AM Amazonas|BA Bahia|CE Ceará|DF Distrito Federal|ES Espírito Santo|GO Goiás
        MA Maranhão|MT Mato Grosso|MS Mato Grosso do Sul|MG Minas Gerais|PA Pará|PB Paraíba|PR Paraná|PE Pernambuco
        PI Piauí|RJ Rio de Janeiro|RN Rio Grande do Norte|RS Rio Grande do Sul|RO Rondônia|RR Roraima
        SC Santa Catarina|SP São Paulo|SE Sergipe|TO Tocantins""",
    "MX": """AGU Aguascalientes|BCN Baja California|BCS Baja California Sur|CAM Campeche|CHP Chiapas|CHH Chihuahua
        CMX Ciudad de México|COA Coahuila|COL Colima|DUR Durango|GUA Guanajuato|GRO Guerrero|HID Hidalgo|JAL Jalisco
        MEX México|MIC Michoacán|MOR Morelos|NAY Nayarit|NLE Nuevo León|OAX Oaxaca|PUE Puebla|QUE Querétaro
        ROO Quintana Roo|SLP San Luis Potosí|SIN Sinaloa|SON Sonora|TAB Tabasco|TAM Tamaulipas|TLA Tlaxcala
        VER Veracruz|YUC Yucatán|ZAC Zacatecas""",
    "IN": """AN Andaman and Nicobar Islands|AP Andhra Pradesh|AR Arunachal Pradesh|AS Assam|BR Bihar|CH Chandigarh
        CG Chhattisgarh|DH Dadra and Nagar Haveli and Daman and Diu|DL Delhi|GA Goa|GJ Gujarat|HR Haryana
        HP Himachal Pradesh|JK Jammu and Kashmir|JH Jharkhand|KA Karnataka|KL Kerala|LA Ladakh|LD Lakshadweep
        MP Madhya Pradesh|MH Maharashtra|MN Manipur|ML Meghalaya|MZ Mizoram|NL Nagaland|OD Odisha|PY Puducherry
        PB Punjab|RJ Rajasthan|SK Sikkim|TN Tamil Nadu|TS Telangana|TR Tripura|UP Uttar Pradesh|UK Uttarakhand
        WB West Bengal""",
}  # fmt: skip
# The code, then those of WooCommerce and Shopify, and what people write, as `_plain` makes it.
_MEXICO = """
    AGU AG AGS|BCN BC|BCS BS|CAM CM CAMP|CHP CS CHIS|CHH CH CHIH|CMX DF CDMX DISTRITOFEDERAL MEXICOCITY
    COA CO COAH COAHUILADEZARAGOZA|COL CL|DUR DG DGO|GUA GT GTO|GRO GR|HID HG HGO|JAL JA
    MEX MX ESTADODEMEXICO EDODEMEXICO EDOMEX|MIC MI MICH MICHOACANDEOCAMPO|MOR MO|NAY NA|NLE NL|OAX OA|PUE PU
    QUE QT QRO|ROO QR QROO|SLP SL|SIN SI|SON SO|TAB TB|TAM TM TAMPS|TLA TL TLAX|VER VE VERACRUZDEIGNACIODELALLAVE
    YUC YU|ZAC ZA
"""
# Older codes, and what people write besides the name.
_ALSO = {
    "US": {"CALIF": "CA", "WASHINGTONDC": "DC", "USVIRGINISLANDS": "VI", "MASS": "MA", "PENN": "PA", "FLA": "FL"},
    "CA": {"PQ": "QC", "NF": "NL", "NEWFOUNDLAND": "NL", "PEI": "PE", "YUKONTERRITORY": "YT", "ONT": "ON"},
    "AU": {},
    "BR": {},
    "MX": {
        other: code
        for line in _MEXICO.split("\n")
        for one in line.strip().split("|")
        if one
        for code, *others in [one.split(" ")]
        for other in others
    },
    "IN": {
        "CT": "CG", "OR": "OD", "ORISSA": "OD", "TG": "TS", "UT": "UK", "UTTARANCHAL": "UK", "NEWDELHI": "DL",
        "PONDICHERRY": "PY", "JAMMUKASHMIR": "JK", "DN": "DH", "DD": "DH",
    },
}  # fmt: skip


def _plain(text: str) -> str:
    """How names are compared: letters alone, without accents."""
    found = unicodedata.normalize("NFKD", text.upper())
    return "".join(char for char in found if char.isascii() and char.isalpha())


def _read(text: str, also: dict[str, str]) -> dict[str, str]:
    pairs = [one.split(" ", 1) for line in text.split("\n") for one in line.strip().split("|")]
    return {_plain(name): code for code, name in pairs} | also | {code: code for code, _ in pairs}


_STATES = {country: _read(text, _ALSO[country]) for country, text in _LISTS.items()}
NEEDED = frozenset(_STATES)  # countries whose addresses name a state


def code_of(country: str, text: str) -> str | None:
    """The code that a state's name or code means in this country; None: it is none of its states.

    As it stands where the country's states are not known here.
    """
    known = _STATES.get(country)
    if known is None or len(text) > 60:
        return text if known is None else None
    return known.get(_plain(text))
