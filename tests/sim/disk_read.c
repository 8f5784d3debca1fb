/* Reading the simulated disk (disk.c): the part of store.h that the engine uses. A function of store.h that is missing here stops
 * the run when it is called, with its name (unmodelled.c is made by the build). */
#include <stdlib.h>
#include <string.h>

#include "federation/ledger/leaf.h"
#include "tests/sim/disk.h"
#include "tests/sim/sim.h"

struct store_reader {
    struct disk *disk;
};

int store_reader_open(const char *dir, struct store_reader **ret, struct err *e)
{
    (void)dir;
    (void)e;
    *ret = xcalloc(1, sizeof **ret);
    (*ret)->disk = the_sim.current->disk;
    return 0;
}

void store_reader_close(struct store_reader *r)
{
    free(r);
}

/* One thread: nothing is written between two reads of a turn. */
int store_read_begin(struct store_reader *r, struct err *e)
{
    (void)r;
    (void)e;
    return 0;
}

void store_read_end(struct store_reader *r)
{
    (void)r;
}

static struct store_entry copy_entry(const struct store_entry *in, struct arena *a)
{
    struct store_entry row = *in;
    row.leaf = arena_bytes(a, in->leaf);
    row.payload = arena_bytes(a, in->payload);
    return row;
}

static struct store_replica copy_replica(const struct store_replica *in, struct arena *a)
{
    struct store_replica row = *in;
    row.frontier = arena_bytes(a, in->frontier);
    row.note = arena_bytes(a, in->note);
    row.confirmed = arena_bytes(a, in->confirmed);
    return row;
}

int store_read_ledger_state(struct store_reader *r, struct arena *a, struct store_ledger_state *ret, struct err *e)
{
    const struct disk *d = r->disk;
    const struct store_entry *own;
    (void)e;
    *ret = (struct store_ledger_state){.size = disk_size(d)};
    ret->recipients = arena_alloc(a, (d->streams.count + 1) * sizeof *ret->recipients);
    for (size_t i = 0; i < d->streams.count; i++)
        ret->recipients[ret->recipient_count++] = d->streams.rows[i].rows[d->streams.rows[i].count - 1];
    ret->replicas = arena_alloc(a, (d->replicas.count + 1) * sizeof *ret->replicas);
    for (size_t i = 0; i < d->replicas.count; i++)
        ret->replicas[ret->replica_count++] = copy_replica(&d->replicas.rows[i], a);
    ret->acks = arena_alloc(a, (d->acks.count + 1) * sizeof *ret->acks);
    for (size_t i = 0; i < d->acks.count; i++)
        ret->acks[ret->ack_count++] = d->acks.rows[i];
    size_t count = disk_entries(d, d->owner->code, &own);
    struct leaf leaf;
    if (count > 0 && leaf_decode(own[count - 1].leaf, &leaf, NULL) == 0)
        ret->hlc_max = leaf.hlc;
    return 0;
}

int store_read_tile(struct store_reader *r, uint8_t level, uint64_t number, uint8_t ret_hashes[8192], struct err *e)
{
    for (size_t i = 0; i < r->disk->tiles.count; i++) {
        const struct store_tile *row = &r->disk->tiles.rows[i];
        if (row->level != level || row->number != number)
            continue;
        memcpy(ret_hashes, row->hashes, 8192);
        return 0;
    }
    return err_set(e, ERR_NOT_FOUND, "store.no-tile", "no tile %u/%llu", level, (unsigned long long)number);
}

int store_read_entry(struct store_reader *r, uint32_t origin, uint64_t index, struct arena *a, struct store_entry *ret,
                     struct err *e)
{
    const struct store_entry *row = disk_entry(r->disk, origin, index);
    if (row == NULL)
        return err_set(e, ERR_NOT_FOUND, "store.no-entry", "entry %llu of %u is not held", (unsigned long long)index,
                       origin);
    *ret = copy_entry(row, a);
    return 0;
}

