"""The forms of a page, as a browser would send them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

LONG = ("text", "search", "email", "url", "password", "tel", "textarea")


@dataclass
class Form:
    """Where it goes, what it would send, and the fields that a person types into."""

    action: str
    data: dict[str, list[str]] = field(default_factory=dict)
    typed: list[str] = field(default_factory=list)
    files: bool = False
    sends: bool = True  # by POST; else it asks, by its address
    options: dict[str, list[str]] = field(default_factory=dict)  # of its drop-downs, and boxes not ticked


class _Reader(HTMLParser):
    def __init__(self, address: str) -> None:
        super().__init__()
        self.address, self.forms = address, list[Form]()
        self.named: dict[str, Form] = {}
        self.form: Form | None = None
        self.buttons: list[tuple[Form, str, str, str]] = []
        self.select = self.area = ""
        self.first = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            sends = given.get("method", "").lower() == "post"
            self.form = Form(given.get("action") or self.address, sends=sends)
            self.forms.append(self.form)
            self.named[given.get("id", "")] = self.form
            return
        form = self.named.get(given["form"]) if given.get("form") else self.form
        if form is None or "disabled" in given:
            return
        name, kind = given.get("name", ""), given.get("type", "text")
        if tag == "button" and kind != "button":
            self.buttons.append((form, given.get("formaction", ""), name, given.get("value", "")))
        elif tag == "input" and name:
            if kind == "file":
                form.files = True
            elif kind not in ("checkbox", "radio") or "checked" in given:
                form.data.setdefault(name, []).append(given.get("value", "on" if kind == "checkbox" else ""))
            elif kind == "checkbox":
                form.options.setdefault(name, []).append(given.get("value", "on"))
            if kind in LONG:
                form.typed.append(name)
        elif tag == "select" and name:
            self.select, self.first = name, True
        elif tag == "option" and self.select and self.form:
            self.form.options.setdefault(self.select, []).append(given.get("value", ""))
            if "selected" in given or self.first:
                self.form.data[self.select] = [given.get("value", "")]
            self.first = False
        elif tag == "textarea" and name:
            self.area = name
            form.data[name] = [""]
            form.typed.append(name)

    def handle_data(self, data: str) -> None:
        if self.area and self.form:
            self.form.data[self.area][0] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.form = None
        elif tag == "select":
            self.select = ""
        elif tag == "textarea":
            self.area = ""


def searches_of(html: str, address: str) -> list[Form]:
    """Every form that asks by its address: searches and filters."""
    return [form for form in _read(html, address).forms if not form.sends]


def forms_of(html: str, address: str) -> list[Form]:
    """Every form that is sent by POST, once for each of its buttons, with what stands in its fields."""
    found = []
    for form, action, name, value in _read(html, address).buttons:
        if not form.sends:
            continue
        data = {key: list(values) for key, values in form.data.items() if key != "csrfmiddlewaretoken"}
        if name:
            data[name] = [value]
        found.append(Form(action or form.action, data, form.typed, form.files, options=form.options))
    return found


def _read(html: str, address: str) -> _Reader:
    reader = _Reader(address)
    reader.feed(html)
    return reader
