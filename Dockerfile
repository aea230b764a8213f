# Mitome alone in an image: a static binary, the certificates of public CAs, and
# a folder for its data. There is no shell and no package to keep up to date.
#
#   docker build --build-arg VERSION="$(git describe --tags --always)" -t mitome .

FROM --platform=$BUILDPLATFORM golang:1.26.8@sha256:3c3e25a4da13fd0478eed2df1eb35a0e667094a7124d3993a6a1d30f71c17e79 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION
ARG TARGETOS
ARG TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false -tags disable_grpc_modules,nomsgpack -ldflags "-s -w -X main.release=$VERSION" -o /out/mitome ./cmd/mitome
RUN mkdir -m 700 /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/mitome /usr/local/bin/mitome
# A new volume that is mounted here takes over owner and mode.
COPY --from=build --chown=65532:65532 /out/data /var/lib/mitome

# A number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 65532:65532
ENV PATH=/usr/local/bin
# SQLite puts temporary files here; there is no /tmp, and the root may be read-only.
WORKDIR /var/lib/mitome
VOLUME /var/lib/mitome
# devices, ops
EXPOSE 8080 8081
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/local/bin/mitome", "health"]
ENTRYPOINT ["/usr/local/bin/mitome"]
CMD ["serve"]