int store_read_leaf_hashes(struct store_reader *r, uint64_t from, uint64_t count, uint8_t *ret, struct err *e)
{
    for (uint64_t i = 0; i < count; i++) {
        const struct store_entry *row = disk_entry(r->disk, r->disk->owner->code, from + i);
        if (row == NULL)
            return err_set(e, ERR_CORRUPT, "store.no-entry", "own entry %llu is missing",
                           (unsigned long long)(from + i));
        memcpy(ret + i * 32, row->hash, 32);
    }
    return 0;
}

int store_read_addressed(struct store_reader *r, uint32_t recipient, uint64_t from, size_t limit, struct arena *a,
                         struct store_addressed **ret, size_t *ret_count, struct err *e)
{
    (void)e;
    *ret = arena_alloc(a, (limit + 1) * sizeof **ret);
    *ret_count = 0;
    for (size_t i = 0; i < r->disk->streams.count; i++) {
        const struct stream *s = &r->disk->streams.rows[i];
        for (size_t k = 0; s->recipient == recipient && k < s->count && *ret_count < limit; k++)
            if (s->rows[k].index >= from)
                (*ret)[(*ret_count)++] = s->rows[k];
    }
    return 0;
}

static int by_origin(const void *a, const void *b)
{
    const struct store_entry *x = a, *y = b;
    if (x->origin != y->origin)
        return x->origin < y->origin ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static struct store_entry fork_entry(const struct store_fork *f, struct arena *a)
{
    struct store_entry row = {
        .origin = f->origin, .index = f->index, .leaf = arena_bytes(a, f->leaf), .has_case = true};
    memcpy(row.hash, f->hash, sizeof row.hash);
    memcpy(row.case_id, f->case_id, sizeof row.case_id);
    return row;
}

int store_read_case_entries(struct store_reader *r, const uint8_t case_id[16], struct arena *a,
                            struct store_entry **ret, size_t *ret_count, struct err *e)
{
    const struct disk *d = r->disk;
    size_t count = 0, most = d->forks.count;
    (void)e;
    for (size_t i = 0; i < d->books.count; i++)
        for (size_t k = 0; k < d->books.rows[i].count; k++)
            most += d->books.rows[i].rows[k].has_case && memcmp(d->books.rows[i].rows[k].case_id, case_id, 16) == 0;
    *ret = arena_alloc(a, (most + 1) * sizeof **ret);
    for (size_t i = 0; i < d->books.count; i++)
        for (size_t k = 0; k < d->books.rows[i].count; k++)
            if (d->books.rows[i].rows[k].has_case && memcmp(d->books.rows[i].rows[k].case_id, case_id, 16) == 0)
                (*ret)[count++] = copy_entry(&d->books.rows[i].rows[k], a);
    for (size_t i = 0; i < d->forks.count; i++)
        if (memcmp(d->forks.rows[i].case_id, case_id, 16) == 0)
            (*ret)[count++] = fork_entry(&d->forks.rows[i], a);
    qsort(*ret, count, sizeof **ret, by_origin);
    *ret_count = count;
    return 0;
}

int store_scan_case(struct store_reader *r, const uint8_t case_id[16], uint32_t origin, uint64_t from,
                    int (*cb)(void *ctx, const struct store_entry *entry, struct err *e), void *ctx, struct err *e)
{
    const struct store_entry *rows;
    size_t count = disk_entries(r->disk, origin, &rows);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        if (rows[i].index >= from && rows[i].has_case && memcmp(rows[i].case_id, case_id, 16) == 0)
            rc = cb(ctx, &rows[i], e);
    return rc;
}

int store_read_proof(struct store_reader *r, uint32_t origin, uint64_t index, struct arena *a, struct store_proof *ret,
                     struct err *e)
{
    for (size_t i = 0; i < r->disk->proofs.count; i++) {
        const struct store_proof *row = &r->disk->proofs.rows[i];
        if (row->origin != origin || row->index != index)
            continue;
        *ret = *row;
        ret->hashes = arena_bytes(a, row->hashes);
        ret->note = arena_bytes(a, row->note);
        return 0;
    }
    return err_set(e, ERR_NOT_FOUND, "store.no-proof", "no proof of entry %llu of node %u is kept by itself",
                   (unsigned long long)index, origin);
}

static int nearest_first(const void *a, const void *b)
{
    const struct store_cover *x = a, *y = b;
    return x->from > y->from ? -1 : x->from < y->from;
}

int store_read_covers(struct store_reader *r, uint32_t origin, uint64_t index, size_t limit, struct arena *a,
                      struct store_cover **ret, size_t *ret_count, struct err *e)
{
    size_t count = 0;
    (void)e;
    *ret = arena_alloc(a, (r->disk->covers.count + 1) * sizeof **ret);
    for (size_t i = 0; i < r->disk->covers.count; i++) {
        const struct store_cover *row = &r->disk->covers.rows[i];
        if (row->origin != origin || row->from > index)
            continue;
        (*ret)[count] = *row;
        (*ret)[count].parts = arena_bytes(a, row->parts);
        (*ret)[count++].note = arena_bytes(a, row->note);
    }
    qsort(*ret, count, sizeof **ret, nearest_first);
    *ret_count = min_of(count, limit);
    return 0;
}

int store_list_pulls(struct store_reader *r, struct arena *a, struct store_pull **ret, size_t *ret_count, struct err *e)
{
    (void)e;
    *ret_count = 0;
    *ret = arena_alloc(a, (r->disk->pulls.count + 1) * sizeof **ret);
    for (size_t i = 0; i < r->disk->pulls.count; i++)
        if (r->disk->pulls.rows[i].since_ms > 0)
            (*ret)[(*ret_count)++] = r->disk->pulls.rows[i];
    return 0;
}

/* Nobody hands in files here. */
int store_read_files(struct store_reader *r, const uint8_t case_id[16], struct arena *a, struct store_file **ret,
                     size_t *ret_count, struct err *e)
{
    (void)r;
    (void)case_id;
    (void)e;
    *ret = arena_alloc(a, sizeof **ret);
    *ret_count = 0;
    return 0;
}

int store_list_wanted_files(struct store_reader *r, size_t limit, struct arena *a, struct store_file **ret,
                            size_t *ret_count, struct err *e)
{
    (void)r;
    (void)limit;
    (void)e;
    *ret = arena_alloc(a, sizeof **ret);
    *ret_count = 0;
    return 0;
}

int store_scan_entries(struct store_reader *r, uint32_t origin, uint64_t from,
                       int (*cb)(void *ctx, const struct store_entry *entry, struct err *e), void *ctx, struct err *e)
{
    const struct store_entry *rows;
    size_t count = disk_entries(r->disk, origin, &rows);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        if (rows[i].index >= from)
            rc = cb(ctx, &rows[i], e);
    return rc;
}

int store_scan_cases(struct store_reader *r, int (*cb)(void *ctx, const struct store_case *row, struct err *e),
                     void *ctx, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->disk->cases.count; i++)
        rc = cb(ctx, &r->disk->cases.rows[i], e);
    return rc;
}

