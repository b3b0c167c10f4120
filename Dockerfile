# One image for every process: web (the default command), sockets, worker, beat and commands; see docs/operations.md.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements.txt .
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.txt
COPY . .
# Collecting files needs settings and no secret of anybody's: these are made here and forgotten with this stage.
RUN key() { /venv/bin/python -c 'import base64, os; print(base64.b64encode(os.urandom(32)).decode())'; } \
    && SUPPORTDESK_SECRET_KEY="$(key)" SUPPORTDESK_JWT_KEY="$(key)" SUPPORTDESK_ENCRYPTION_KEYS="k1:$(key)" \
       SUPPORTDESK_BLIND_INDEX_KEY="$(key)" SUPPORTDESK_ALLOWED_HOSTS=localhost SUPPORTDESK_ATTACHMENTS_DIR=/tmp \
       DATABASE_URL=postgres://build/build REDIS_URL=redis://build/0 \
       /venv/bin/python manage.py collectstatic --noinput --verbosity 0 \
    && /venv/bin/python -m compileall -q .

FROM python:3.11-slim-bookworm
# Attachments belong to the only user there is; what runs is root's, and nobody here may change it.
RUN groupadd --system --gid 10001 supportdesk \
    && useradd --system --uid 10001 --gid supportdesk --home-dir /app --no-create-home --shell /usr/sbin/nologin supportdesk \
    && install --directory --owner supportdesk --group supportdesk --mode 0700 /var/lib/supportdesk/attachments
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PROMETHEUS_MULTIPROC_DIR=/tmp/supportdesk-metrics
COPY --from=build /venv /venv
COPY --from=build /app /app
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s --start-period=20s CMD ["python", "-c", \
    "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ.get(\"PORT\", \"8000\")}/healthz', timeout=2)"]
# Processes and threads are those of CONNECTIONS in the settings.
CMD ["sh", "-c", "exec granian --interface wsgi --no-ws --host 0.0.0.0 --port ${PORT:-8000} --workers 2 --blocking-threads 4 --blocking-threads-idle-timeout 600 --respawn-failed-workers --workers-kill-timeout 20 supportdesk.wsgi:application"]
