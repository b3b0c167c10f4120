# One image for every process: web (the default command), worker and beat; see docs/operations.md.
FROM python:3.11-slim AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements.txt .
RUN /venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.txt

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin supportdesk
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /venv /venv
COPY . .
# Collecting files needs settings and no secret of anybody's: these are made here and forgotten.
RUN key() { python -c 'import base64, os; print(base64.b64encode(os.urandom(32)).decode())'; } \
    && SUPPORTDESK_SECRET_KEY="$(key)" SUPPORTDESK_JWT_KEY="$(key)" SUPPORTDESK_ENCRYPTION_KEYS="k1:$(key)" \
       SUPPORTDESK_BLIND_INDEX_KEY="$(key)" SUPPORTDESK_ALLOWED_HOSTS=localhost SUPPORTDESK_ATTACHMENTS_DIR=/tmp DATABASE_URL=postgres://build/build \
       REDIS_URL=redis://build/0 python manage.py collectstatic --noinput --verbosity 0
USER supportdesk
# Below what is collected above as root: the folder belongs to whoever counts in it.
ENV PROMETHEUS_MULTIPROC_DIR=/tmp/supportdesk-metrics
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s --start-period=20s CMD ["python", "-c", \
    "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ.get(\"PORT\", \"8000\")}/healthz', timeout=2)"]
CMD ["sh", "-c", "exec granian --interface wsgi --host 0.0.0.0 --port ${PORT:-8000} --blocking-threads 8 --workers ${WEB_CONCURRENCY:-2} supportdesk.wsgi:application"]