int store_read_case(struct store_reader *r, const uint8_t case_id[16], struct store_case *ret, struct err *e)
{
    for (size_t i = 0; i < r->disk->cases.count; i++)
        if (memcmp(r->disk->cases.rows[i].case_id, case_id, 16) == 0) {
            *ret = r->disk->cases.rows[i];
            return 0;
        }
    return err_set(e, ERR_NOT_FOUND, "store.no-case", "no such case");
}

int store_read_item(struct store_reader *r, uint32_t node, const char *code, struct arena *a, struct store_item *ret,
                    struct err *e)
{
    for (size_t i = 0; i < r->disk->items.count; i++) {
        const struct store_item *row = &r->disk->items.rows[i];
        if (row->node != node || strcmp(row->code, code) != 0)
            continue;
        *ret = *row;
        ret->json = arena_bytes(a, row->json);
        return 0;
    }
    return err_set(e, ERR_NOT_FOUND, "store.no-item", "node %u publishes no item '%s'", node, code);
}

/* The newest version only: an item of a simulated province changes seldom, and a case of an older one then allows nothing. */
int store_read_item_version(struct store_reader *r, uint32_t node, const char *code, uint32_t version, struct arena *a,
                            struct store_item *ret, struct err *e)
{
    int rc = store_read_item(r, node, code, a, ret, e);
    if (rc == 0 && ret->version != version)
        rc = err_set(e, ERR_NOT_FOUND, "store.no-item-version", "node %u has no version %u of '%s'", node, version,
                     code);
    return rc;
}

