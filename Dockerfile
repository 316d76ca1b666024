# nabat as an image of a static binary, the certificate authorities, and the licences of all that is in it.
#
#   docker build -t nabat .
#   docker run -v nabat:/data -p 9087:9087 -e TELEGRAM_BOT_TOKEN -e TELEGRAM_CHAT_ID nabat

FROM rust:1.95.0-bookworm AS build
# The image's own compiler; rust-toolchain.toml would fetch components only developers need.
ENV RUSTUP_TOOLCHAIN=1.95.0
RUN apt-get update \
    && apt-get install -y --no-install-recommends musl-tools \
    && rm -rf /var/lib/apt/lists/* \
    && rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /src
# The dist profile takes longer to build and gives a smaller, faster program.
ENV BUILD="cargo build --profile dist --locked --bin nabat"

# The dependencies in a layer of their own, which lasts as long as Cargo.lock.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
RUN mkdir -p src benches/load \
    && touch src/lib.rs \
    && echo 'fn main() {}' | tee src/main.rs benches/render.rs > benches/load/main.rs \
    && $BUILD --target "$(uname -m)-unknown-linux-musl"

COPY LICENSE ./
COPY scripts/third-party-licences.sh scripts/
RUN mkdir -p /image/licenses \
    && cp LICENSE /image/licenses/nabat.txt \
    && sh scripts/third-party-licences.sh "$(uname -m)-unknown-linux-musl" > /image/licenses/third-party.txt

COPY build.rs ./
COPY templates templates
COPY src src
# Docker keeps the files' times; without the touch cargo would take the empty program above for
# the newer one.
RUN touch src/lib.rs src/main.rs \
    && $BUILD --target "$(uname -m)-unknown-linux-musl" \
    && install -D "target/$(uname -m)-unknown-linux-musl/dist/nabat" /image/nabat \
    && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
    && install -d -m 0700 /writable/data /writable/tmp

FROM scratch
LABEL org.opencontainers.image.title="nabat" \
      org.opencontainers.image.description="The bridge from Prometheus Alertmanager to Telegram that does not lose alerts" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image/ /
COPY --from=build --chown=65532:65532 /writable/ /
# nabat.yml is looked for here; without one TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID are enough.
WORKDIR /etc/nabat
ENV NABAT_STORAGE_PATH=/data \
    NABAT_WEB_LISTEN_ADDRESS=0.0.0.0:9087 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
VOLUME /data
EXPOSE 9087
HEALTHCHECK --interval=15s --timeout=6s --start-period=10s CMD ["/nabat", "healthcheck"]
ENTRYPOINT ["/nabat"]
CMD ["serve"]
