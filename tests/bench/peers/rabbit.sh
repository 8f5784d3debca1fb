#!/bin/bash
# RabbitMQ 4.0: a durable quorum queue at broker A (persistent messages, publisher confirms), moved by a shovel at broker B
# (ack-mode on-confirm) to a quorum queue there. Mutual TLS from the client and from the shovel to A. A confirm means on disk at A.
PEER=rabbit
. "$(dirname "$0")/common.sh"
client rabbitload -lrabbitmq
certs
P=$(free_ports)
export ERL_EPMD_PORT=$((P + 9)) ERL_EPMD_ADDRESS=127.0.0.1 HOME=$W
epmd -port $ERL_EPMD_PORT -address 127.0.0.1 &
PIDS+=($!)
echo peersbench >"$W/.erlang.cookie"
chmod 400 "$W/.erlang.cookie"
shovel() {
    local uri="amqps://bench:bench@localhost:$P?cacertfile=$W/tls/ca.crt&certfile=$W/tls/b.crt&keyfile=$W/tls/b.key"
    cat <<C
{"vhost":"/","component":"shovel","name":"s","value":{"src-protocol":"amqp091",
 "src-uri":"$uri&verify=verify_peer&server_name_indication=localhost","src-queue":"ev","src-prefetch-count":1000,
 "dest-protocol":"amqp091","dest-uri":"amqp://","dest-queue":"ev","ack-mode":"on-confirm"}}
C
}
start_rabbit() { # start_rabbit a|b PORT
    local d=$W/$1 parameters=''
    mkdir -p "$d"
    [ "$1" = a ] || parameters=$(shovel)
    cat >"$d/defs.json" <<C
{"vhosts":[{"name":"/"}],"users":[{"name":"bench","password":"bench","tags":"administrator"}],
"permissions":[{"user":"bench","vhost":"/","configure":".*","write":".*","read":".*"}],"parameters":[$parameters],
"queues":[{"name":"ev","vhost":"/","durable":true,"auto_delete":false,"arguments":{"x-queue-type":"quorum"}}]}
C
    cat >"$d/rabbitmq.conf" <<C
listeners.tcp = none
listeners.ssl.1 = 127.0.0.1:$2
ssl_options.cacertfile = $W/tls/ca.crt
ssl_options.certfile = $W/tls/$1.crt
ssl_options.keyfile = $W/tls/$1.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
load_definitions = $d/defs.json
vm_memory_high_watermark.relative = 0.3
disk_free_limit.absolute = 100MB
log.console = false
log.file = $d/log
log.file.level = info
C
    echo '[rabbitmq_shovel].' >"$d/plugins"
    RABBITMQ_NODENAME=$1@localhost RABBITMQ_CONFIG_FILE=$d/rabbitmq.conf RABBITMQ_MNESIA_BASE=$d/mnesia \
        RABBITMQ_LOG_BASE=$d RABBITMQ_ENABLED_PLUGINS_FILE=$d/plugins RABBITMQ_DIST_PORT=$(($2 + 4)) \
        RABBITMQ_PID_FILE=$d/pid RABBITMQ_CONF_ENV_FILE=/dev/null \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
        /usr/lib/rabbitmq/bin/rabbitmq-server >"$d/out" 2>&1 &
    PIDS+=($!)
    wait_tcp "$2" 90
}
start_rabbit a $P
start_rabbit b $((P + 1))
ROLES=A=${PIDS[1]},B=${PIDS[2]}
m() { # m RUN CLIENTS SECONDS PROBES
    measure "$1" "$ROLES" -- "$OUT" "$W/tls/ca.crt" "$W/tls/client.crt" "$W/tls/client.key" $P $((P + 1)) "$2" "$3" "$4"
}
carries() { "$OUT" "$W/tls/ca.crt" "$W/tls/client.crt" "$W/tls/client.key" $P $((P + 1)) 1 1 1; }
wait_until 60 carries # the shovel is there
m rabbit.probe 1 1 "$PROBES"
for c in ${CLIENTS:-1 8 32 64 128}; do m "rabbit.c$c" "$c" "$SECS" 0; done
