"""Pages of CSV formats: the list, a new one from a sample or by hand, the mapping screen, copy and delete."""

import copy
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import audit
from accounts.requests import AccountRequest
from integration_manager import spreadsheet
from integration_manager.kit import clock
from integration_manager.kit.fileformat import DELIMITERS, ENCODINGS, QUOTES
from integration_manager.kit.filepresets import presets_of
from integration_manager.mapping import sample as samples
from integration_manager.mapping import screen
from integration_manager.mapping.owner import NAMES, Owner, preset
from integration_manager.mapping.state import MOST_COLUMNS, Column, Feed, Mapping
from merchants.models import FileFormat, FormatDraft

LONGEST_NAME = 60
MOST_FORMATS = 200  # of one owner
HEAD = ["Name", "Kind", "Direction", "Columns", "Their names", "Used by", "Changed (UTC)"]


@require_GET
def formats(request: AccountRequest, owner: Owner) -> HttpResponse:
    """The formats made so far, and ours to begin with."""
    uses = owner.uses()
    rows: list[Any] = list(owner.formats().order_by("name"))
    for row in rows:
        row.used_by = uses.get(row.value, [])
        row.act_url = owner.url("format_act", row.public_id, "edit")[: -len("edit/")]
    kinds = [
        {
            "kind": kind,
            "name": NAMES[kind],
            "direction": direction,
            "rows": [row for row in rows if row.kind == kind],
            "new_url": owner.url("format_new", kind),
            "presets": presets_of(kind),
        }
        for kind, direction in owner.kinds.items()
    ]
    return render(request, "mapping/list.html", {"owner": owner, "kinds": kinds, "csv_url": owner.url("formats_csv")})


@require_GET
def formats_csv(request: AccountRequest, owner: Owner) -> HttpResponseBase:
    """The formats as a file: what each is for, its columns, and who uses it."""
    uses = owner.uses()

    def cells() -> Iterator[list[object]]:
        for row in owner.formats().order_by("kind", "name"):
            names = [column["header"] for column in row.spec["columns"]]
            about = [row.name, f"{NAMES[row.kind]} files", row.get_direction_display(), len(names), ", ".join(names)]
            yield [*about, ", ".join(uses.get(row.value, [])), spreadsheet.moment(row.changed_at)]

    return spreadsheet.streamed(request, f"formats {owner.name}", HEAD, cells)


@require_http_methods(["GET", "POST"])
def format_new(request: AccountRequest, owner: Owner, kind: str) -> HttpResponseBase:
    """Begins a new format: from a sample, by hand, or from one of ours."""
    if kind not in owner.kinds:
        raise Http404
    direction = owner.kinds[kind]
    context = {
        "owner": owner,
        "kind": kind,
        "name": NAMES[kind],
        "direction": direction,
        "presets": presets_of(kind),
        "names": request.POST.get("names", "")[:20_000],
        "list_url": owner.url("formats"),
        "most": MOST_COLUMNS,
    }
    if request.method != "POST":
        return render(request, "mapping/new.html", context)
    try:
        mapping, name, data = _begin(request, owner, kind)
    except samples.Unfit as error:
        where = {"sample": "sample_error", "names": "names_error"}.get(request.POST.get("from", ""), "error")
        return render(request, "mapping/new.html", context | {where: str(error)}, status=422)
    draft = FormatDraft.objects.create(
        merchant=owner.merchant, name=name, spec=mapping.to_json(), sample=samples.packed(data)
    )
    return redirect(owner.url("format_draft", draft.public_id))


