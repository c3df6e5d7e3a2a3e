# Builds the image that the package runs, with Docker. `make xpkg` builds it without: see
# tools/image. `make docker` checks that both are the same.

# The build runs on the host's platform, and cross-compiles.
FROM --platform=${BUILDPLATFORM} golang:1.26.8@sha256:3c3e25a4da13fd0478eed2df1eb35a0e667094a7124d3993a6a1d30f71c17e79 AS build
WORKDIR /fn
ENV CGO_ENABLED=0
ARG TARGETOS
ARG TARGETARCH
RUN --mount=type=bind,target=. \
    --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -trimpath -buildvcs=false -ldflags '-s -w' -o /function .

# The function makes no connection, looks up no user and knows no time zone, so it needs nothing
# of a base image: no CA certificates, no /etc/passwd and no tzdata.
FROM scratch AS image
COPY --from=build /function /function
USER 65532:65532
EXPOSE 9443
ENTRYPOINT ["/function"]
