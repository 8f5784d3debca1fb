#!/bin/bash
# PostgreSQL 17: A -> B by logical replication over mutual TLS; its client at A and B on the server's Unix socket, as ours on the node's.
# pg.sync: A's commit returns when B has flushed (synchronous_standby_names, subscription with synchronous_commit=on): what Tongban's
# durable=peers promises. pg.async: A's commit is durable at A, B's apply worker commits durably right after.
PEER=pg
. "$(dirname "$0")/common.sh"
client pgload -I/usr/include/postgresql -lpq -lpthread
certs
chmod 755 "$W/tls"
PA=$(free_ports) PB=$((PA + 1)) BIN=/usr/lib/postgresql/17/bin
as_pg() { # the server refuses to run as root
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups env HOME="$W" "$@"
    else
        HOME=$W "$@"
    fi
}
mkdir "$W/pg"
cp "$W"/tls/{a,b,client}.{crt,key} "$W/tls/ca.crt" "$W/pg/"
[ "$(id -u)" != 0 ] || chown -R postgres: "$W/pg"
chmod 700 "$W/pg"
start_pg() { # start_pg a|b PORT
    local d=$W/pg/data.$1
    as_pg $BIN/initdb -D "$d" -U bench -E UTF8 --locale=C -k >/dev/null
    as_pg tee -a "$d/postgresql.conf" >/dev/null <<C
listen_addresses='127.0.0.1'
port=$2
unix_socket_directories='$W/pg'
ssl=on
ssl_cert_file='$W/pg/$1.crt'
ssl_key_file='$W/pg/$1.key'
ssl_ca_file='$W/pg/ca.crt'
ssl_min_protocol_version='TLSv1.3'
fsync=on
synchronous_commit=on
wal_level=logical
shared_buffers=256MB
max_wal_size=4GB
max_connections=200
wal_writer_delay=10ms
C
    as_pg tee "$d/pg_hba.conf" >/dev/null <<<$'local all all trust\nhostssl all all 127.0.0.1/32 cert'
    as_pg $BIN/postgres -D "$d" >"$W/pg.$1.log" 2>&1 &
    PIDS+=($!)
    wait_tcp "$2"
}
start_pg a $PA
start_pg b $PB
LOGIN="host=localhost hostaddr=127.0.0.1 user=bench dbname=postgres sslmode=verify-full"
CLIENT="host=$W/pg user=bench dbname=postgres"
CA="$CLIENT port=$PA" CB="$CLIENT port=$PB"
sql() { psql -qAtX -v ON_ERROR_STOP=1 "$1" -c "$2"; }
streams() { [ "$(sql "$CA" "select ssl from pg_stat_ssl join pg_stat_replication using(pid) where state='streaming'")" = t ]; }
wait_until 60 sql "$CA" 'select 1'
wait_until 60 sql "$CB" 'select 1'
for c in "$CA" "$CB"; do
    sql "$c" 'create table event(id bigint primary key, case_id text not null, doc jsonb not null); create index on event(case_id)'
done
sql "$CA" 'create publication p for table event'
sql "$CB" "create subscription s connection '$LOGIN port=$PA sslrootcert=$W/pg/ca.crt sslcert=$W/pg/client.crt sslkey=$W/pg/client.key'
    publication p with (synchronous_commit=on)"
wait_until 60 streams
m() { # m RUN CLIENTS SECONDS BATCH PROBES
    measure "$1" "A=${PIDS[0]},B=${PIDS[1]}" -- "$OUT" "$CA" "$CB" "$2" "$3" "$4" "$5"
}
m pg.async.probe 1 0 1 "$PROBES"
sql "$CA" "alter system set synchronous_standby_names='s'"
sql "$CA" 'select pg_reload_conf()' >/dev/null
is_sync() { [ "$(sql "$CA" "select sync_state from pg_stat_replication")" = sync ]; }
wait_until 60 is_sync
m pg.sync.probe 1 0 1 "$PROBES"
for c in ${CLIENTS:-1 8 32 64 128}; do m "pg.sync.c$c" "$c" "$SECS" 1 0; done
for c in ${BATCH_CLIENTS:-1 4 16}; do m "pg.sync.batch100.c$c" "$c" "$SECS" 100 0; done
