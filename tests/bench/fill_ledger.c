/* Fills the ledger of a stopped node with cases for one other node, as fast as the disk goes: a backlog of months in seconds.
 *
 *   fill_ledger NODEDIR PEER ENTRIES [PAYLOAD]
 *
 * Each case has four entries: 收件 with PAYLOAD bytes of content (default 1,024), 身份核验, 形式审查 and a 备注; PEER decides it. It is
 * not forwarded, so that PEER does not answer by itself. Everything goes through node/ledger: sealed content, case keys, tiles,
 * numbers per recipient, group commits of BATCH_CASES cases, the signature. Case rows of this node are left out: it does not
 * show these cases. Prints entries and seconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/service.h"
#include "certs/keystore.h"
#include "federation/ledger/payload.h"
#include "federation/members.h"
#include "node/base/clock.h"
#include "node/base/file.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"
#include "node/cases/event.h"
#include "node/config.h"
#include "node/ledger.h"

#define BATCH_CASES 1000u
#define EVENTS_PER_CASE 4u

struct fill {
    struct loop *loop;
    struct ledger *ledger;
    struct loop_timer *timer;
    struct config config;
    uint32_t peer;
    uint64_t cases, done;
    struct buf payload;
    struct prng prng;
};

static void check(int rc, const struct err *e)
{
    if (rc == 0)
        return;
    (void)fprintf(stderr, "fill_ledger: %s (%s)\n", e->message, e->id);
    exit(1);
}

static void on_sealed(void *ctx)
{
    (void)ctx;
}

static void on_state(void *ctx, const struct err *e)
{
    (void)ctx;
    if (e != NULL)
        check(e->code, e);
}

static void on_reload(void *ctx, const struct store_ledger_state *state)
{
    (void)ctx;
    (void)state;
}

static void append(struct fill *f, struct ledger_txn *txn, const uint8_t id[CASE_ID_SIZE], uint16_t type,
                   struct leaf *last, struct merkle_hash *last_hash, const struct payload_key *key)
{
    struct case_event event = {.type = type, .role = CASE_ROLE_WINDOW, .rules_version = CASE_RULES_VERSION};
    struct buf storage = {0};
    struct case_attr attrs[CASE_EVENT_ATTRS_MAX];
    unsigned count;
    if (type == CASE_EVENT_SUBMIT) {
        event.lead = f->peer;
        event.division = f->peer;
        event.item_version = 1;
        event.mode = CASE_MODE_COLLECT;
        (void)snprintf(event.item_code, sizeof event.item_code, "BENCH0001");
    }
    case_event_encode_attrs(&event, &storage, attrs, CASE_EVENT_ATTRS_MAX, &count);
    struct leaf leaf = {.kind = LEAF_KIND_EVENT,
                        .event_type = type,
                        .role = CASE_ROLE_WINDOW,
                        .rules_version = CASE_RULES_VERSION,
                        .service = service_code("BENCH0001"),
                        .attr_count = (uint16_t)count};
    memcpy(leaf.case_id, id, sizeof leaf.case_id);
    for (unsigned i = 0; i < count; i++)
        leaf.attrs[i] = (struct leaf_attr){.tag = attrs[i].tag, .value = attrs[i].value};
    if (type != CASE_EVENT_SUBMIT) {
        leaf.parent_count = 1;
        leaf.parents[0] = (struct leaf_parent){.node = f->config.region, .index = last->index, .hash = *last_hash};
    }
    bool has_content = type == CASE_EVENT_SUBMIT;
    ledger_txn_append(txn, &leaf, last->hlc, &f->peer, 1, has_content ? buf_bytes(&f->payload) : bytes_of(NULL, 0),
                      has_content ? key : NULL, last_hash);
    last->index = leaf.index;
    last->hlc = leaf.hlc;
    buf_close(&storage);
}

static void add_case(struct fill *f, struct ledger_txn *txn)
{
    static const uint16_t types[EVENTS_PER_CASE] = {CASE_EVENT_SUBMIT, CASE_EVENT_IDENTITY, CASE_EVENT_FORM,
                                                    CASE_EVENT_NOTE};
    uint8_t id[CASE_ID_SIZE];
    struct leaf last = {0};
    struct merkle_hash hash;
    struct payload_key key = {.epoch = 1};
    put_be32(id, f->config.region);
    put_be32(id + 4, (uint32_t)(clock_wall_ms() / 1000));
    crypto_random(id + 8, 8);
    crypto_random(key.key, sizeof key.key);
    struct store_key row = {.epoch = key.epoch, .created_ms = clock_wall_ms()};
    memcpy(row.case_id, id, sizeof row.case_id);
    memcpy(row.key, key.key, sizeof row.key);
    ledger_txn_key(txn, &row);
    for (unsigned i = 0; i < EVENTS_PER_CASE; i++)
        append(f, txn, id, types[i], &last, &hash, &key);
}

static void committed(void *ctx, const struct err *e)
{
    struct fill *f = ctx;
    check(e->code, e);
    loop_timer_set(f->timer, 0);
}

static void next(void *ctx)
{
    struct fill *f = ctx;
    if (f->done == f->cases) {
        loop_stop(f->loop);
        return;
    }
    struct ledger_txn *txn = ledger_txn_create(f->ledger);
    for (unsigned i = 0; i < BATCH_CASES && f->done < f->cases; i++, f->done++)
        add_case(f, txn);
    ledger_commit(txn, committed, f);
}

/* The signer that the member list names for this node. */
static void load_signer(const struct config *c, struct crypto_signer **ret_key, struct note_signer *ret, struct err *e)
{
    struct buf vkey = {0};
    struct members members;
    check(file_read(c->federation_path, 4096, &vkey, e), e);
    char *text = (char *)(uintptr_t)buf_cstr(&vkey);
    text[strcspn(text, "\r\n")] = '\0';
    check(members_load(c->members_path, text, &members, e), e);
    check(keystore_load_signing_key(c->ledger_key_path, ret_key, e), e);
    const struct member *self = members_find(&members, c->region);
    xassert(self != NULL);
    check(note_signer_init(self->key.name, NOTE_TYPE_ED25519, *ret_key, ret, e), e);
    buf_close(&vkey);
    members_close(&members);
}

