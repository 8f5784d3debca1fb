/* Tiles in memory (see tiles.h).
 *
 * A tile is kept as its 9 rows of hashes, row 0 the 256 hashes that are stored, row 8 its root; an append fills row 0
 * and, where a pair is complete, the row above: one inner hash per leaf on average. When row 8 is set the tile is saved,
 * moves to the cache, and its root is appended to the tile of the level above.
 *
 * A tile that comes back from the store is trusted only when its root is what the tile above says, which is itself either
 * in memory since it was built, or was checked the same way: loading goes from the top down.
 */
#include "federation/ledger/tiles.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/xassert.h"

#define TILE_HEIGHT 8u
#define TILE_HASHES (2 * TILES_WIDTH - 1) /* all rows */

struct tile_rows {
    struct merkle_hash hash[TILE_HASHES]; /* row 0 first */
};

/* The unfinished tile of one level. */
struct edge {
    struct tile_rows *rows; /* owned; NULL until the level is reached */
    uint64_t full;          /* finished tiles of this level; also the index of this one */
    unsigned width;         /* hashes in row 0, 0..255 */
};

/* A finished tile. */
struct cached {
    struct tile_rows *rows; /* owned; NULL = free slot */
    unsigned level;
    uint64_t index;
    uint64_t used; /* larger = more recent */
};

struct tiles {
    struct tiles_store store;
    uint64_t size;
    struct edge edges[TILES_LEVEL_COUNT];
    struct cached cache[TILES_CACHE_COUNT];
    uint64_t clock; /* for cached.used */
};

/* Hash @i of row @row; row r begins after the 256 + 128 + … of the rows below. */
static struct merkle_hash *row_at(struct tile_rows *rows, unsigned row, unsigned i)
{
    xassert(row <= TILE_HEIGHT && i < TILES_WIDTH >> row);
    return &rows->hash[2 * TILES_WIDTH - (2 * TILES_WIDTH >> row) + i];
}

/* Sets hash @i of row 0 and all rows above that it completes. */
static void set_hash(struct tile_rows *rows, unsigned i, const struct merkle_hash *hash)
{
    *row_at(rows, 0, i) = *hash;
    for (unsigned row = 0; (i & 1) != 0; row++, i >>= 1)
        merkle_node_hash(row_at(rows, row, i - 1), row_at(rows, row, i), row_at(rows, row + 1, i >> 1));
}

/* ---- cache ---- */

static struct cached *cache_find(struct tiles *t, unsigned level, uint64_t index)
{
    for (unsigned i = 0; i < TILES_CACHE_COUNT; i++) {
        struct cached *c = &t->cache[i];
        if (c->rows != NULL && c->index == index && c->level == level) {
            c->used = ++t->clock;
            return c;
        }
    }
    return NULL;
}

/* Takes the slot used longest ago and gives it its rows' memory; the caller fills them. */
static struct cached *cache_claim(struct tiles *t, unsigned level, uint64_t index)
{
    struct cached *oldest = &t->cache[0];
    for (unsigned i = 0; i < TILES_CACHE_COUNT; i++) {
        struct cached *c = &t->cache[i];
        if (c->rows == NULL || c->used < oldest->used)
            oldest = c;
        if (c->rows == NULL)
            break;
    }
    if (oldest->rows == NULL)
        oldest->rows = xmalloc(sizeof *oldest->rows);
    oldest->level = level;
    oldest->index = index;
    oldest->used = ++t->clock;
    return oldest;
}

/* ---- life ---- */

struct tiles *tiles_create(const struct tiles_store *store)
{
    xassert(store->save != NULL && store->load != NULL);
    struct tiles *t = xcalloc(1, sizeof *t);
    t->store = *store;
    return t;
}

static void clear(struct tiles *t)
{
    t->size = 0;
    for (unsigned i = 0; i < TILES_LEVEL_COUNT; i++) {
        free(t->edges[i].rows);
        t->edges[i] = (struct edge){.rows = NULL};
    }
    for (unsigned i = 0; i < TILES_CACHE_COUNT; i++) {
        free(t->cache[i].rows);
        t->cache[i] = (struct cached){.rows = NULL};
    }
}