/* The engine lists its own items only, page by page. */
int store_list_items(struct store_reader *r, const struct store_item_filter *f, struct arena *a,
                     struct store_item **ret, size_t *ret_count, struct err *e)
{
    (void)e;
    *ret = arena_alloc(a, (r->disk->items.count + 1) * sizeof **ret);
    *ret_count = 0;
    for (size_t i = 0; f->after_code == NULL && i < r->disk->items.count; i++)
        if (f->node == 0 || r->disk->items.rows[i].node == f->node)
            (*ret)[(*ret_count)++] = r->disk->items.rows[i];
    return 0;
}

/* With as much room behind them. */
static struct store_bundle *bundle_rows(const struct disk *d, struct arena *a)
{
    struct store_bundle *rows = arena_alloc(a, (2 * d->bundles.count + 1) * sizeof *rows);
    if (d->bundles.count > 0)
        memcpy(rows, d->bundles.rows, d->bundles.count * sizeof *rows);
    return rows;
}

static int newest_bundle_first(const void *a, const void *b)
{
    const struct store_bundle *x = a, *y = b;
    return x->index > y->index ? -1 : x->index < y->index;
}

int store_read_bundle(struct store_reader *r, uint32_t node, const char *code, uint64_t index, struct arena *a,
                      struct store_bundle *ret, struct err *e)
{
    (void)a; /* the disk outlives what is read */
    for (size_t i = 0; i < r->disk->bundles.count; i++) {
        const struct store_bundle *row = &r->disk->bundles.rows[i];
        if (row->node != node || row->index != index || strcmp(row->code, code) != 0)
            continue;
        *ret = *row;
        return 0;
    }
    return err_set(e, ERR_NOT_FOUND, "store.no-bundle", "entry %llu of node %u is about no bundle",
                   (unsigned long long)index, node);
}

static int by_node_and_code(const void *a, const void *b)
{
    const struct store_bundle *x = a, *y = b;
    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    int order = strcmp(x->code, y->code);
    return order != 0 ? order : newest_bundle_first(a, b);
}

/* The engine lists all bundles, page by page. */
int store_list_bundles(struct store_reader *r, const struct store_bundle_filter *f, struct arena *a,
                       struct store_bundle **ret, size_t *ret_count, struct err *e)
{
    struct store_bundle *rows = bundle_rows(r->disk, a);
    size_t count = 0;
    (void)e;
    qsort(rows, r->disk->bundles.count, sizeof *rows, by_node_and_code);
    for (size_t i = 0; i < r->disk->bundles.count && count < f->limit; i++) {
        bool is_newest = i == 0 || rows[i].node != rows[i - 1].node || strcmp(rows[i].code, rows[i - 1].code) != 0;
        bool is_after = f->after_code == NULL || rows[i].node > f->after_node ||
                        (rows[i].node == f->after_node && strcmp(rows[i].code, f->after_code) > 0);
        if (is_newest && is_after && !rows[i].withdrawn)
            rows[r->disk->bundles.count + count++] = rows[i];
    }
    *ret = rows + r->disk->bundles.count;
    *ret_count = count;
    return 0;
}

