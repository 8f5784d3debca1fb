/* The author's tree: appends leaf hashes, gives out full tiles to be stored, answers any complete node.
 *
 * The tree is cut into tiles of height 8 (C2SP tlog-tiles): tile (L, N) holds the 256 hashes of level 8L with the
 * indexes [256 N, 256 N + 256). A tile is stored once, when it is full, and never changes. The tiles at the right edge, one
 * per level and not yet full, live in memory with their inner nodes: an append costs two hashes on average with the
 * leaf's own, and a proof near the end costs none. Older tiles are loaded on demand into a cache of TILES_CACHE_COUNT,
 * and each is checked against its parent, so that a damaged row is noticed (tiles.corrupt) instead of signed.
 *
 *   leaf hash -> tiles_append() -> [tile full: store->save()] -> tiles_root() -> checkpoint
 *
 * After a restart tiles_restore() takes the size and the leaf hashes behind the last full tile; everything above is
 * recomputed from stored tiles (at most 255 loads per level). When the transaction around a run of appends fails, destroy
 * the object and restore it from the store: there is no undo.
 * Owned by one thread; about 1.2 MB. Never logs.
 */
#ifndef TB_LEDGER_TILES_H
#define TB_LEDGER_TILES_H

#include "federation/ledger/merkle.h"

#define TILES_WIDTH 256u     /* hashes of a full tile */
#define TILES_BYTES 8192u    /* of a full tile */
#define TILES_LEVEL_COUNT 8u /* 8 levels of height 8 cover 64-bit sizes */
#define TILES_CACHE_COUNT 64u
#define TILES_INDEX_MAX (MERKLE_SIZE_MAX / TILES_WIDTH)
#define TILES_PATH_SIZE 64 /* buffer for any path, with its NUL */

struct tiles;

/* Where full tiles are kept. Implemented by the store. */
struct tiles_store {
    /* Writes full tile (@level, @index); part of the caller's transaction. Called from inside tiles_append(). */
    int (*save)(void *ctx, unsigned level, uint64_t index, const uint8_t tile[TILES_BYTES], struct err *e);
    /* Reads a full tile that was saved before. ERR_NOT_FOUND when it is missing (damaged or pruned store). */
    int (*load)(void *ctx, unsigned level, uint64_t index, uint8_t out[TILES_BYTES], struct err *e);
    void *ctx;
};

/* An empty tree. Copies @store, keeps its ctx. */
struct tiles *tiles_create(const struct tiles_store *store);
void tiles_destroy(struct tiles *t); /* NULL is fine */

/* Takes an empty tree to @size leaves. @tail: the leaf hashes [size - size % 256, size), @count = size % 256. Compare
 * tiles_root() with the signed root afterwards: that checks every loaded tile at once. On failure the tree is empty
 * again and the object usable. ERR_INVALID for a wrong count, else what load() returned. */
int tiles_restore(struct tiles *t, uint64_t size, const struct merkle_hash *tail, size_t count,
                  struct err *e) WARN_UNUSED;

/* Adds leaf number tiles_size(). When save() fails its code is returned and the tree is as before (but a tile of a
 * lower level may have been saved: roll the transaction back). */
int tiles_append(struct tiles *t, const struct merkle_hash *leaf_hash, struct err *e) WARN_UNUSED;

uint64_t tiles_size(const struct tiles *t);

/* Root of the whole tree, from memory alone. */
void tiles_root(const struct tiles *t, struct merkle_hash *ret);

/* The tree as a source for merkle_prove_*(), merkle_root() at older sizes and frontier_build(). Valid while @t lives; use
 * on @t's thread. A node beyond the size is ERR_INVALID, a tile that fails its check ERR_CORRUPT. */
struct merkle_source tiles_source(struct tiles *t);

/* How many full tiles level @level has at tree size @size, and how many hashes its partial tile. */
void tiles_widths(uint64_t size, unsigned level, uint64_t *ret_full, unsigned *ret_partial);

/* C2SP path of a hash tile: "tile/0/x001/x234/067", with ".p/<width>" for a partial one (@width 1..255; 256 = full).
 * @out holds TILES_PATH_SIZE bytes. @level < TILES_LEVEL_COUNT, @index <= TILES_INDEX_MAX (asserted). */
void tiles_format_path(unsigned level, uint64_t index, unsigned width, char *out);
/* The reverse; only the canonical form is accepted (ERR_INVALID). Outputs untouched on failure. */
int tiles_parse_path(struct bytes path, unsigned *ret_level, uint64_t *ret_index, unsigned *ret_width,
                     struct err *e) WARN_UNUSED;

#endif