void tiles_destroy(struct tiles *t)
{
    if (t == NULL)
        return;
    clear(t);
    free(t);
}

void tiles_widths(uint64_t size, unsigned level, uint64_t *ret_full, unsigned *ret_partial)
{
    xassert(level < TILES_LEVEL_COUNT && size <= MERKLE_SIZE_MAX);
    uint64_t hashes = size >> (TILE_HEIGHT * level);
    *ret_full = hashes / TILES_WIDTH;
    *ret_partial = (unsigned)(hashes % TILES_WIDTH);
}

/* Reads a full tile and computes its rows. */
static int load_rows(const struct tiles *t, unsigned level, uint64_t index, struct tile_rows *rows, struct err *e)
{
    uint8_t *raw = xmalloc(TILES_BYTES);
    int rc = t->store.load(t->store.ctx, level, index, raw, e);
    for (unsigned i = 0; rc >= 0 && i < TILES_WIDTH; i++) {
        struct merkle_hash hash;
        memcpy(hash.b, raw + (size_t)i * MERKLE_HASH_SIZE, MERKLE_HASH_SIZE);
        set_hash(rows, i, &hash);
    }
    free(raw);
    return rc < 0 ? rc : 0;
}

static struct tile_rows *edge_rows(struct tiles *t, unsigned level)
{
    if (t->edges[level].rows == NULL)
        t->edges[level].rows = xcalloc(1, sizeof *t->edges[level].rows);
    return t->edges[level].rows;
}

/* The unfinished tile of @level >= 1 holds the roots of the last finished tiles of the level below. */
static int restore_level(struct tiles *t, unsigned level, struct err *e)
{
    struct edge *edge = &t->edges[level];
    struct tile_rows *below = xmalloc(sizeof *below);
    struct tile_rows *rows = edge->width == 0 ? NULL : edge_rows(t, level);
    int rc = 0;
    for (unsigned i = 0; rc >= 0 && i < edge->width; i++) {
        rc = load_rows(t, level - 1, edge->full * TILES_WIDTH + i, below, e);
        if (rc >= 0)
            set_hash(rows, i, row_at(below, TILE_HEIGHT, 0));
    }
    free(below);
    return rc;
}

int tiles_restore(struct tiles *t, uint64_t size, const struct merkle_hash *tail, size_t count, struct err *e)
{
    xassert(t->size == 0);
    if (size > MERKLE_SIZE_MAX || count != size % TILES_WIDTH)
        return err_set(e, ERR_INVALID, "tiles.restore",
                       "tree of %" PRIu64 " leaves with %zu leaf hashes behind the last "
                       "full tile",
                       size, count);

    for (unsigned level = 0; level < TILES_LEVEL_COUNT; level++)
        tiles_widths(size, level, &t->edges[level].full, &t->edges[level].width);
    for (unsigned i = 0; i < count; i++)
        set_hash(edge_rows(t, 0), i, &tail[i]);

    int rc = 0;
    for (unsigned level = 1; rc >= 0 && level < TILES_LEVEL_COUNT; level++)
        rc = restore_level(t, level, e);
    if (rc < 0) {
        clear(t);
        return rc;
    }
    t->size = size;
    return 0;
}

/* ---- appending ---- */

/* The tile of @level is full: into the cache with it, and on to the next. */
static void finish_tile(struct tiles *t, unsigned level)
{
    struct edge *edge = &t->edges[level];
    struct cached *c = cache_claim(t, level, edge->full);
    struct tile_rows *swap = c->rows; /* the slot's memory becomes the next tile's: no copy */
    c->rows = edge->rows;
    edge->rows = swap;
    edge->full++;
    edge->width = 0;
}

