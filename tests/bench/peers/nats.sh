#!/bin/bash
# NATS 2.10 JetStream: a stream at A, its mirror at B across a leaf node link; mutual TLS on all links.
# nats.sync: sync_interval=always at both: an acknowledgement means on disk at A; B follows. nats: the default, flushed every two
# minutes: an acknowledgement is not durable, shown for comparison only.
PEER=nats
. "$(dirname "$0")/common.sh"
client natsload -lssl -lcrypto
certs
P=$(free_ports)
tls() { echo "tls { cert_file: \"$W/tls/$1.crt\", key_file: \"$W/tls/$1.key\", ca_file: \"$W/tls/ca.crt\"${2:-} }"; }
ask() { python3 "$HERE/natsreq.py" "$W/tls" "$@"; }
once() { # once NAME SYNC_INTERVAL
    local name=$1 k roles='' js
    for k in a b; do
        js="jetstream { store_dir: \"$W/$name.$k\", domain: ${k^^}, max_file_store: 8GB, max_memory_store: 64MB, sync_interval: $2 }"
        if [ $k = a ]; then
            printf 'server_name: a\nlisten: 127.0.0.1:%d\n%s\n%s\nleafnodes { listen: "127.0.0.1:%d", %s }\n' $P \
                "$(tls a ', verify: true')" "$js" $((P + 2)) "$(tls a ', verify: true')" >"$W/a.conf"
        else
            printf 'server_name: b\nlisten: 127.0.0.1:%d\n%s\n%s\nleafnodes { remotes: [ { url: "tls://localhost:%d", %s } ] }\n' \
                $((P + 1)) "$(tls b ', verify: true')" "$js" $((P + 2)) "$(tls b)" >"$W/b.conf"
        fi
        nats-server -c "$W/$k.conf" -l "$W/$name.$k.log" &
        PIDS+=($!)
        roles+=${k^^}=$!,
        wait_tcp $((P + ${#PIDS[@]} - 1))
    done
    # shellcheck disable=SC2016 # the dollars are NATS's
    {
        wait_until 60 ask $P '$JS.API.STREAM.CREATE.EV' \
            '{"name":"EV","subjects":["ev.>"],"storage":"file","retention":"limits","num_replicas":1}'
        wait_until 60 ask $((P + 1)) '$JS.API.STREAM.CREATE.EV' \
            '{"name":"EV","storage":"file","num_replicas":1,"mirror":{"name":"EV","external":{"api":"$JS.A.API","deliver":""}}}'
        wait_until 60 ask $((P + 1)) '$JS.A.API.STREAM.INFO.EV' '' # the leaf link stands
    }
    m() { # m RUN CLIENTS SECONDS PROBES
        measure "$1" "${roles%,}" -- "$OUT" "$W/tls/ca.crt" "$W/tls/client.crt" "$W/tls/client.key" \
            $P $((P + 1)) "$2" "$3" "$4"
    }
    [ "$2" != always ] || m "$name.probe" 1 1 "$PROBES"
    for c in ${CLIENTS:-1 8 32 64 128}; do
        [ "$2" = always ] || [ "$c" = 64 ] || continue
        m "$name.c$c" "$c" "$SECS" 0
    done
    stop_all
}
once nats.sync always
once nats 120s
