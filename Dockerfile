# syntax=docker/dockerfile:1
# The `sealwire` command; without arguments it is the proxy, set up by SEALWIRE_* variables
# (docs/proxy.md).
#
#     docker build --tag sealwire .
#
# `docker stop` waits ten seconds and many orchestrators thirty: give it longer than `drain_timeout`,
# which is thirty, so that transactions may finish (`docker run --stop-timeout 40`).
#
# It needs no root, no capability and no file system to write to, and its memory holds keys:
#
#     docker run --read-only --cap-drop ALL --security-opt no-new-privileges --ulimit core=0 ...
#
# Mount the manifest and the key where user 10001 can read them. The pages for probes are the
# container's own unless SEALWIRE_HTTP says otherwise: an orchestrator that asks over the network needs
# `SEALWIRE_HTTP=0.0.0.0:9187`.

FROM rust:1.95-slim-trixie AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --package sealwire-cli \
    && install -D target/release/sealwire /out/sealwire

FROM debian:trixie-slim
# Unpinned, so that a rebuild takes what security updates there are.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin sealwire \
    && install --directory --owner=sealwire --mode=0700 /etc/sealwire
COPY --from=build /out/sealwire /usr/local/bin/sealwire
USER 10001
WORKDIR /etc/sealwire
ENV SEALWIRE_HTTP=127.0.0.1:9187
EXPOSE 6432
# Whether a client that connects now can be served. The image has no curl, but bash can ask.
HEALTHCHECK --interval=5s --timeout=12s --start-period=10s --start-interval=1s CMD \
    ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9187 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q ^ready <&3"]
ENTRYPOINT ["sealwire"]
CMD ["proxy"]
