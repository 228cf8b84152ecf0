"""What is searched for in a list: what its page's search box, or its file's address, says."""

from django.http import HttpRequest


def search_text(request: HttpRequest, longest: int = 100) -> str:
    """The text of `q` without what no database can look for, cut to what a search box takes; "" without one."""
    return request.GET.get("q", "").replace("\x00", "").strip()[:longest]
