/* Own leaves (see ledger.h): index, clock, numbers and hash, in memory; the commit makes them durable. */
#include <string.h>

#include "federation/ledger/heads.h"
#include "node/base/clock.h"
#include "node/base/mutant.h"
#include "node/base/xassert.h"
#include "node/ledger_internal.h"

void ledger_set_recipient(struct ledger *l, const struct store_addressed *a)
{
    struct store_addressed *slot = map_get(&l->recipients, &a->recipient, sizeof a->recipient);
    if (slot == NULL) {
        slot = xcalloc(1, sizeof *slot);
        (void)map_put(&l->recipients, &a->recipient, sizeof a->recipient, slot);
    }
    *slot = *a;
}

struct ledger_txn *ledger_txn_alloc(struct ledger *l)
{
    struct ledger_txn *t = xcalloc(1, sizeof *t);
    list_init(&t->link);
    t->ledger = l;
    return t;
}

struct ledger_txn *ledger_txn_create(struct ledger *l)
{
    struct ledger_txn *t = ledger_txn_alloc(l);
    t->number = ++l->txn_made;
    return t;
}

uint64_t ledger_txn_number(const struct ledger_txn *t)
{
    return t->number;
}

uint64_t ledger_done_number(const struct ledger *l)
{
    return l->txn_done;
}

struct arena *ledger_txn_arena(struct ledger_txn *t)
{
    return &t->arena;
}

/* Later than every event that is cited, whatever clock its author had; but an author whose clock runs far ahead does not
 * drag this node's clock along for its other events, nor does this node's own clock once it is put right. */
static uint64_t next_hlc(struct ledger *l, uint64_t parents_hlc_max)
{
    uint64_t now = clock_wall_ms() << 16, limit = now + LEDGER_HLC_AHEAD_MAX;
    uint64_t own = l->hlc > limit ? now : max_of(now, l->hlc + 1);
    uint64_t hlc = parents_hlc_max == UINT64_MAX ? own : max_of(own, parents_hlc_max + 1);
    l->hlc = hlc > limit ? own : hlc;
    return MUTANT(clock_back) ? 1 : hlc;
}

static void set_recipients(struct ledger_txn *t, struct leaf *leaf, const uint32_t *recipients, size_t count)
{
    xassert(count <= LEAF_RECIPIENTS_MAX);
    leaf->recipient_count = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        struct store_addressed a = ledger_last_addressed(t->ledger, recipients[i]);
        a.seq++;
        a.index = leaf->index;
        leaf->recipients[i] = (struct leaf_recipient){.node = recipients[i], .seq = a.seq};
        ledger_set_recipient(t->ledger, &a);
        txn_addressed(t, &a);
    }
}

/* Everything of a new leaf but its payload fields and recipients. */
static void begin_leaf(struct ledger *l, struct leaf *leaf, uint64_t parents_hlc_max)
{
    leaf->suite = LEAF_SUITE_SHA256_ED25519_AES256GCM;
    leaf->origin = l->config.self;
    leaf->index = tiles_size(l->tiles);
    leaf->hlc = next_hlc(l, parents_hlc_max);
    crypto_random(leaf->salt, sizeof leaf->salt);
}

static void carry_open(struct leaf *leaf, struct bytes payload)
{
    leaf->ct_len = (uint32_t)payload.size;
    memset(&leaf->ct_hash, 0, sizeof leaf->ct_hash);
    if (payload.size > 0)
        crypto_sha256_one(payload.data, payload.size, leaf->ct_hash.b);
}

/* The row, the tree and the memory for peers' batches. @bytes and @payload live in the txn's arena. */
static void take_leaf(struct ledger_txn *t, const struct leaf *leaf, struct bytes bytes, struct bytes payload,
                      bool payload_held, struct merkle_hash *ret_hash)
{
    struct ledger *l = t->ledger;
    struct store_entry entry = {.origin = leaf->origin,
                                .index = leaf->index,
                                .leaf = bytes,
                                .payload = payload,
                                .payload_held = payload_held,
                                .stored_ms = clock_wall_ms()};
    leaf_hash(bytes, ret_hash);
    memcpy(entry.hash, ret_hash->b, sizeof entry.hash);
    entry.has_case = leaf_is_case_event(leaf);
    memcpy(entry.case_id, leaf->case_id, sizeof entry.case_id);
    ledger_txn_entry(t, &entry);

    l->appending = t;
    int rc = tiles_append(l->tiles, ret_hash, NULL);
    l->appending = NULL;
    xassert(rc == 0); /* tile_save() cannot fail */
    t->own_count++;

    struct recent_entry recent = {
        .index = leaf->index, .leaf = bytes, .payload = payload, .payload_held = payload_held};
    recent.recipient_count = leaf->recipient_count;
    for (unsigned i = 0; i < leaf->recipient_count; i++)
        recent.recipients[i] = leaf->recipients[i].node;
    recent_put(l->recent, &recent);
}

