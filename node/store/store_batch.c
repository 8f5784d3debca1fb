/* Form of a batch (see store_writer.h): every size and number against its limit, every text ended, before anything is
 * written. Much of a batch comes from peers; that the caller has looked already does not count here. Pure. */
#include <inttypes.h>
#include <string.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/store/store_bundle.h"
#include "node/store/store_row.h"
#include "node/store/store_writer.h"

#define PROOF_HASHES_MAX 63u /* no longer one passes C2SP tlog-witness */

static int too_large(struct err *e, const char *what, uint64_t value, uint64_t limit)
{
    return err_set(e, ERR_LIMIT, "store.limit", "%s is %" PRIu64 ", limit %" PRIu64, what, value, limit);
}

static int check_text(const char *what, const char *text, size_t size, bool empty_ok, struct err *e)
{
    size_t length = strnlen(text, size);
    if (length == size)
        return too_large(e, what, length, size - 1);
    if (length == 0 && !empty_ok)
        return err_set(e, ERR_INVALID, "store.empty", "%s is empty", what);
    return 0;
}

static int check_entry(const struct store_entry *entry, struct err *e)
{
    if (entry->origin <= STORE_NODE_HEADS)
        return err_set(e, ERR_INVALID, "store.origin", "entry %" PRIu64 ": origin %" PRIu32 " is no node", entry->index,
                       entry->origin);
    if (entry->index > STORE_INDEX_MAX)
        return too_large(e, "entry index", entry->index, STORE_INDEX_MAX);
    if (entry->leaf.size > LEAF_BYTES_MAX)
        return too_large(e, "size of a leaf", entry->leaf.size, LEAF_BYTES_MAX);
    if (entry->payload.size > PAYLOAD_BYTES_MAX)
        return too_large(e, "size of a payload", entry->payload.size, PAYLOAD_BYTES_MAX);
    if (entry->leaf.size == 0 || (entry->payload.size > 0 && !entry->payload_held))
        return err_set(e, ERR_INVALID, "store.entry", "entry (%" PRIu32 ", %" PRIu64 "): %s", entry->origin,
                       entry->index, entry->leaf.size == 0 ? "empty leaf" : "payload given but marked as not held");
    uint8_t hash[32];
    store_row_leaf_hash(entry->leaf, hash);
    if (memcmp(hash, entry->hash, sizeof hash) != 0)
        return err_set(e, ERR_INVALID, "store.hash", "entry (%" PRIu32 ", %" PRIu64 "): the hash is not the leaf's",
                       entry->origin, entry->index);
    return 0;
}

static int check_replica(const struct store *s, const struct store_replica *r, struct err *e)
{
    if (r->origin <= STORE_NODE_HEADS || r->origin == s->self)
        return err_set(e, ERR_INVALID, "store.replica", "replica of node %" PRIu32 ": not a peer", r->origin);
    if (r->size > STORE_INDEX_MAX)
        return too_large(e, "size of a replica", r->size, STORE_INDEX_MAX);
    if (r->frontier.size > STORE_FRONTIER_BYTES_MAX)
        return too_large(e, "size of a frontier", r->frontier.size, STORE_FRONTIER_BYTES_MAX);
    if (r->note.size > NOTE_BYTES_MAX)
        return too_large(e, "size of a note", r->note.size, NOTE_BYTES_MAX);
    if (r->confirmed.size > STORE_FRONTIER_BYTES_MAX)
        return too_large(e, "size of a confirmed range", r->confirmed.size, STORE_FRONTIER_BYTES_MAX);
    return 0;
}

static int check_ledger_rows(const struct store *s, const struct store_batch *b, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->entry_count; i++)
        rc = check_entry(&b->entries[i], e);
    for (size_t i = 0; rc == 0 && i < b->addressed_count; i++) {
        if (b->addressed[i].index > STORE_INDEX_MAX)
            rc = too_large(e, "addressed index", b->addressed[i].index, STORE_INDEX_MAX);
    }
    for (size_t i = 0; rc == 0 && i < b->tile_count; i++) {
        if (b->tiles[i].level > STORE_TILE_LEVEL_MAX)
            rc = too_large(e, "tile level", b->tiles[i].level, STORE_TILE_LEVEL_MAX);
        else if (b->tiles[i].number > STORE_INDEX_MAX)
            rc = too_large(e, "tile number", b->tiles[i].number, STORE_INDEX_MAX);
    }
    for (size_t i = 0; rc == 0 && i < b->replica_count; i++)
        rc = check_replica(s, &b->replicas[i], e);
    for (size_t i = 0; rc == 0 && i < b->ack_count; i++) {
        if (b->acks[i].peer <= STORE_NODE_HEADS || b->acks[i].peer == s->self)
            rc = err_set(e, ERR_INVALID, "store.ack", "acknowledgement of node %" PRIu32 ": not a peer",
                         b->acks[i].peer);
    }
    return rc;
}

