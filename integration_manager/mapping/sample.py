"""The beginning of somebody's file, from which a format is mapped. It is read, never run, and soon forgotten."""

import base64
import csv
import io
from collections.abc import Sequence

from django.core.files.uploadedfile import UploadedFile

from integration_manager.kit.csvfile import dialect
from integration_manager.kit.csvlines import Broken, Lines, Runaway
from integration_manager.kit.fields import revealed

LARGEST = 1024 * 1024  # bytes of a file that is taken as a sample
KEPT = 64 * 1024  # bytes of it that are looked at, up to the end of a line
ROWS = 50  # rows that are looked at
SHOWN = 3  # values of a column that are shown
SIGNS = ",;\t|"
TOO_LARGE = "The sample is larger than 1 MB. Keep the first twenty rows or so, and upload those."


class Unfit(ValueError):
    """A file that cannot serve as a sample. The text says why, in plain words."""


def taken(file: UploadedFile) -> bytes:
    """What is kept of an uploaded file. Raises Unfit."""
    if (file.size or 0) > LARGEST:
        raise Unfit(TOO_LARGE)
    data: bytes = file.read(KEPT + 1)
    if not data.strip():
        raise Unfit("The file is empty.")
    if len(data) > KEPT:
        cut = max(data.rfind(b"\n", 0, KEPT), data.rfind(b"\r", 0, KEPT))
        data = data[: cut + 1] if cut > 0 else data[:KEPT]
    try:
        Lines(io.BytesIO(data))
    except Broken as error:
        raise Unfit(str(error)) from None
    return data


def packed(data: bytes) -> dict[str, str]:
    """The sample as it is stored (encrypted)."""
    return {"data": base64.b64encode(data).decode()} if data else {}


def unpacked(stored: dict[str, object]) -> bytes:
    """The inverse of `packed`; empty where there is no sample."""
    return base64.b64decode(str(revealed(stored.get("data")) or ""))


def rows(data: bytes, *, delimiter: str, quote: str, encoding: str) -> list[list[str]]:
    """The first rows of a sample, cells trimmed; blank lines are left out. Never raises."""
    text = text_of(data, encoding)
    sign = delimiter or likely_delimiter(text)
    found: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text), **dialect(sign, quote), skipinitialspace=True):
            if any(cell.strip() for cell in row):
                found.append([cell.strip() for cell in row])
            if len(found) >= ROWS:
                break
    except csv.Error:
        pass  # a quotation mark that is never closed: what came before it is shown
    return found


def text_of(data: bytes, encoding: str) -> str:
    """A sample as text, as the engine would read it."""
    found = []
    try:
        for line in Lines(io.BytesIO(data), encoding):
            found.append(line)
    except (Broken, Runaway):
        pass
    return "".join(found).replace("\0", "")


def likely_delimiter(text: str) -> str:
    """The sign that cuts the first line into the most cells."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(SIGNS, key=lambda sign: len(next(csv.reader([first], delimiter=sign), [])))


def values_of(body: Sequence[Sequence[str]], index: int) -> list[str]:
    """Up to three different values that a column has, for a person to recognise it by."""
    found: list[str] = []
    for row in body:
        value = row[index] if index < len(row) else ""
        if value and value not in found:
            found.append(value)
        if len(found) == SHOWN:
            break
    return found