static void encode_leaf(struct ledger_txn *t, const struct leaf *leaf, struct bytes payload,
                        struct merkle_hash *ret_hash)
{
    struct buf encoded = {0};
    int rc = leaf_encode(leaf, &encoded, NULL);
    xassert(rc == 0);
    struct bytes bytes = arena_bytes(&t->arena, buf_bytes(&encoded));
    buf_close(&encoded);
    take_leaf(t, leaf, bytes, arena_bytes(&t->arena, payload), true, ret_hash);
}

void ledger_txn_append(struct ledger_txn *t, struct leaf *leaf, uint64_t parents_hlc_max, const uint32_t *recipients,
                       size_t recipient_count, struct bytes payload, const struct payload_key *key,
                       struct merkle_hash *ret_hash)
{
    struct ledger *l = t->ledger;
    xassert(!l->stopped && l->behind == 0);
    begin_leaf(l, leaf, parents_hlc_max);
    set_recipients(t, leaf, recipients, recipient_count);
    struct buf sealed = {0};
    if (key != NULL && payload.size > 0) {
        payload_seal(leaf, key, payload, &sealed);
        payload = buf_bytes(&sealed);
    } else {
        carry_open(leaf, payload);
    }
    xassert(payload.size <= PAYLOAD_BYTES_MAX);
    encode_leaf(t, leaf, payload, ret_hash);
    buf_close(&sealed);
}

/* Numbered like what is addressed to a recipient, so that the last one below a size is found the same way. */
static void number_heads(struct ledger_txn *t, uint64_t index)
{
    struct store_addressed a = ledger_last_addressed(t->ledger, STORE_NODE_HEADS);
    a.seq++;
    a.index = index;
    ledger_set_recipient(t->ledger, &a);
    txn_addressed(t, &a);
}

void ledger_txn_heads(struct ledger_txn *t, const uint32_t *codes, size_t count)
{
    struct ledger *l = t->ledger;
    xassert(!l->stopped && l->behind == 0 && count <= HEADS_ROWS_MAX);
    struct heads_row *rows = arena_alloc(&t->arena, (count + 1) * sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        struct store_addressed last = ledger_last_addressed(l, codes[i]);
        rows[i] = (struct heads_row){.recipient = codes[i], .last_seq = last.seq, .last_index = last.index};
        crypto_random(rows[i].salt, sizeof rows[i].salt);
    }
    struct buf vector = {0};
    struct heads_summary summary = {0};
    heads_vector(rows, count, &vector, &summary);
    summary.public_seq = ledger_last_addressed(l, LEAF_NODE_ALL).seq;

    uint8_t storage[HEADS_STORAGE_SIZE];
    struct leaf leaf = {0};
    struct merkle_hash hash;
    heads_to_leaf(&summary, storage, &leaf);
    begin_leaf(l, &leaf, UINT64_MAX);
    carry_open(&leaf, buf_bytes(&vector));
    encode_leaf(t, &leaf, buf_bytes(&vector), &hash);
    number_heads(t, leaf.index);
    buf_close(&vector);
}

void ledger_txn_restore(struct ledger_txn *t, const struct leaf *leaf, struct bytes bytes, struct bytes payload,
                        bool payload_held)
{
    struct ledger *l = t->ledger;
    struct merkle_hash hash;
    xassert(l->behind > 0 && leaf->origin == l->config.self && leaf->index == tiles_size(l->tiles));
    for (unsigned i = 0; i < leaf->recipient_count; i++) {
        struct store_addressed a = {
            .recipient = leaf->recipients[i].node, .index = leaf->index, .seq = leaf->recipients[i].seq};
        ledger_set_recipient(l, &a);
        txn_addressed(t, &a);
    }
    if (leaf->kind == LEAF_KIND_HEADS)
        number_heads(t, leaf->index);
    l->hlc = max_of(l->hlc, leaf->hlc);
    take_leaf(t, leaf, arena_bytes(&t->arena, bytes), arena_bytes(&t->arena, payload), payload_held, &hash);
}
