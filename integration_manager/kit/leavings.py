"""Files that were read and are deleted: moved to a name of ours first, and removed by that.

Deleted by its own name a file might be a new one by then. A worker that dies between the two leaves it under
our name; whoever looks next removes it, or brings it back if it is not what was read. The name has no dot
before it, which some servers would hide from us too.
"""

import contextlib
import hashlib
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from integration_manager.kit import clock
from integration_manager.kit.folder import Entry, Missing, NameTaken, TooLarge, join, why_unusable
from integration_manager.kit.page import FileRead

if TYPE_CHECKING:
    from integration_manager.kit.inbox import Inbox

AWAY = ".read.tmp"  # the end of our name; whoever reads files leaves those that end in .tmp alone
_OURS = re.compile(rf"((.+)\.\d{{8}}T\d{{6}}\.([0-9a-f]{{8}})(\.[^.]*)?){re.escape(AWAY)}", re.S)
REST = timedelta(hours=1)  # until then another run may be about to bring a file back


def tidy(inbox: "Inbox", entries: Sequence[Entry]) -> None:
    """Removes what workers that died had moved and not removed. Their names say what was read."""
    for entry in entries:
        found = _OURS.fullmatch(entry.name)
        if found is None or why_unusable(entry.name):
            continue
        path, (kept, stem, digest, suffix) = join(inbox.directory, entry.name), found.groups("")
        try:
            with inbox.fetched(path) as copy:
                sha256 = hashlib.file_digest(copy, "sha256").hexdigest()  # type: ignore[arg-type]  # IO does not say readinto
        except (Missing, TooLarge):
            continue
        if sha256.startswith(digest):
            inbox.folder.remove(path)
            if inbox.book is not None:
                inbox.book.taken(FileRead(inbox.kind, stem + suffix, entry.size, sha256, entry.modified))
        elif clock.now() - entry.modified > REST:
            _bring_back(inbox, path, stem + suffix, kept)


def _bring_back(inbox: "Inbox", path: str, name: str, kept: str) -> None:
    for one in (name, kept):
        with contextlib.suppress(NameTaken):
            inbox.folder.rename(path, join(inbox.directory, one))
            return
