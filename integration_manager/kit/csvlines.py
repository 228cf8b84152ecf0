"""The bytes of a CSV file as lines of text: byte order marks, encodings, line ends of all systems."""

import codecs
from collections import deque
from collections.abc import Iterator
from typing import IO

from integration_manager.kit.folder import CHUNK, spool

MAX_RECORD = 128_000  # characters of one row with all its lines; the csv module ends cells at 131,072
SAMPLE = 64 * 1024  # bytes looked at to tell what a file is

_NO_TEXT = {
    b"PK\x03\x04": "It is an Excel workbook or a ZIP archive. Save it as CSV UTF-8, and put that file here.",
    b"\xd0\xcf\x11\xe0": "It is an old Excel workbook. Save it as CSV UTF-8, and put that file here.",
    b"%PDF": "It is a PDF document, and not a CSV file.",
    b"\x1f\x8b": "It is compressed. Unpack it first.",
}


class Broken(Exception):
    """A file that cannot be read as a table. The text says why, in plain words."""


class Runaway(Exception):
    """A record that does not end."""


class Lines:
    """The lines of a file as text. Those of a record that went wrong can be given back."""

    def __init__(self, stream: IO[bytes], encoding: str = "") -> None:
        """`stream`: at its start, seekable. `encoding`: "" is found by looking, line by line."""
        self.stream, sure = _plain(stream)
        self.encoding = "" if sure else encoding
        self.number = self.position = 0  # lines given; bytes read
        self.taken: list[str] = []
        self._size = 0
        self._back: deque[str] = deque()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        text = self._back.popleft() if self._back else self._read()
        self.number += 1
        self.taken.append(text)
        self._size += len(text)
        if self._size > MAX_RECORD:
            raise Runaway
        return text

    def _read(self) -> str:
        raw = self.stream.readline(MAX_RECORD * 4)
        if not raw:
            raise StopIteration
        self.position += len(raw)
        if len(raw) == MAX_RECORD * 4 and not raw.endswith(b"\n"):
            while (rest := self.stream.readline(CHUNK)) and not rest.endswith(b"\n"):
                pass
        if raw.startswith(codecs.BOM_UTF8):  # files put together keep the mark that each began with
            raw = raw[len(codecs.BOM_UTF8) :]
        if self.encoding:
            return raw.decode(self.encoding, "replace")
        # Each line by itself: programs append lines in another encoding than that of the rest.
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("cp1252", "replace")

    def begin(self) -> None:
        """The next line begins a record."""
        self.taken, self._size = [], 0

    def give_back(self, keep: int) -> None:
        """The lines of the present record will come again, other than the first `keep`."""
        rest = self.taken[keep:]
        self._back.extendleft(reversed(rest))
        self.number -= len(rest)

    def peek(self) -> str:
        """The next line that is not blank; "" at the end. It comes again."""
        for text in self:
            if text.strip():
                self.give_back(len(self.taken) - 1)
                return text
        return ""


def _plain(stream: IO[bytes]) -> tuple[IO[bytes], bool]:
    """The stream without its byte order mark, with line feeds, in an encoding that extends ASCII.

    And whether the encoding is UTF-8 for sure, by a mark or because it was made so.
    """
    sample = stream.read(SAMPLE)
    for magic, why in _NO_TEXT.items():
        if sample.startswith(magic):
            raise Broken(why)
    wide = _wide(sample)
    if wide:
        stream.seek(0)
        return _copy(stream, codecs.getincrementaldecoder(wide)("replace")), True
    if sample.count(b"\0") > len(sample) // 10:
        raise Broken("It is no text. Save it as CSV UTF-8.")
    if b"\r" in sample and b"\n" not in sample:
        stream.seek(0)
        return _copy(stream, None), False
    marked = sample.startswith(codecs.BOM_UTF8)
    stream.seek(len(codecs.BOM_UTF8) if marked else 0)
    return stream, marked


def _wide(sample: bytes) -> str:
    """The encoding of a file with two bytes for each character, by its mark or by its many zeros; else ""."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    half = len(sample) // 2
    odd, even = sample[1::2].count(0), sample[::2].count(0)
    if half >= 8 and odd > half * 0.6 and not even:
        return "utf-16-le"
    if half >= 8 and even > half * 0.6 and not odd:
        return "utf-16-be"
    return ""


def _copy(stream: IO[bytes], decoder: codecs.IncrementalDecoder | None) -> IO[bytes]:
    """A copy in UTF-8, or with line feeds where only carriage returns ended the lines."""
    copy = spool()
    while chunk := stream.read(CHUNK):
        copy.write(decoder.decode(chunk).encode("utf-8", "replace") if decoder else chunk.replace(b"\r", b"\n"))
    copy.seek(0)
    return copy
