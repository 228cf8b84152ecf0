"""How large an upload may be: decided before it is stored anywhere, by the page that it goes to."""

from typing import Any

from django.core.files.uploadhandler import FileUploadHandler, SkipFile, StopUpload

from integration_manager.kit.folder import MAX_FILE

SMALL = 2 * 1024 * 1024  # bytes of a request to any other page
ADDRESS = "/files/upload/"  # how the address of the page for large files ends


class Limited(FileUploadHandler):
    """Drops what is too large, and says so on the request (`upload_refused`). The first of the handlers."""

    limit = SMALL
    announced = 0

    def handle_raw_input(self, input_data: Any, META: Any, content_length: int, *more: Any, **others: Any) -> None:
        """Knows how much is announced."""
        assert self.request is not None
        self.announced = content_length
        if self.request.path_info.endswith(ADDRESS):
            self.limit = MAX_FILE

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Refuses at once what is announced as too large; does not even read what is absurd."""
        super().new_file(*args, **kwargs)
        if self.announced > self.limit + SMALL:
            self._note()
            if self.announced > 2 * self.limit + SMALL:
                raise StopUpload(connection_reset=True)
            raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Passes a piece on to the handlers that store it."""
        if start + len(raw_data) > self.limit:
            self._note()
            raise SkipFile
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Leaves the file to the next handler."""

    def _note(self) -> None:
        self.request.upload_refused = True  # type: ignore[union-attr]  # Django has set it, and has no such member
