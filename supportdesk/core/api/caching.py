"""Who may keep an answer."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

PERSONAL = ("/api/", "/admin/")


class NoStoreMiddleware:
    """Answers below these paths are for who asked, errors too: no cache keeps one, unless its view says otherwise."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path.startswith(PERSONAL):
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response
