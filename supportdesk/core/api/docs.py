"""The readable page beside the OpenAPI document."""

from csp.constants import SELF
from csp.decorators import csp_update
from django.utils.decorators import method_decorator
from django.views.generic import TemplateView

# What Redoc needs beyond the site's policy: styles made by script, its search worker, and its own images.
REDOC_POLICY = {
    "style-src": [SELF, "'unsafe-inline'"],
    "worker-src": [SELF, "blob:"],
    "img-src": [SELF, "data:", "blob:"],
}


@method_decorator(csp_update(REDOC_POLICY), name="dispatch")
class DocsView(TemplateView):
    template_name = "api/docs.html"
