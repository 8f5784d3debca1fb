# Sourced by each peer's script: scratch folder W, load clients, certificates, clean-up.
#
# Everything runs inside the peers' root (`./dev bench all` makes it; tests/bench/peers.py enters it), on loopback, in one scratch
# folder under /tmp, the disk where the nodes of the measurements live too. Prints `run metric value` lines.
# Environment: SECS, length of one run (3); CLIENTS, in flight; PROBES, single events timed until seen at B (300).
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
BUILT=$HERE/../../../build/peers # load clients, kept from one run to the next
SECS=${SECS:-3}
PROBES=${PROBES:-300}
export LC_ALL=C.UTF-8
W=$(mktemp -d "/tmp/tongban-peer-$PEER.XXXXXX")
chmod 755 "$W"
PIDS=() # what this script started; stopped newest first

stop_all() {
    local i p n
    for ((i = ${#PIDS[@]} - 1; i >= 0; i--)); do kill -TERM "${PIDS[i]}" 2>/dev/null || true; done
    for p in "${PIDS[@]}"; do
        for ((n = 0; n < 100; n++)); do
            kill -0 "$p" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$p" 2>/dev/null || true
        wait "$p" 2>/dev/null || true
    done
    PIDS=()
}
cleanup() {
    stop_all
    rm -rf "$W"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

die() {
    echo "$PEER: $*" >&2
    exit 1
}

# is_built NAME SOURCE…: from the very same sources; their times say nothing after a checkout.
is_built() {
    local name=$1 sum
    shift
    sum=$(sha256sum "$@" | sha256sum | cut -c1-16)
    OUT=$BUILT/$name.$sum
    [ -x "$OUT" ] || { mkdir -p "$BUILT" && rm -f "$BUILT/$name".*; return 1; }
}
client() { # client NAME FLAGS…: sets OUT to the program of NAME.c
    local source=$HERE/$1.c
    is_built "$1" "$source" "$HERE/load.h" && return
    shift
    gcc -O2 -Wall -Wno-unused-function -D_GNU_SOURCE -o "$OUT" "$source" "$@"
}

# ECDSA P-256 CA, and per name (a b c client) W/tls/NAME.{crt,key} for loopback. The client's CN is "bench": PostgreSQL's cert login
# maps it to the role.
certs() {
    local d=$W/tls n cn
    mkdir -p "$d"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=bench-ca \
        -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$d/ca.key" -out "$d/ca.crt" 2>/dev/null
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n' >"$d/ext"
    for n in a b c client; do
        cn=$n
        [ $n != client ] || cn=bench
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$cn" -keyout "$d/$n.key" \
            -out "$d/$n.csr" 2>/dev/null
        openssl x509 -req -in "$d/$n.csr" -CA "$d/ca.crt" -CAkey "$d/ca.key" -CAcreateserial -days 30 \
            -extfile "$d/ext" -out "$d/$n.crt" 2>/dev/null
    done
    chmod 600 "$d"/*.key
}

# The first of ten ports in a row on which nothing listens: two runs on one machine do not meet.
free_ports() {
    local base tries used
    for ((tries = 0; tries < 50; tries++)); do
        base=$((10000 + RANDOM % 900 * 10))
        used=$(grep -cE "^ *[0-9]+: [0-9A-F]+:($(printf '%04X|' $(seq $base $((base + 9))))-) " /proc/net/tcp) || true
        [ "$used" != 0 ] || { echo $base && return; }
    done
    die "no ten free ports in a row"
}

wait_tcp() { # wait_tcp PORT [SECONDS]
    local n
    for ((n = 0; n < ${2:-30} * 10; n++)); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
        sleep 0.1
    done
    die "nothing listens on port $1"
}

# wait_until SECONDS COMMAND…: until it succeeds.
wait_until() {
    local n tries=$(($1 * 10))
    shift
    for ((n = 0; n < tries; n++)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    die "waited in vain for: $*"
}

# measure RUN ROLE=PID,ROLE=PID -- COMMAND…: runs a load client; its lines and what the servers used. A run that fails is reported and
# the next one made.
measure() { python3 "$HERE/measure.py" "$@" || true; }
