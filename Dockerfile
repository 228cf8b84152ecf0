# One image for web, worker and beat. Secrets come from the environment, none is in here.
FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
COPY requirements-uv.txt requirements.txt ./
RUN python -m venv /venv \
    && /venv/bin/pip install --quiet --require-hashes -r requirements-uv.txt \
    && /venv/bin/uv pip sync --quiet --require-hashes --no-cache --compile-bytecode --python /venv/bin/python requirements.txt
COPY . .
RUN /venv/bin/python -m compileall -q .
# The names of static files are hashed once, here; these values never leave this layer's command.
RUN SECRET_KEY=build-only IM_KEYS=build:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= IM_HOSTS=build.invalid \
    DATABASE_URL=postgresql:///none REDIS_URL=redis://none IM_STATIC_ROOT=/app/staticfiles \
    /venv/bin/python manage.py collectstatic --noinput --verbosity 0

FROM python:3.12-slim
RUN useradd --system --create-home --uid 10001 im
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 IM_STATIC_ROOT=/app/staticfiles
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
USER im
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=40s --retries=4 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn", "-c", "python:integration_manager.webserver", "-b", "0.0.0.0:8000", "integration_manager.wsgi"]
