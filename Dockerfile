# The images for those who have a container engine, with the same files as hack/images.sh makes without one:
# docker buildx build --platform linux/amd64,linux/arm64 --target master|agent --build-arg COMMIT="$(git rev-parse HEAD)" .
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY . .
ARG TARGETOS TARGETARCH COMMIT
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go -C hack/release build -o /bin/release . && \
    COMMIT=$COMMIT SOURCE_DATE_EPOCH=0 /bin/release files --platform "$TARGETOS/$TARGETARCH" --output /images

FROM scratch AS master
COPY --from=build /images/rollcall-master /
USER 65532:65532
EXPOSE 8443
ENTRYPOINT ["/rollcall-master"]

FROM scratch AS agent
COPY --from=build /images/rollcall-agent /
USER 65532:65532
EXPOSE 7443
ENTRYPOINT ["/rollcall-agent"]
