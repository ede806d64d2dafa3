# The gateway's image: predictions, token service, administration and `serve`, one image for all.
#
#   make image                            as docker-compose.yml says, labelled with its commit
#   GATEWAY_VARIANT=extras make image     the same with data frames, boosting, …
#
# For production, name the base by digest, and the time that every file in the image shall carry:
#   PYTHON_IMAGE=python:3.11-slim@sha256:… SOURCE_DATE_EPOCH=… make image
ARG PYTHON_IMAGE=python:3.11-slim

# checkov:skip=CKV_DOCKER_7:The tag is in the argument above, which this check does not read
FROM ${PYTHON_IMAGE} AS libraries
# runtime (scikit-learn, ONNX Runtime) or extras (also pandas, XGBoost, LightGBM, skops, signing).
ARG VARIANT=runtime
ARG SOURCE_DATE_EPOCH=0
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1 SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH}
# The libraries that are copied from here carry Debian's fixes of today, not of the base's day. A
# version is not pinned: Debian keeps only the newest. Of binutils nothing is in the image; LightGBM
# loads libgomp1 and brings none, so that the extras have it.
# hadolint ignore=DL3008
RUN apt-get update && apt-get upgrade -y --no-install-recommends \
    && apt-get install -y --no-install-recommends binutils libgomp1 \
    && rm -rf /var/lib/apt/lists/*
COPY requirements/${VARIANT}.txt /build/requirements.txt
COPY deploy/image/prune.py deploy/image/compile.py /build/image/
# One step, so that no layer ever holds what the next would take away again.
RUN python3 -m venv /opt/gateway \
    && /opt/gateway/bin/python -m pip install --no-compile --require-hashes \
        -r /build/requirements.txt \
    && python3 /build/image/prune.py /opt/gateway tests \
    && python3 /build/image/compile.py /opt/gateway

# Python, the libraries and what these load, without what installs or builds.
FROM libraries AS root
COPY deploy/image/collect.py deploy/image/times.py /build/image/
# Moved into a folder of their own: a folder that COPY makes itself has the time of that moment.
RUN python3 /build/image/prune.py /opt/gateway installers \
    && python3 /build/image/collect.py /opt/gateway /runtime \
    && python3 /build/image/compile.py /runtime / \
    && mkdir -p /libraries/opt && mv /opt/gateway /libraries/opt/ \
    && python3 /build/image/times.py /runtime /libraries

# Our own code, and the example: trained here, by the very libraries that will open it.
FROM libraries AS app
COPY pyproject.toml README.md LICENSE /build/
COPY config/ /build/config/
COPY model/ /build/model/
COPY gateway/ /build/gateway/
RUN /opt/gateway/bin/python -m pip install --no-compile --no-deps --no-build-isolation \
        --target /app /build
COPY deploy/image/times.py /build/image/
COPY nginx/ /app/nginx/
COPY examples/ /app/examples/
RUN PYTHONPATH=/app /opt/gateway/bin/python /app/examples/breast_cancer/train.py /app/example \
    && python3 /build/image/compile.py /app \
    && mkdir /ours && mv /app /ours/ && python3 /build/image/times.py /ours

FROM scratch
COPY --from=root /runtime/ /
COPY --from=root /libraries/ /
COPY --from=app /ours/ /
ENV PATH=/app/bin:/opt/gateway/bin \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 LANG=C.UTF-8 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    GATEWAY_DATA_DIR=/var/lib/gateway GATEWAY_SERVER__BIND=0.0.0.0:8000
WORKDIR /app
USER 64201:64200
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-m", "gateway.health"]
ENTRYPOINT ["gateway"]
CMD ["run", "--role", "predictions"]
# Of which commit it is, and of when, `make image` adds.
LABEL org.opencontainers.image.title="model-gateway" \
      org.opencontainers.image.description="Hardened HTTP gateway for scikit-learn models" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