static int check_item(const struct store_item *item, struct err *e)
{
    int rc = check_text("item code", item->code, sizeof item->code, false, e);
    if (rc == 0)
        rc = check_text("item name", item->name, sizeof item->name, true, e);
    if (rc == 0 && item->json.size > CATALOG_ITEM_BYTES_MAX)
        rc = too_large(e, "size of an item's JSON", item->json.size, CATALOG_ITEM_BYTES_MAX);
    if (rc == 0 && item->node == STORE_NODE_EVERYONE)
        rc = err_set(e, ERR_INVALID, "store.item", "item '%s': node 0 is no node", item->code);
    return rc;
}

static int check_derived_rows(const struct store_batch *b, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->case_count; i++) {
        const struct store_case *row = &b->cases[i];
        rc = check_text("case number", row->number, sizeof row->number, true, e);
        if (rc == 0)
            rc = check_text("case item code", row->item_code, sizeof row->item_code, true, e);
        if (rc == 0)
            rc = check_text("case item name", row->item_name, sizeof row->item_name, true, e);
    }
    for (size_t i = 0; rc == 0 && i < b->item_count; i++)
        rc = check_item(&b->items[i], e);
    for (size_t i = 0; rc == 0 && i < b->bundle_count; i++)
        rc = store_bundle_check(&b->bundles[i], e);
    for (size_t i = 0; rc == 0 && i < b->counter_count; i++)
        rc = check_text("counter name", b->counters[i].name, sizeof b->counters[i].name, false, e);
    return rc;
}

static int check_fork(const struct store_fork *f, struct err *e)
{
    uint8_t hash[32];
    if (f->origin <= STORE_NODE_HEADS || f->index > STORE_INDEX_MAX || f->leaf.size == 0)
        return err_set(e, ERR_INVALID, "store.entry", "second leaf (%" PRIu32 ", %" PRIu64 "): form", f->origin,
                       f->index);
    if (f->leaf.size > LEAF_BYTES_MAX)
        return too_large(e, "size of a leaf", f->leaf.size, LEAF_BYTES_MAX);
    store_row_leaf_hash(f->leaf, hash);
    if (memcmp(hash, f->hash, sizeof hash) != 0)
        return err_set(e, ERR_INVALID, "store.hash",
                       "second leaf (%" PRIu32 ", %" PRIu64 "): the hash is not the leaf's", f->origin, f->index);
    return 0;
}

static int check_proofs(const struct store *s, const struct store_batch *b, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->cover_count; i++) {
        const struct store_cover *c = &b->covers[i];
        if (c->origin <= STORE_NODE_HEADS || c->origin == s->self)
            rc = err_set(e, ERR_INVALID, "store.proof", "kept proof of node %" PRIu32 ": not a peer", c->origin);
        else if (c->from > STORE_INDEX_MAX || c->size > STORE_INDEX_MAX)
            rc = too_large(e, "size of a kept proof's tree", max_of(c->from, c->size), STORE_INDEX_MAX);
        else if (c->parts.size > STORE_COVER_BYTES_MAX)
            rc = too_large(e, "size of a kept proof", c->parts.size, STORE_COVER_BYTES_MAX);
        else if (c->note.size > NOTE_BYTES_MAX)
            rc = too_large(e, "size of a note", c->note.size, NOTE_BYTES_MAX);
    }
    for (size_t i = 0; rc == 0 && i < b->fork_count; i++)
        rc = check_fork(&b->forks[i], e);
    for (size_t i = 0; rc == 0 && i < b->proof_count; i++) {
        const struct store_proof *p = &b->proofs[i];
        if (p->origin <= STORE_NODE_HEADS || p->index > STORE_INDEX_MAX || p->hashes.size % 32 != 0 ||
            p->note.size == 0)
            rc = err_set(e, ERR_INVALID, "store.proof", "kept proof of entry %" PRIu64 " of node %" PRIu32 ": form",
                         p->index, p->origin);
        else if (p->hashes.size / 32 > PROOF_HASHES_MAX)
            rc = too_large(e, "number of hashes of a kept proof", p->hashes.size / 32, PROOF_HASHES_MAX);
        else if (p->note.size > NOTE_BYTES_MAX)
            rc = too_large(e, "size of a note", p->note.size, NOTE_BYTES_MAX);
    }
    return rc;
}

static int check_facts(const struct store_batch *b, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->note_count; i++) {
        rc = check_text("note name", b->notes[i].name, sizeof b->notes[i].name, false, e);
        if (rc == 0 && b->notes[i].note.size > NOTE_BYTES_MAX)
            rc = too_large(e, "size of a note", b->notes[i].note.size, NOTE_BYTES_MAX);
    }
    for (size_t i = 0; rc == 0 && i < b->hold_count; i++)
        rc = check_text("reason of a hold", b->holds[i].reason, sizeof b->holds[i].reason, true, e);
    for (size_t i = 0; rc == 0 && i < b->key_count; i++)
        if (b->keys[i].epoch == 0)
            rc = err_set(e, ERR_INVALID, "store.key-epoch", "a case key of epoch 0");
    return rc;
}

int store_batch_check(const struct store *s, const struct store_batch *b, struct err *e)
{
    int rc = check_ledger_rows(s, b, e);
    if (rc == 0)
        rc = check_derived_rows(b, e);
    if (rc == 0)
        rc = check_proofs(s, b, e);
    return rc != 0 ? rc : check_facts(b, e);
}
