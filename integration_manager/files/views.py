"""Pages of files by hand: what was uploaded and what became of it, what waits to be fetched, and by whom it was."""

from dataclasses import dataclass

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET, require_POST

from accounts import audit
from accounts.requests import AccountRequest
from integration_manager import tenancy
from integration_manager.files.place import SERVICES, WORDS, Place
from integration_manager.ids import public_id
from integration_manager.kit import clock
from integration_manager.kit.csvlines import Broken, Lines
from integration_manager.kit.folder import usable
from integration_manager.kit.folder_system import upload_places
from integration_manager.kit.inbox import UNFINISHED
from merchants.models import ReadFile, StoredFile
from merchants.read_files import HELD
from merchants.stored_files import content
from orders import files_read

MOST = 100  # files of a page


@dataclass(slots=True)
class Row:
    """One file as its page shows it. state: waits, loading, loaded, refused, held, errors, out."""

    file: StoredFile
    state: str
    kind: str
    url: str
    errors_url: str = ""  # of the file with the rows that were refused
    same: ReadFile | StoredFile | None = None  # held: the one that it repeats


@dataclass(slots=True)
class Entry:
    """One file that came by itself. `held`: the copy of it that waits for a person's word."""

    read: ReadFile
    word: str  # what it holds
    held: Row | None


@require_GET
def files(request: AccountRequest, place: Place) -> HttpResponse:
    """The files; a poll gets their list alone."""
    template = "files/rows.html" if request.headers.get("HX-Request") else "files/page.html"
    return render(request, template, _context(place))


def _context(place: Place) -> dict[str, object]:
    found = list(place.folder.files().exclude(name__startswith=".").order_by("-modified_at", "-pk")[:MOST])
    rows = [row_of(place, file) for file in found]
    mistakes = [row for row in rows if row.state == "errors"]
    for row in rows:
        mark = f".{row.file.sha256[:8]}."  # which the engine gives the file with the rows that it refused
        row.errors_url = next((one.url for one in mistakes if row.file.by and mark in one.file.name), "")
        if row.state == "held":
            row.same = _same(place, row.file)
    uploaded = [row for row in rows if row.file.by]
    held = {(row.kind, row.file.sha256): row for row in rows if row.state == "held" and not row.file.by}
    read = list(place.book.entries().filter(by_hand=False).order_by("-read_at", "-pk")[:MOST])
    return {
        "place": place,
        "uploaded": uploaded,
        "read": [
            Entry(one, WORDS[one.kind], held.pop((one.kind, one.sha256), None) if one.same else None) for one in read
        ],
        "errors": mistakes,
        "outgoing": [row for row in rows if row.state == "out"],
        "busy": any(row.state in ("waits", "loading") for row in uploaded),
        "off": [SERVICES[kind].label for kind in place.kinds if place.schedule(kind) is None],
        "files_url": place.url("files"),
        "csv_url": place.url("files_csv"),
        "upload_url": place.url("files_upload"),
    }


def row_of(place: Place, file: StoredFile) -> Row:
    """A file as its page shows it."""
    url = place.url("file", file.public_id)
    parts = file.directory.split("/")
    kind = parts[1] if parts[0] == "uploads" and len(parts) == 3 else parts[-1]
    if parts[0] != "uploads" or len(parts) < 2:
        return Row(file, "out", kind, url)
    if file.directory.startswith(HELD):
        return Row(file, "held", parts[2] if len(parts) > 2 else "", url)
    if parts[2] == "in":
        return Row(file, "loading" if file.started_at else "waits", kind, url)
    if parts[2] == "errors":
        return Row(file, "refused" if file.by else "errors", kind, url)
    return Row(file, "loaded", kind, url)


