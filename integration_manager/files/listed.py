"""What the page of files lists, as a file itself."""

from collections.abc import Iterator

from django.http import HttpResponseBase
from django.views.decorators.http import require_GET

from accounts.requests import AccountRequest
from integration_manager import spreadsheet
from integration_manager.files.place import WORDS, Place
from integration_manager.files.views import row_of
from integration_manager.spreadsheet import moment

HEAD = [
    "File", "List", "What it holds", "What became of it", "Rows", "Rows refused", "Left out", "Why", "Bytes",
    "At (UTC)", "Uploaded by", "Downloaded (UTC)", "Downloaded by",
]  # fmt: skip
STATES = {
    "waits": ("Uploaded", "Waits"),
    "loading": ("Uploaded", "Loading"),
    "loaded": ("Uploaded", "Loaded"),
    "refused": ("Uploaded", "Refused"),
    "held": ("Uploaded", "Not loaded"),
    "errors": ("Rows that were refused", "Written"),
    "out": ("To download", "Written"),
}
SAME = "The same, byte by byte, as one that was here before."


@require_GET
def files_csv(request: AccountRequest, place: Place) -> HttpResponseBase:
    """All files of all lists of the page."""
    return spreadsheet.streamed(request, f"files {place.name}", HEAD, lambda: _cells(place))


def _cells(place: Place) -> Iterator[list[object]]:
    for file in spreadsheet.newest_first(place.folder.files().exclude(name__startswith=".")):
        row = row_of(place, file)
        if row.state == "held" and not file.by:
            continue  # a copy of one that came by itself, which is among those read
        listed, state = STATES[row.state]
        counts = file.counts
        numbers = [counts.get("found", ""), counts.get("refused", ""), ""]
        why = SAME if row.state == "held" else counts.get("why", "")
        about = [str(file), listed, WORDS.get(row.kind, row.kind), state, *numbers, why, file.size]
        yield [*about, moment(file.modified_at), file.by, moment(file.fetched_at), file.fetched_by]
    for one in spreadsheet.newest_first(place.book.entries().filter(by_hand=False)):
        state = "Not loaded" if one.same else "Refused" if one.refused and not one.rows else "Loaded"
        numbers = [one.rows, one.refused, one.left_out]
        about = [one.name, "Files read", WORDS[one.kind], state, *numbers, SAME if one.same else "", one.size]
        yield [*about, moment(one.read_at), "", "", ""]
