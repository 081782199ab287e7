# One node. Build: docker build -t forecourt .
ARG BASE=python:3.11-slim
FROM ${BASE}

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    FORECOURT_CACHE=/opt/forecourt/cache \
    FORECOURT_DATA=/var/lib/forecourt/data \
    NUMBA_CACHE_DIR=/var/lib/forecourt/numba

WORKDIR /opt/forecourt
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY analyzers analyzers
COPY api api
COPY benchmarks benchmarks
COPY engine engine
COPY processing processing
COPY signaling signaling
RUN pip install --constraint constraints.txt . \
    && forecourt models fetch whisper-tiny.en \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/forecourt forecourt

USER 10001
WORKDIR /var/lib/forecourt
VOLUME /var/lib/forecourt
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import httpx; httpx.get('http://127.0.0.1:8080/healthz').raise_for_status()"]
CMD ["forecourt", "serve"]