@require_POST
def upload(request: AccountRequest, place: Place) -> HttpResponseBase:
    """Takes a file in, to be loaded as one found in a folder is."""
    kind, file = request.POST.get("kind", ""), request.FILES.get("file")
    if getattr(request, "upload_refused", False):
        return _refuse(request, place, "The file is larger than 200 MB. Split it.")
    if kind not in place.kinds:
        return _refuse(request, place, "Choose what the file holds.")
    if not isinstance(file, UploadedFile) or not file.size or file.file is None:
        return _refuse(request, place, "Choose a file that is not empty.")
    try:
        Lines(file.file)  # what is no table is told at once, and not by the run that would find it
    except Broken as error:
        return _refuse(request, place, str(error))
    file.seek(0)
    title = (file.name or "").replace("\\", "/").rpartition("/")[2].lstrip(".~#").strip()[-200:]
    title = title if usable(title) else "upload.csv"
    if title.lower().endswith(UNFINISHED):
        title += ".csv"  # in a folder it would be taken for one that is still being written
    kept = place.folder.keep(
        f"{HELD}/{kind}/{public_id()}", file.file, title=title, by=str(getattr(request.user, "email", ""))
    )
    audit.record(request.user, "file.uploaded", f"{title} ({place.name})", {"bytes": ("", kept.size)})
    if _same(place, kept) is not None:
        messages.warning(request, f"{title} was here before: it is the same, byte by byte. It was not loaded again.")
    else:
        messages.success(request, f"{title} is here. {place.load(kept, kind, clock.now())}")
    return redirect(place.url("files"))


def _refuse(request: AccountRequest, place: Place, why: str) -> HttpResponse:
    return render(request, "files/page.html", _context(place) | {"refused": why}, status=422)


def _same(place: Place, file: StoredFile) -> ReadFile | StoredFile | None:
    """The file of the same kind and content that was read before, or waits to be."""
    kind = file.directory.split("/")[2]
    waits = place.folder.files().filter(directory=upload_places(kind)[0], sha256=file.sha256, size=file.size)
    return place.book.before(kind, file.size, file.sha256) or waits.exclude(pk=file.pk).first()


@require_GET
def fetch(request: AccountRequest, place: Place, file: str) -> HttpResponseBase:
    """Gives a file to a person, and notes who had it."""
    found = place.file(file)
    folder_user = str(getattr(request.user, "email", ""))
    place.folder.files().filter(pk=found.pk).update(fetched_at=clock.now(), fetched_by=folder_user[:254])
    audit.record(request.user, "file.downloaded", f"{found} ({place.name})")
    pieces = tenancy.stream(request.account.pk, request.merchants, lambda: content(found))
    answer = StreamingHttpResponse(pieces, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = content_disposition_header(True, str(found)) or "attachment"
    answer["Content-Length"] = str(found.size)
    return answer


@require_POST
def act(request: AccountRequest, place: Place, file: str, what: str) -> HttpResponseBase:
    """Loads a file that was there before again, or deletes one."""
    found = place.file(file)
    row = row_of(place, found)
    if what == "again" and row.state in ("held", "loaded", "refused") and row.kind in place.kinds:
        again = place.folder.files().filter(pk=found.pk)
        again.update(loaded_at=None, started_at=None, counts={}, by=str(getattr(request.user, "email", ""))[:254])
        place.book.decided(found)
        messages.success(request, f"{found}: {place.load(found, row.kind, clock.now())}")
        audit.record(request.user, "file.loaded_again", f"{found} ({place.name})")
        files_read.settle(place.book, clock.now())
    elif what == "delete" and row.state != "loading":
        found.delete()
        files_read.settle(place.book, clock.now())
        messages.success(request, f"{found} is deleted. What was loaded from it stays.")
        audit.record(request.user, "file.deleted", f"{found} ({place.name})")
    elif what == "again" and row.kind not in place.kinds:
        messages.error(request, f"{found} is not read here any more.")
    elif what in ("again", "delete"):
        messages.error(request, f"{found} is being loaded. Wait for it to end.")
    else:
        raise Http404
    return redirect(place.url("files"))
