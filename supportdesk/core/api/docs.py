"""The OpenAPI document, and the readable page beside it."""

from functools import cache
from threading import Lock

from csp.constants import SELF
from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_safe
from django.views.generic import TemplateView
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer2, OpenApiYamlRenderer

# What Redoc needs beyond the site's policy: styles made by script, its search worker, and its own images.
REDOC_POLICY = {
    "style-src": [SELF, "'unsafe-inline'"],
    "worker-src": [SELF, "blob:"],
    "img-src": [SELF, "data:", "blob:"],
}
KEPT_SECONDS = 300
_making = Lock()  # two threads at once would find the generator's extensions half loaded


@require_safe
def document(request: HttpRequest) -> HttpResponse:
    """As YAML, or as JSON for who prefers that or says `?format=json`. The same for everybody."""
    preferred = request.get_preferred_type([OpenApiYamlRenderer.media_type, OpenApiJsonRenderer2.media_type])
    as_json = preferred == OpenApiJsonRenderer2.media_type or request.GET.get("format") == "json"
    with _making:
        rendered = _rendered(as_json=as_json)
    return HttpResponse(
        rendered,
        content_type=OpenApiJsonRenderer2.media_type if as_json else OpenApiYamlRenderer.media_type,
        headers={"Cache-Control": f"public, max-age={KEPT_SECONDS}", "Vary": "Accept"},
    )


@cache
def _rendered(*, as_json: bool) -> bytes:
    """Made once per process: it takes a second of work, which nobody should be able to ask for again and again."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    renderer = OpenApiJsonRenderer2() if as_json else OpenApiYamlRenderer()
    return bytes(renderer.render(schema, renderer_context={}))


@method_decorator(csp_update(REDOC_POLICY), name="dispatch")
class DocsView(TemplateView):
    template_name = "api/docs.html"
