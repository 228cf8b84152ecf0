"""What can be wrong with a cell, whatever its column means: damage, a spreadsheet's errors, lost digits."""

import re

LONGEST = 8_000  # characters
_SCIENTIFIC = re.compile(r"[+-]?\d(?:[.,]\d+)?E\+\d{1,3}", re.I)
_SHEET_ERRORS = {"#N/A", "#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!"}


def suspicious(row: str) -> bool:
    """Whether some cell of a row might have a fault: a quick look before the close one."""
    return "#" in row or "E+" in row or "e+" in row or "\ufffd" in row or "\0" in row or len(row) > LONGEST


def fault(header: str, text: str, *, used: bool, code: bool) -> str:
    """What is wrong with a cell, in plain words; "" if nothing is.

    `used`: whether its column means something; `code`: digits that mean no number, as an order number.
    """
    if len(text) > LONGEST:
        return f"{header} has {len(text):,} characters; {LONGEST:,} are the limit"
    if "\0" in text:
        return f"{header} holds a NUL byte; the file is damaged here"
    if "\ufffd" in text:
        return f"{header} holds characters that are not in the encoding of the file, neither UTF-8 nor Windows-1252"
    if not used:
        return ""
    if text in _SHEET_ERRORS or (len(text) > 2 and not text.strip("#")):
        return f"{header} is {text}, which is a spreadsheet's error and no value"
    if code and _SCIENTIFIC.fullmatch(text):
        return (
            f"{header} is {text}: a spreadsheet has turned it into a rounded number, and the digits are gone."
            " Format the column as text before saving"
        )
    return ""