int store_list_bundle_versions(struct store_reader *r, uint32_t node, const char *code, struct arena *a,
                               struct store_bundle **ret, size_t *ret_count, struct err *e)
{
    struct store_bundle *rows = bundle_rows(r->disk, a);
    size_t count = 0;
    (void)e;
    for (size_t i = 0; i < r->disk->bundles.count; i++)
        if (rows[i].node == node && strcmp(rows[i].code, code) == 0)
            rows[count++] = rows[i];
    qsort(rows, count, sizeof *rows, newest_bundle_first);
    *ret = rows;
    *ret_count = count;
    return 0;
}

int store_count_items(struct store_reader *r, uint32_t node, uint64_t *ret_count, uint32_t *ret_version_max,
                      struct err *e)
{
    (void)e;
    *ret_count = 0;
    *ret_version_max = 0;
    for (size_t i = 0; i < r->disk->items.count; i++) {
        const struct store_item *row = &r->disk->items.rows[i];
        if (node != 0 && row->node != node)
            continue;
        *ret_count += !row->withdrawn;
        *ret_version_max = max_of(*ret_version_max, row->version);
    }
    return 0;
}

int store_read_request(struct store_reader *r, const uint8_t key_hash[32], struct store_request *ret, struct err *e)
{
    for (size_t i = 0; i < r->disk->requests.count; i++)
        if (memcmp(r->disk->requests.rows[i].key_hash, key_hash, 32) == 0) {
            *ret = r->disk->requests.rows[i];
            return 0;
        }
    return err_set(e, ERR_NOT_FOUND, "store.no-request", "no such request");
}

int store_read_counter(struct store_reader *r, const char *name, uint64_t *ret, struct err *e)
{
    (void)e;
    *ret = 0;
    for (size_t i = 0; i < r->disk->counters.count; i++)
        if (strcmp(r->disk->counters.rows[i].name, name) == 0)
            *ret = r->disk->counters.rows[i].value;
    return 0;
}

int store_read_key(struct store_reader *r, const uint8_t case_id[16], uint32_t epoch, struct store_key *ret,
                   struct err *e)
{
    for (size_t i = 0; i < r->disk->keys.count; i++)
        if (memcmp(r->disk->keys.rows[i].case_id, case_id, 16) == 0 && r->disk->keys.rows[i].epoch == epoch) {
            *ret = r->disk->keys.rows[i];
            return 0;
        }
    return err_set(e, ERR_NOT_FOUND, "store.no-key", "no key of this case");
}

int store_read_note(struct store_reader *r, const char *name, struct arena *a, struct store_note *ret, struct err *e)
{
    for (size_t i = 0; i < r->disk->notes.count; i++)
        if (strcmp(r->disk->notes.rows[i].name, name) == 0) {
            *ret = r->disk->notes.rows[i];
            ret->note = arena_bytes(a, ret->note);
            return 0;
        }
    return err_set(e, ERR_NOT_FOUND, "store.no-note", "no note '%s'", name);
}

int store_list_witnesses(struct store_reader *r, struct arena *a, struct store_witness **ret, size_t *ret_count,
                         struct err *e)
{
    (void)e;
    *ret_count = r->disk->witnesses.count;
    *ret = arena_alloc(a, (*ret_count + 1) * sizeof **ret);
    for (size_t i = 0; i < *ret_count; i++) {
        (*ret)[i] = r->disk->witnesses.rows[i];
        (*ret)[i].note = arena_bytes(a, (*ret)[i].note);
    }
    return 0;
}

int store_read_erasures(struct store_reader *r, const uint8_t case_id[16], struct arena *a, struct store_erasure **ret,
                        size_t *ret_count, struct err *e)
{
    (void)e;
    *ret = arena_alloc(a, (r->disk->erasures.count + 1) * sizeof **ret);
    *ret_count = 0;
    for (size_t i = 0; i < r->disk->erasures.count; i++)
        if (memcmp(r->disk->erasures.rows[i].case_id, case_id, 16) == 0)
            (*ret)[(*ret_count)++] = r->disk->erasures.rows[i];
    return 0;
}