def _begin(request: AccountRequest, owner: Owner, kind: str) -> tuple[Mapping, str, bytes]:
    """The mapping, its name and its sample. Raises Unfit."""
    direction = owner.kinds[kind]  # type: ignore[index]
    match request.POST.get("from"):
        case "sample":
            file = request.FILES.get("sample")
            if getattr(request, "upload_refused", False):
                raise samples.Unfit(samples.TOO_LARGE)
            if file is None:
                raise samples.Unfit("Choose a file first, at most 1 MB.")
            data = samples.taken(file)
            return Mapping.of_sample(kind, direction, data), _stem(file.name or ""), data  # type: ignore[arg-type]
        case "names":
            return Mapping.of_names(kind, direction, _names(request.POST.get("names", ""))), "", b""  # type: ignore[arg-type]
        case "preset":
            found = preset(kind, request.POST.get("preset", ""))  # type: ignore[arg-type]
            if found is not None:
                return (
                    Mapping.of_format(found.to_dict() | {"key": ""}, direction),
                    f"{found.label}, ours"[:LONGEST_NAME],
                    b"",
                )
    raise samples.Unfit("Choose how to begin.")


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0].replace("_", " ").strip()[:LONGEST_NAME]


def _names(text: str) -> list[str]:
    """Column names as typed, one a line or with commas between them; or just how many there are. Raises Unfit."""
    text = text.replace("\0", "").strip()
    if text.isascii() and text.isdigit():
        count = int(text) if len(text) < 6 else MOST_COLUMNS + 1
        found = [""] * min(count, MOST_COLUMNS + 1)
    else:
        signs = "\t" if "\t" in text else ";" if ";" in text else ","
        found = [" ".join(name.split()) for name in text.replace("\n", signs).split(signs)[: MOST_COLUMNS + 2]]
        found = [name for name in found if name]
    if not found:
        raise samples.Unfit("Type the names of the columns, or how many there are.")
    if len(found) > MOST_COLUMNS:
        raise samples.Unfit(f"{MOST_COLUMNS} columns are the limit of this screen.")
    if any(len(name) > 200 for name in found):
        raise samples.Unfit("A column's name has at most 200 characters.")
    return found


@require_http_methods(["GET", "POST"])
def format_draft(request: AccountRequest, owner: Owner, draft: str) -> HttpResponseBase:
    """The mapping screen."""
    gone = HttpResponse(status=204)  # for a part of the page that asks while its draft is saved
    try:
        found = owner.draft(draft)
    except Http404:
        if request.headers.get("HX-Request"):
            return gone
        raise
    mapping, data = Mapping.from_json(found.spec), samples.unpacked(found.sample)
    if request.method != "POST":
        return _screen(request, owner, found, mapping, data)
    before = mapping.reading
    mapping.update(request.POST)
    found.name = " ".join(request.POST.get("name", "").replace("\0", "").split())
    error = f"A name has at most {LONGEST_NAME} characters." if len(found.name) > LONGEST_NAME else ""
    found.name = found.name[:LONGEST_NAME]
    reread = bool(data) and mapping.reading != before and mapping.direction == "in"
    if reread:
        try:
            mapping.read(data)
        except samples.Unfit as unfit:
            error = str(unfit)
    do, _, at = request.POST.get("do", "preview").partition(":")
    _change(mapping, do, at)
    kept = _keep(found, mapping)
    if request.headers.get("HX-Request"):
        if not kept:
            return gone
        context = screen.context(owner, found, mapping, data, error) | {"part": True, "reread": reread}
        return render(request, "mapping/parts.html", context)
    if not kept:
        raise Http404
    if do == "save":
        return _save(request, owner, found, mapping, data, error)
    if error:
        return _screen(request, owner, found, mapping, data, error)
    place = "#preview" if do == "preview" else f"#column-{at}" if do in ("also", "up") else "#columns"
    return redirect(owner.url("format_draft", found.public_id) + place)


def _change(mapping: Mapping, do: str, at: str) -> None:
    """What a button of the screen does to the columns."""
    if do == "add" and len(mapping.columns) < MOST_COLUMNS:
        mapping.columns.append(Column())
        return
    index = int(at) if at.isascii() and at.isdigit() and len(at) < 4 else -1
    if not 0 <= index < len(mapping.columns):
        return
    if do == "also" and len(mapping.columns[index].feeds) < 10:
        mapping.columns[index].feeds.append(Feed())
    elif do == "remove" and len(mapping.columns) > 1:
        del mapping.columns[index]
        mapping.group = None
    elif do == "up" and index:
        columns = mapping.columns
        columns[index - 1], columns[index] = columns[index], columns[index - 1]


