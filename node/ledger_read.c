/* What the ledger can be asked (see ledger.h): its state, its tree, its entries for peers. */
#include "node/base/xassert.h"
#include "node/ledger_internal.h"

int ledger_check_shown(const struct ledger *l, struct err *e)
{
    if (l->stopped) {
        if (e != NULL)
            *e = l->why;
        return l->why.code;
    }
    if (l->recovered)
        return err_set(e, ERR_CLOSED, "ledger.behind",
                       "the missing entries of this ledger are back and are being signed");
    if (l->behind == 0)
        return 0;
    (void)err_set(
        e, ERR_CLOSED, "ledger.behind",
        "this ledger holds %llu entries, but %llu have been signed: it is an older copy and writes nothing until "
        "the missing ones are back",
        (unsigned long long)tiles_size(l->tiles), (unsigned long long)l->behind);
    err_hint(e, "they are fetched from the other nodes; 'tongban status' says how far that is");
    return ERR_CLOSED;
}

int ledger_check_writable(const struct ledger *l, struct err *e)
{
    int rc = ledger_check_shown(l, e);
    if (rc == 0 && l->held)
        rc = err_set(e, ERR_CLOSED, "ledger.asking",
                     "starting: the other nodes are being asked what they hold of this ledger, nothing is written yet");
    return rc;
}

void ledger_hold(struct ledger *l, bool held)
{
    l->held = held;
}

uint64_t ledger_behind(const struct ledger *l)
{
    return l->stopped ? 0 : l->behind;
}

const struct checkpoint *ledger_signed_head(const struct ledger *l)
{
    return &l->on_disk;
}

uint64_t ledger_size(const struct ledger *l)
{
    return l->tiles == NULL ? 0 : tiles_size(l->tiles);
}

const struct ledger_head *ledger_head(const struct ledger *l)
{
    return &l->head;
}

struct store_reader *ledger_reader(struct ledger *l)
{
    return l->reader;
}

struct merkle_source ledger_source(struct ledger *l)
{
    xassert(l->tiles != NULL);
    return tiles_source(l->tiles);
}

int ledger_root_at(struct ledger *l, uint64_t size, struct merkle_hash *ret, struct err *e)
{
    if (l->tiles == NULL)
        return err_set(e, ERR_CLOSED, "ledger.stopped", "the ledger is stopped");
    struct merkle_source source = tiles_source(l->tiles);
    return merkle_root(&source, size, ret, e);
}

struct store_addressed ledger_last_addressed(const struct ledger *l, uint32_t recipient)
{
    const struct store_addressed *slot = map_get(&l->recipients, &recipient, sizeof recipient);
    return slot == NULL ? (struct store_addressed){.recipient = recipient} : *slot;
}

int ledger_read_entry(struct ledger *l, uint64_t index, struct arena *a, struct bytes *ret_leaf,
                      struct bytes *ret_payload, bool *ret_held, struct err *e)
{
    if (l->stopped)
        return err_set(e, ERR_CLOSED, "ledger.stopped", "the ledger is stopped");
    const struct recent_entry *recent = recent_get(l->recent, index);
    if (recent != NULL) {
        *ret_leaf = recent->leaf; /* valid until the next append: the caller encodes within this turn */
        *ret_payload = recent->payload;
        *ret_held = recent->payload_held;
        return 0;
    }
    struct store_entry entry;
    int rc = store_read_entry(l->reader, l->config.self, index, a, &entry, e);
    if (rc != 0)
        return rc;
    *ret_leaf = entry.leaf;
    *ret_payload = entry.payload;
    *ret_held = entry.payload_held;
    return 0;
}

static bool recent_is_for(const struct recent_entry *entry, uint32_t recipient)
{
    for (unsigned i = 0; i < entry->recipient_count; i++)
        if (entry->recipients[i] == recipient || entry->recipients[i] == LEAF_NODE_ALL)
            return true;
    return false;
}

/* Two ascending lists into one; both belong to the same leaf at most once. */
static size_t merge_indexes(const struct store_addressed *a, size_t a_count, const struct store_addressed *b,
                            size_t b_count, uint64_t below, size_t limit, uint64_t *out)
{
    size_t i = 0, k = 0, n = 0;
    while (n < limit && (i < a_count || k < b_count)) {
        bool first = k == b_count || (i < a_count && a[i].index <= b[k].index);
        uint64_t index = first ? a[i].index : b[k].index;
        i += first;
        k += !first || (k < b_count && b[k].index == index);
        if (index >= below)
            break;
        out[n++] = index;
    }
    return n;
}

int ledger_read_addressed(struct ledger *l, uint32_t recipient, uint64_t from, uint64_t below, size_t limit,
                          struct arena *a, uint64_t **ret, size_t *ret_count, struct err *e)
{
    if (l->stopped)
        return err_set(e, ERR_CLOSED, "ledger.stopped", "the ledger is stopped");
    uint64_t *out = arena_alloc(a, limit * sizeof *out);
    size_t count = 0;
    if (from >= recent_first(l->recent)) {
        for (uint64_t index = from; index < below && count < limit; index++) {
            const struct recent_entry *entry = recent_get(l->recent, index);
            xassert(entry != NULL);
            if (recent_is_for(entry, recipient))
                out[count++] = index;
        }
    } else {
        struct store_addressed *own, *everyone;
        size_t own_count, everyone_count;
        int rc = store_read_addressed(l->reader, recipient, from, limit, a, &own, &own_count, e);
        if (rc == 0)
            rc = store_read_addressed(l->reader, LEAF_NODE_ALL, from, limit, a, &everyone, &everyone_count, e);
        if (rc != 0)
            return rc;
        count = merge_indexes(own, own_count, everyone, everyone_count, below, limit, out);
    }
    *ret = out;
    *ret_count = count;
    return 0;
}

bool ledger_last_heads(struct ledger *l, uint64_t from, uint64_t below, uint64_t *ret_index)
{
    struct store_addressed last = ledger_last_addressed(l, STORE_NODE_HEADS);
    if (l->stopped || last.seq == 0 || last.index < from)
        return false;
    *ret_index = last.index;
    if (last.index < below)
        return true;
    struct arena a = ARENA_INIT;
    struct store_addressed *rows;
    size_t count = 0, i = 0;
    if (store_read_addressed(l->reader, STORE_NODE_HEADS, from, BATCH_LEAVES_MAX, &a, &rows, &count, NULL) != 0)
        count = 0; /* left out this time: the reader complains where it matters */
    while (i < count && rows[i].index < below)
        *ret_index = rows[i++].index;
    arena_close(&a);
    return i > 0;
}