int tiles_append(struct tiles *t, const struct merkle_hash *leaf_hash, struct err *e)
{
    if (t->size >= MERKLE_SIZE_MAX)
        return err_set(e, ERR_LIMIT, "tiles.size", "tree has %" PRIu64 " leaves, limit 2^62", t->size);

    /* First write behind the widths, where nothing looks; widths move only when every save went through. */
    struct merkle_hash hash = *leaf_hash;
    unsigned level = 0;
    for (;; level++) {
        xassert(level < TILES_LEVEL_COUNT);
        struct edge *edge = &t->edges[level];
        struct tile_rows *rows = edge_rows(t, level);
        set_hash(rows, edge->width, &hash);
        if (edge->width + 1 < TILES_WIDTH)
            break;
        int rc = t->store.save(t->store.ctx, level, edge->full, rows->hash[0].b, e);
        if (rc < 0)
            return rc;
        hash = *row_at(rows, TILE_HEIGHT, 0);
    }

    for (unsigned l = 0; l < level; l++)
        finish_tile(t, l);
    t->edges[level].width++;
    t->size++;
    return 0;
}

uint64_t tiles_size(const struct tiles *t)
{
    return t->size;
}

void tiles_root(const struct tiles *t, struct merkle_hash *ret)
{
    /* Every node of the compact range [0, size) is in an unfinished tile: level l of the tree is row l % 8 of tile level
     * l / 8, and the node is the last complete one of its row there. */
    bool has_hash = false;
    struct merkle_hash root;
    for (unsigned level = 0; level < 63; level++) {
        if ((t->size >> level & 1) == 0)
            continue;
        const struct edge *edge = &t->edges[level / TILE_HEIGHT];
        unsigned row = level % TILE_HEIGHT;
        const struct merkle_hash *node = row_at(edge->rows, row, (edge->width >> row) - 1);
        if (has_hash)
            merkle_node_hash(node, &root, &root);
        else
            root = *node;
        has_hash = true;
    }
    if (!has_hash)
        merkle_empty_root(&root);
    *ret = root;
}

/* ---- answering ---- */

/* Rows of tile (@level, @index) if they are in memory: the unfinished one or a cached one. */
static struct tile_rows *find_rows(struct tiles *t, unsigned level, uint64_t index)
{
    if (index == t->edges[level].full)
        return t->edges[level].rows;
    struct cached *c = cache_find(t, level, index);
    return c == NULL ? NULL : c->rows;
}

/* Makes sure that finished tile (@level, @index) is in the cache. Its parent is in memory (asserted). */
static int fetch_tile(struct tiles *t, unsigned level, uint64_t index, struct err *e)
{
    struct tile_rows *parent = find_rows(t, level + 1, index / TILES_WIDTH);
    xassert(parent != NULL);
    struct merkle_hash expected =
        *row_at(parent, 0, (unsigned)(index % TILES_WIDTH)); /* claiming may drop the parent */

    struct tile_rows *rows = xmalloc(sizeof *rows);
    int rc = load_rows(t, level, index, rows, e);
    if (rc >= 0 && !merkle_hash_equal(row_at(rows, TILE_HEIGHT, 0), &expected))
        rc = err_set(e, ERR_CORRUPT, "tiles.corrupt", "stored tile %u/%" PRIu64 " does not belong to this tree", level,
                     index);
    if (rc >= 0)
        *cache_claim(t, level, index)->rows = *rows;
    free(rows);
    return rc;
}

