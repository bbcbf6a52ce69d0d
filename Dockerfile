# docker buildx build --platform linux/amd64,linux/arm64 --target master|agent --build-arg VERSION="$(cat VERSION)" .
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION COMMIT
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags "-s -w -X rollcall.dev/rollcall/api/version.stamped=$VERSION -X rollcall.dev/rollcall/api/version.stampedCommit=$COMMIT" -o /bin/ ./cmd/rollcall-master ./cmd/rollcall-agent

FROM gcr.io/distroless/static-debian12:nonroot AS master
COPY --from=build /bin/rollcall-master /rollcall-master
EXPOSE 8443
ENTRYPOINT ["/rollcall-master"]

FROM gcr.io/distroless/static-debian12:nonroot AS agent
COPY --from=build /bin/rollcall-agent /rollcall-agent
EXPOSE 7443
ENTRYPOINT ["/rollcall-agent"]
