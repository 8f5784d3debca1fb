/* The peers: who there is by the member list, and where the store says they are (see replication.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/clock.h"
#include "node/base/mutant.h"
#include "node/base/xassert.h"
#include "node/replication_internal.h"

struct peer_state *replication_find(const struct replication *r, uint32_t code)
{
    return map_get(&r->peers, &code, sizeof code);
}

const char *replication_code(uint32_t code, char out[12])
{
    (void)snprintf(out, 12, "%u", code);
    return out;
}

void replication_peers_set_link(struct replication *r, const struct link_event *event, bool connected)
{
    struct peer_state *p = replication_find(r, event->peer);
    char code[12];
    if (p == NULL || p->view.connected == connected) {
        if (p != NULL && !connected)
            (void)snprintf(p->view.reason, sizeof p->view.reason, "%s", event->reason);
        return;
    }
    p->view.connected = connected;
    if (!connected)
        catch_up_stop(&p->catch_up);
    p->view.since_ms = clock_wall_ms();
    (void)snprintf(p->view.reason, sizeof p->view.reason, "%s", connected ? "" : event->reason);
    if (connected)
        log_info("peer", replication_code(event->peer, code), "peer.connected", "connected");
    else
        log_warn("peer", replication_code(event->peer, code), "peer.lost", "connection lost: %s; redialling",
                 event->reason);
}

void replication_peers_add(struct replication *r, uint32_t code)
{
    if (code == r->config.self || replication_find(r, code) != NULL)
        return;
    struct peer_state *p = xcalloc(1, sizeof *p);
    p->view = (struct replication_peer){.code = code, .skew_ms = INT64_MIN, .since_ms = clock_wall_ms()};
    list_init(&p->waiting);
    (void)map_put(&r->peers, &code, sizeof code, p);
}

void replication_peers_destroy(struct peer_state *p)
{
    replication_store_forget(p);
    buf_close(&p->note);
    free(p);
}

void replication_freeze(struct replication *r, uint32_t peer, const char *why)
{
    struct peer_state *p = replication_find(r, peer);
    if (p == NULL)
        return;
    xassert(why[0] != '\0');
    (void)snprintf(p->refused, sizeof p->refused, "%s", why);
    replication_store_forget(p);
    sync_halt_peer(r->sync, peer, why);
}

/* A stored position that does not decode is started anew from nothing: the peer's ledger proves itself again. */
static void load_cursor(struct replication *r, const struct store_replica *row, struct sync_cursor *ret)
{
    struct err e = {0};
    struct checkpoint head;
    char code[12];
    *ret = (struct sync_cursor){0};
    if (crange_decode(row->frontier, &ret->range, &e) != 0 ||
        (row->confirmed.size > 0 && crange_decode(row->confirmed, &ret->confirmed.range, &e) != 0) ||
        (row->note.size > 0 && replication_open_checkpoint(r, row->origin, row->note, &head, &e) != 0)) {
        log_error("replication", replication_code(row->origin, code), e.id,
                  "stored position of the ledger is damaged: %s; "
                  "pulling it from the beginning",
                  e.message);
        *ret = (struct sync_cursor){0};
        return;
    }
    ret->seq_me = row->seq_me;
    ret->seq_public = row->seq_public;
    ret->confirmed.seq_me = row->confirmed_seq_me;
    ret->confirmed.seq_public = row->confirmed_seq_public;
    if (MUTANT(start_forgets)) {
        ret->range = ret->confirmed.range;
        ret->seq_me = ret->confirmed.seq_me;
        ret->seq_public = ret->confirmed.seq_public;
    }
    if (row->note.size > 0) {
        ret->head_size = head.size;
        ret->head_root = head.root;
    }
}

static void load_peer(struct replication *r, struct peer_state *p, const struct store_ledger_state *state)
{
    struct sync_cursor cursor = {0};
    replication_store_forget(p);
    for (size_t i = 0; i < state->replica_count; i++) {
        if (state->replicas[i].origin != p->view.code)
            continue;
        load_cursor(r, &state->replicas[i], &cursor);
        buf_reset(&p->note);
        buf_put(&p->note, state->replicas[i].note.data, state->replicas[i].note.size);
    }
    for (size_t i = 0; i < state->ack_count; i++)
        if (state->acks[i].peer == p->view.code)
            p->acked = max_of(p->acked, state->acks[i].size);
    sync_set_peer(r->sync, p->view.code, &cursor, p->acked);
    if (p->refused[0] != '\0')
        sync_halt_peer(r->sync, p->view.code, p->refused);
}

void replication_reload(struct replication *r, const struct store_ledger_state *state)
{
    size_t at = 0;
    void *value;
    while (map_next(&r->peers, &at, NULL, &value))
        load_peer(r, value, state);
}

void replication_members_changed(struct replication *r)
{
    size_t at = 0;
    void *value;
    while (map_next(&r->peers, &at, NULL, &value)) {
        struct peer_state *p = value;
        uint32_t code = p->view.code;
        if (members_find(r->config.members, code) != NULL)
            continue;
        sync_remove_peer(r->sync, code);
        (void)map_remove(&r->peers, &code, sizeof code);
        replication_peers_destroy(p);
    }
    struct arena a = ARENA_INIT;
    struct store_ledger_state state = {0};
    struct err e = {0};
    struct store_reader *reader = ledger_reader(r->ledger); /* stopped: the reload to come sets every peer */
    if (reader != NULL && store_read_ledger_state(reader, &a, &state, &e) != 0)
        log_error("replication", NULL, e.id, "cannot read the peers' positions: %s", e.message);
    for (size_t i = 0; i < r->config.members->count; i++) {
        uint32_t code = r->config.members->list[i].code;
        if (code == r->config.self || replication_find(r, code) != NULL)
            continue;
        replication_peers_add(r, code);
        load_peer(r, replication_find(r, code), &state);
    }
    arena_close(&a);
}

bool replication_peer(const struct replication *r, uint32_t code, struct replication_peer *ret)
{
    const struct peer_state *p = replication_find(r, code);
    struct sync_peer_info info;
    if (p == NULL || !sync_peer_info(r->sync, code, &info))
        return false;
    *ret = p->view;
    ret->held_size = info.held_size;
    ret->known_size = info.head_size;
    ret->acked_size = info.acked_size;
    ret->confirmed_size = info.confirmed_size;
    ret->halted = info.halted;
    ret->catch_up = p->catch_up;
    if (info.last_error[0] != '\0' && ret->reason[0] == '\0')
        memcpy(ret->reason, info.last_error, sizeof ret->reason);
    return true;
}

struct bytes replication_note(const struct replication *r, uint32_t peer)
{
    const struct peer_state *p = replication_find(r, peer);
    return p == NULL ? bytes_of(NULL, 0) : buf_bytes(&p->note);
}
