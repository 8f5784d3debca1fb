#!/bin/bash
# SQLite alone (WAL, synchronous=FULL), one site, no network, no signature: what the storage layer under Tongban can do.
PEER=sqlite
. "$(dirname "$0")/common.sh"
client sqlitebench -lsqlite3
for g in ${BATCHES:-1 10 100}; do
    measure "sqlite.group$g" "" -- "$OUT" "$W/g$g.db" "$g" "$SECS"
    rm -f "$W/g$g.db"*
done