int store_list_erasures_open(struct store_reader *r, size_t limit, struct arena *a, struct store_erasure **ret,
                             size_t *ret_count, struct err *e)
{
    (void)e;
    *ret = arena_alloc(a, (r->disk->erasures.count + 1) * sizeof **ret);
    *ret_count = 0;
    for (size_t i = 0; i < r->disk->erasures.count && *ret_count < limit; i++)
        if (r->disk->erasures.rows[i].state != STORE_ERASURE_DONE)
            (*ret)[(*ret_count)++] = r->disk->erasures.rows[i];
    return 0;
}

static int by_due(const void *a, const void *b)
{
    const struct store_due *x = a, *y = b;
    return x->due < y->due ? -1 : x->due > y->due;
}

int store_read_due(struct store_reader *r, const uint8_t case_id[16], struct store_due *ret, struct err *e)
{
    for (size_t i = 0; i < r->disk->dues.count; i++)
        if (memcmp(r->disk->dues.rows[i].case_id, case_id, 16) == 0 && r->disk->dues.rows[i].due > 0) {
            *ret = r->disk->dues.rows[i];
            return 0;
        }
    return err_set(e, ERR_NOT_FOUND, "store.no-due", "nothing is due");
}

int store_list_dues(struct store_reader *r, const struct store_due_filter *f, struct arena *a, struct store_due **ret,
                    size_t *ret_count, struct err *e)
{
    size_t count = 0;
    (void)e;
    *ret = arena_alloc(a, (r->disk->dues.count + 1) * sizeof **ret);
    for (size_t i = 0; i < r->disk->dues.count; i++) {
        const struct store_due *row = &r->disk->dues.rows[i];
        if (row->due > 0 && (f->before == 0 || row->due < f->before) && (f->kind == 0 || row->kind == f->kind) &&
            (f->lead == 0 || row->lead == f->lead))
            (*ret)[count++] = *row;
    }
    qsort(*ret, count, sizeof **ret, by_due);
    size_t skip = (size_t)min_of(f->skip, (uint64_t)count);
    *ret += skip;
    *ret_count = min_of(count - skip, f->limit);
    return 0;
}

static int by_case(const void *a, const void *b)
{
    const struct store_publicity *x = a, *y = b;
    return memcmp(x->case_id, y->case_id, sizeof x->case_id);
}

int store_list_publicities(struct store_reader *r, const uint8_t *after, size_t limit, struct arena *a,
                           struct store_publicity **ret, size_t *ret_count, struct err *e)
{
    size_t count = 0;
    (void)e;
    *ret = arena_alloc(a, (r->disk->publicities.count + 1) * sizeof **ret);
    for (size_t i = 0; i < r->disk->publicities.count; i++) {
        const struct store_publicity *row = &r->disk->publicities.rows[i];
        if (row->due > 0 && (after == NULL || memcmp(row->case_id, after, sizeof row->case_id) > 0))
            (*ret)[count++] = *row;
    }
    qsort(*ret, count, sizeof **ret, by_case);
    *ret_count = min_of(count, limit);
    return 0;
}

int store_read_hold(struct store_reader *r, const uint8_t case_id[16], struct store_hold *ret, struct err *e)
{
    for (size_t i = 0; i < r->disk->holds.count; i++)
        if (memcmp(r->disk->holds.rows[i].case_id, case_id, 16) == 0 && r->disk->holds.rows[i].since_ms > 0) {
            *ret = r->disk->holds.rows[i];
            return 0;
        }
    return err_set(e, ERR_NOT_FOUND, "store.no-hold", "no hold");
}

int store_list_evidence(struct store_reader *r, struct arena *a, struct store_evidence **ret, size_t *ret_count,
                        struct err *e)
{
    (void)e;
    *ret_count = r->disk->evidences.count;
    *ret = arena_alloc(a, (*ret_count + 1) * sizeof **ret);
    for (size_t i = 0; i < *ret_count; i++)
        (*ret)[i] = r->disk->evidences.rows[i];
    return 0;
}
