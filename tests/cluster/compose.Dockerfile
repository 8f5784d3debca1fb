# docker-compose of Debian 13: test_compose.py runs it from here, so that neither the machine nor ./dev's root needs it.
FROM debian:trixie-slim
RUN apt-get update && apt-get install -y --no-install-recommends docker-compose && rm -rf /var/lib/apt/lists/*
ENTRYPOINT ["docker-compose"]