def _keep(draft: FormatDraft, mapping: Mapping) -> bool:
    """Keeps what was typed: an expired session loses nothing of it. False: the draft is gone."""
    kept = FormatDraft.objects.filter(pk=draft.pk)
    return bool(kept.update(spec=mapping.to_json(), name=draft.name, changed_at=clock.now()))


def _screen(
    request: AccountRequest,
    owner: Owner,
    draft: FormatDraft,
    mapping: Mapping,
    data: bytes,
    error: str = "",
    *,
    status: int = 200,
    **more: object,
) -> HttpResponse:
    context = screen.context(owner, draft, mapping, data, error) | {
        "delimiters": DELIMITERS.items(),
        "quotes": QUOTES.items(),
        "encodings": ENCODINGS.items(),
        **more,
    }
    return render(request, "mapping/draft.html", context, status=422 if error else status)


def _save(
    request: AccountRequest, owner: Owner, draft: FormatDraft, mapping: Mapping, data: bytes, error: str
) -> HttpResponseBase:
    """Stores the format, unless it is of no use yet, its name is taken, or somebody else changed it meanwhile."""
    _, said = mapping.format(draft.name)
    if not draft.name:
        error = error or "Give it a name."
    if said or error:
        return _screen(request, owner, draft, mapping, data, error, status=422, tried=True)
    try:
        with transaction.atomic():
            kept = owner.formats().select_for_update().filter(pk=draft.format_id).first() if draft.format_id else None
            if kept and kept.changed_at != draft.based_on and "overwrite" not in request.POST:
                return _screen(request, owner, draft, mapping, data, status=409, stale=kept)
            if kept is None and owner.formats().count() >= MOST_FORMATS:
                return _screen(request, owner, draft, mapping, data, f"{MOST_FORMATS} formats are the limit.")
            before = copy.deepcopy(kept.spec) if kept else {}
            kept = kept or FileFormat(merchant=owner.merchant, kind=mapping.kind, direction=mapping.direction)
            kept.name, kept.spec, kept.changed_at = draft.name, mapping.spec(draft.name), clock.now()
            kept.save()
            draft.delete()  # and with it the sample
    except IntegrityError:
        taken = f"There is a format called {draft.name} already. Give this one another name."
        return _screen(request, owner, draft, mapping, data, taken)
    changed = ", ".join(sorted(name for name in kept.spec if kept.spec[name] != before.get(name)))
    audit.record(request.user, "format.saved", f"{kept.name} ({owner.name})", {"changed": ("", changed)})
    messages.success(request, f"{kept.name} is saved. Choose it in the setup of the connection that is to use it.")
    return redirect(owner.url("formats"))


@require_POST
def format_act(request: AccountRequest, owner: Owner, format: str, what: str) -> HttpResponseBase:
    """Edits, copies or deletes a format."""
    found = owner.format(format)
    if what in ("edit", "copy"):
        mapping = Mapping.of_format(found.spec, owner.kinds[found.kind])  # type: ignore[index]
        of = {"format": found, "based_on": found.changed_at, "name": found.name}
        if what == "copy":
            of = {"name": f"{found.name[: LONGEST_NAME - 6]}, copy"}
        draft = FormatDraft.objects.create(merchant=owner.merchant, spec=mapping.to_json(), **of)
        return redirect(owner.url("format_draft", draft.public_id))
    if what != "delete":
        raise Http404
    users = owner.uses().get(found.value, [])
    if users:
        messages.error(request, f"{found.name} is in use by {', '.join(users)}. Choose another format there first.")
    else:
        found.delete()
        audit.record(request.user, "format.deleted", f"{found.name} ({owner.name})")
        messages.success(request, f"{found.name} is deleted.")
    return redirect(owner.url("formats"))