static int source_node(void *ctx, unsigned level, uint64_t index, uint8_t out[MERKLE_HASH_SIZE], struct err *e)
{
    struct tiles *t = ctx;
    if (level > 62 || index >= t->size >> level)
        return err_set(e, ERR_INVALID, "tiles.node", "no complete subtree %u/%" PRIu64 " in a tree of %" PRIu64, level,
                       index, t->size);

    unsigned tile_level = level / TILE_HEIGHT;
    unsigned row = level % TILE_HEIGHT;
    uint64_t first = index << row; /* its leftmost hash in row 0 of the tile level; fits: below the size */
    uint64_t tile = first / TILES_WIDTH;

    unsigned up = tile_level; /* lowest level above which everything needed is in memory */
    while (find_rows(t, up, tile >> (TILE_HEIGHT * (up - tile_level))) == NULL) {
        up++;
        xassert(up < TILES_LEVEL_COUNT); /* the topmost level has only an unfinished tile */
    }
    for (; up > tile_level; up--) {
        int rc = fetch_tile(t, up - 1, tile >> (TILE_HEIGHT * (up - 1 - tile_level)), e);
        if (rc < 0)
            return rc;
    }
    struct tile_rows *rows = find_rows(t, tile_level, tile);
    xassert(rows != NULL);
    memcpy(out, row_at(rows, row, (unsigned)(first % TILES_WIDTH) >> row)->b, MERKLE_HASH_SIZE);
    return 0;
}

struct merkle_source tiles_source(struct tiles *t)
{
    return (struct merkle_source){.node = source_node, .ctx = t};
}

/* ---- paths ---- */

void tiles_format_path(unsigned level, uint64_t index, unsigned width, char *out)
{
    xassert(level < TILES_LEVEL_COUNT && index <= TILES_INDEX_MAX && width >= 1 && width <= TILES_WIDTH);
    unsigned groups[8];
    unsigned count = 0;
    do {
        groups[count++] = (unsigned)(index % 1000);
        index /= 1000;
    } while (index > 0);

    int at = snprintf(out, TILES_PATH_SIZE, "tile/%u", level);
    for (; count > 0; count--)
        at += snprintf(out + at, TILES_PATH_SIZE - (size_t)at, count > 1 ? "/x%03u" : "/%03u", groups[count - 1]);
    if (width < TILES_WIDTH)
        at += snprintf(out + at, TILES_PATH_SIZE - (size_t)at, ".p/%u", width);
    xassert(at < TILES_PATH_SIZE);
}

/* Reads "/x001/x234/067", at most 18 digits; whether it is the canonical form is the caller's to check. */
static uint64_t parse_index(struct reader *r)
{
    uint64_t index = 0;
    bool is_last = false;
    for (unsigned group = 0; !is_last; group++) {
        if (group == 6 || read_u8(r) != '/')
            r->failed = true;
        is_last = reader_left(r) == 0 || *r->at != 'x';
        if (!is_last)
            (void)read_u8(r);
        for (unsigned i = 0; i < 3; i++) {
            unsigned digit = (unsigned)read_u8(r) - '0';
            index = index * 10 + digit % 10;
            r->failed = r->failed || digit > 9;
        }
    }
    return index;
}

int tiles_parse_path(struct bytes path, unsigned *ret_level, uint64_t *ret_index, unsigned *ret_width, struct err *e)
{
    struct reader r = reader_of(path);
    bool is_tile = bytes_equal(read_bytes(&r, 5), bytes_of_string("tile/"));
    unsigned level = (unsigned)read_u8(&r) - '0';
    uint64_t index = parse_index(&r);
    uint64_t width = TILES_WIDTH;
    if (reader_left(&r) > 0 && bytes_equal(read_bytes(&r, 3), bytes_of_string(".p/"))) {
        if (decimal_parse(read_bytes(&r, reader_left(&r)), &width) < 0)
            width = 0;
    }

    /* Read loosely, then compare with the one way to write it: no leading zeros, x groups and widths in every form. */
    char canonical[TILES_PATH_SIZE] = "";
    if (reader_done(&r) && is_tile && level < TILES_LEVEL_COUNT && index <= TILES_INDEX_MAX && width >= 1 &&
        width <= TILES_WIDTH)
        tiles_format_path(level, index, (unsigned)width, canonical);
    if (!bytes_equal(path, bytes_of_string(canonical)) || path.size == 0)
        return err_set(e, ERR_INVALID, "tiles.path", "'%.*s' is not the path of a tile",
                       (int)min_of(path.size, (size_t)64), (const char *)path.data);
    *ret_level = level;
    *ret_index = index;
    *ret_width = (unsigned)width;
    return 0;
}