int main(int argc, char **argv)
{
    static struct fill f;
    struct err e = {0};
    struct crypto_signer *key;
    struct note_signer signer;
    char path[4096];
    if (argc < 4) {
        (void)fprintf(stderr, "usage: fill_ledger NODEDIR PEER ENTRIES [PAYLOAD]\n");
        return 2;
    }
    (void)snprintf(path, sizeof path, "%s/node.json", argv[1]);
    check(config_load(path, &f.config, &e), &e);
    f.peer = (uint32_t)strtoul(argv[2], NULL, 10);
    f.cases = strtoull(argv[3], NULL, 10) / EVENTS_PER_CASE;
    unsigned long payload = argc > 4 ? strtoul(argv[4], NULL, 10) : 1024;
    prng_init(&f.prng, 1);
    for (unsigned long i = 0; i < payload; i++)
        buf_put_u8(&f.payload, (uint8_t)('a' + prng_below(&f.prng, 26)));
    load_signer(&f.config, &key, &signer, &e);
    check(loop_create(&f.loop, &e), &e);
    struct ledger_config config = {.dir = f.config.dir,
                                   .self = f.config.region,
                                   .signer = &signer,
                                   .loop = f.loop,
                                   .on_sealed = on_sealed,
                                   .on_state = on_state,
                                   .on_reload = on_reload,
                                   .ctx = &f};
    check(ledger_open(&config, &f.ledger, &e), &e);
    f.timer = loop_timer_create(f.loop, next, &f);
    loop_timer_set(f.timer, 0);
    uint64_t began = clock_mono_ms();
    loop_run(f.loop);
    printf("entries %llu\nseconds %.1f\n", (unsigned long long)(f.cases * EVENTS_PER_CASE),
           (double)(clock_mono_ms() - began) / 1000);
    loop_timer_destroy(f.timer);
    ledger_close(f.ledger);
    loop_drain(f.loop);
    loop_destroy(f.loop);
    crypto_signer_destroy(key);
    buf_close(&f.payload);
    return 0;
}
