/* Frontier batches on random trees: what is built verifies and moves the range, chunk after chunk; whatever is changed on
 * the way is refused and moves nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/cover.h"
#include "federation/ledger/frontier.h"
#include "node/base/prng.h"
#include "tests/lib/naive_tree.h"

#define LEAVES 600u

static struct naive_tree tree;
static char leaves[LEAVES][16];

static int set_up(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LEAVES; i++) {
        (void)snprintf(leaves[i], sizeof leaves[i], "leaf %u", i);
        naive_tree_add(&tree, bytes_of_string(leaves[i]));
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    naive_tree_close(&tree);
    return 0;
}

static void range_at(uint64_t size, struct crange *ret)
{
    crange_init(ret);
    for (uint64_t i = 0; i < size; i++)
        assert_int_equal(crange_append_leaf(ret, &tree.level[0].hash[i], NULL), 0);
}

/* Every 1 in @gap leaves of [from, to), at random. */
static size_t pick_entries(struct prng *prng, uint64_t from, uint64_t to, uint64_t gap, struct frontier_entry *ret)
{
    size_t count = 0;
    for (uint64_t i = from; i < to; i++) {
        if (prng_below(prng, gap) != 0)
            continue;
        ret[count++] = (struct frontier_entry){
            .index = i, .leaf = bytes_of_string(leaves[i]), .payload = bytes_of(leaves[i], i % 3)};
    }
    return count;
}

/* A batch and everything around it. */
struct round {
    struct crange old_range;
    struct merkle_hash root; /* at batch.target */
    struct frontier_batch batch;
    struct frontier_entry entries[LEAVES];
    size_t entry_count;
    struct arena arena;
};

static void make_round(struct prng *prng, uint64_t from, uint64_t to, uint64_t target, struct round *r)
{
    struct merkle_source source = naive_tree_source(&tree);
    struct err e;
    r->arena = ARENA_INIT;
    range_at(from, &r->old_range);
    naive_tree_hash(&tree, 0, target, &r->root);
    r->entry_count = pick_entries(prng, from, to, 1 + prng_below(prng, 30), r->entries);
    if (frontier_build(&source, from, to, target, r->entries, r->entry_count, &r->arena, &r->batch, &e) < 0)
        fail_msg("build [%u, %u) of %u: %s", (unsigned)from, (unsigned)to, (unsigned)target, e.message);
}

static int verify(struct round *r, struct crange *range, struct frontier_entry **entries, size_t *count, struct err *e)
{
    return frontier_verify(&r->old_range, &r->batch, &r->root, &r->arena, range, entries, count, e);
}

static void test_build_and_verify(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 21);
    struct round *r = calloc(1, sizeof *r);
    for (int round = 0; round < 3000; round++) {
        uint64_t target = prng_below(&prng, LEAVES + 1);
        uint64_t to = prng_below(&prng, target + 1);
        uint64_t from = prng_below(&prng, to + 1);
        struct crange range, expected;
        struct frontier_entry *entries;
        size_t count;
        struct err e;
        make_round(&prng, from, to, target, r);
        if (verify(r, &range, &entries, &count, &e) < 0)
            fail_msg("round %d: %s", round, e.message);
        range_at(to, &expected);
        assert_int_equal(range.size, to);
        assert_memory_equal(range.nodes, expected.nodes, crange_count(&range) * 32);
        assert_int_equal(count, r->entry_count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(entries[i].index, r->entries[i].index);
            assert_true(bytes_equal(entries[i].leaf, r->entries[i].leaf));
            assert_true(bytes_equal(entries[i].payload, r->entries[i].payload));
            assert_memory_equal(entries[i].hash.b, tree.level[0].hash[entries[i].index].b, 32);
        }
        arena_close(&r->arena);
    }
    free(r);
}

/* A backlog in chunks, all against one target; the range moves in place. */
static void test_chunks(void **state)
{
    (void)state;
    struct prng prng;
    struct crange range;
    struct round *r = calloc(1, sizeof *r);
    prng_init(&prng, 22);
    crange_init(&range);
    while (range.size < LEAVES) {
        uint64_t to = range.size + 1 + prng_below(&prng, LEAVES - range.size < 90 ? LEAVES - range.size : 90);
        struct frontier_entry *entries;
        size_t count;
        make_round(&prng, range.size, to, LEAVES, r);
        assert_int_equal(frontier_verify(&range, &r->batch, &r->root, &r->arena, &range, &entries, &count, NULL), 0);
        assert_int_equal(range.size, to);
        arena_close(&r->arena);
    }
    struct merkle_hash root;
    crange_root(&range, &root);
    assert_memory_equal(root.b, r->root.b, 32);
    free(r);
}

/* One random change; false when there is nothing of that kind to change. */
static bool tamper(struct round *r, struct prng *prng)
{
    struct frontier_batch *b = &r->batch;
    struct frontier_item *item = b->item_count == 0 ? NULL : &b->items[prng_below(prng, b->item_count)];
    switch (prng_below(prng, 8)) {
    case 0:
        if (item == NULL)
            return false;
        if (item->kind == FRONTIER_KIND_ENTRY)
            item->leaf.size--; /* another leaf */
        else
            item->hash.b[prng_below(prng, 32)] ^= 1;
        return true;
    case 1: /* drop an item */
        if (item == NULL)
            return false;
        memmove(item, item + 1, (size_t)(b->items + b->item_count - item - 1) * sizeof *item);
        b->item_count--;
        return true;
    case 2: /* an entry replaced by a hash of one level up or something else of its size */
        if (item == NULL)
            return false;
        item->kind = FRONTIER_KIND_HASH;
        item->level++;
        return true;
    case 3: /* swap two neighbours that differ */
        if (b->item_count < 2 || item == b->items)
            return false;
        struct frontier_item swap = item[-1];
        item[-1] = item[0];
        item[0] = swap;
        return true;
    case 4:
        if (b->right_count == 0)
            return false;
        b->right[prng_below(prng, b->right_count)].b[3] ^= 8;
        return true;
    case 5:
        if (r->old_range.size == 0)
            return false;
        r->old_range.nodes[prng_below(prng, crange_count(&r->old_range))].b[9] ^= 2;
        return true;
    case 6:
        if (b->right_count == 0)
            return false;
        b->right_count--;
        return true;
    default:
        r->root.b[prng_below(prng, 32)] ^= 1;
        return true;
    }
}

static void test_tampered(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 23);
    struct round *r = calloc(1, sizeof *r);
    int tampered = 0;
    while (tampered < 6000) {
        uint64_t target = prng_below(&prng, LEAVES + 1);
        uint64_t to = prng_below(&prng, target + 1);
        uint64_t from = prng_below(&prng, to + 1);
        make_round(&prng, from, to, target, r);
        if (tamper(r, &prng)) {
            struct crange range = {.size = 12345};
            struct frontier_entry *entries = NULL;
            size_t count = 77;
            struct err e = {.code = 0};
            int rc = verify(r, &range, &entries, &count, &e);
            if (rc >= 0)
                fail_msg("accepted tampering %d: [%u, %u) of %u", tampered, (unsigned)from, (unsigned)to,
                         (unsigned)target);
            assert_int_equal(rc, e.code);
            assert_memory_equal(e.id, "frontier.", 9);
            assert_int_equal(range.size, 12345);
            assert_int_equal(count, 77);
            assert_null(entries);
            tampered++;
        }
        arena_close(&r->arena);
    }
    free(r);
}

static void test_build_refused(void **state)
{
    (void)state;
    static const struct {
        uint64_t from, to, target;
        uint64_t indexes[2];
        size_t count;
        int code;
        const char *id;
    } rows[] = {
        {5, 4, 9, {0, 0}, 0, ERR_INVALID, "frontier.bounds"},
        {5, 7, 6, {0, 0}, 0, ERR_INVALID, "frontier.bounds"},
        {0, 1, MERKLE_SIZE_MAX + 1, {0, 0}, 0, ERR_INVALID, "frontier.bounds"},
        {5, 9, 9, {4, 0}, 1, ERR_INVALID, "frontier.order"},
        {5, 9, 9, {9, 0}, 1, ERR_INVALID, "frontier.order"},
        {5, 9, 9, {6, 6}, 2, ERR_INVALID, "frontier.order"},
        {5, 9, 9, {7, 6}, 2, ERR_INVALID, "frontier.order"},
        {0, LEAVES, LEAVES + 8, {0, 0}, 0, ERR_NOT_FOUND, "naive.node"}, /* the source has no such node */
    };
    struct merkle_source source = naive_tree_source(&tree);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena = ARENA_INIT;
        struct frontier_batch batch = {.from = 99};
        struct frontier_entry entries[2];
        struct err e;
        for (size_t k = 0; k < rows[i].count; k++)
            entries[k] = (struct frontier_entry){.index = rows[i].indexes[k],
                                                 .leaf = bytes_of_string(leaves[rows[i].indexes[k]])};
        assert_int_equal(frontier_build(&source, rows[i].from, rows[i].to, rows[i].target, entries, rows[i].count,
                                        &arena, &batch, &e),
                         rows[i].code);
        assert_string_equal(e.id, rows[i].id);
        assert_int_equal(batch.from, 99);
        arena_close(&arena);
    }

    struct arena arena = ARENA_INIT;
    struct frontier_entry damaged = {.index = 3, .leaf = bytes_of_string("leaf x")};
    struct frontier_batch batch;
    struct err e;
    assert_int_equal(frontier_build(&source, 0, 9, 9, &damaged, 1, &arena, &batch, &e), ERR_CORRUPT);
    assert_string_equal(e.id, "frontier.leaf-differs");
    arena_close(&arena);
}

static void test_verify_refused(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 24);
    struct round *r = calloc(1, sizeof *r);
    struct crange range;
    struct frontier_entry *entries;
    size_t count;
    struct err e;
    static const uint8_t big[1];

    make_round(&prng, 40, 50, 60, r);
    range_at(41, &r->old_range);
    assert_int_equal(verify(r, &range, &entries, &count, &e), ERR_CONFLICT);
    assert_string_equal(e.id, "frontier.from");

    range_at(40, &r->old_range);
    r->batch.item_count = BATCH_LEAVES_MAX + 1; /* refused before an item is touched */
    assert_int_equal(verify(r, &range, &entries, &count, &e), ERR_LIMIT);
    assert_string_equal(e.id, "frontier.items");

    struct frontier_item item = {.kind = FRONTIER_KIND_ENTRY, .leaf = bytes_of(big, LEAF_BYTES_MAX + 1)};
    r->batch.items = &item;
    r->batch.item_count = 1;
    assert_int_equal(verify(r, &range, &entries, &count, &e), ERR_LIMIT);
    assert_string_equal(e.id, "frontier.leaf-size");
    item.leaf.size = 0;
    assert_int_equal(verify(r, &range, &entries, &count, &e), ERR_LIMIT);
    item.leaf.size = 1;
    item.payload = bytes_of(big, PAYLOAD_BYTES_MAX + 1);
    assert_int_equal(verify(r, &range, &entries, &count, &e), ERR_LIMIT);
    assert_string_equal(e.id, "frontier.payload-size");

    static const unsigned levels[] = {4, 5, 62, 63, 64, UINT32_MAX}; /* at 40 with 10 leaves left, 3 would fit */
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        item = (struct frontier_item){.kind = FRONTIER_KIND_HASH, .level = levels[i]};
        assert_int_equal(verify(r, &range, &entries, &count, &e), ERR_INVALID);
        assert_string_equal(e.id, "frontier.item");
    }
    item.level = 3;
    assert_int_equal(verify(r, &range, &entries, &count, &e), ERR_INVALID);
    assert_string_equal(e.id, "frontier.short");
    arena_close(&r->arena);

    make_round(&prng, 40, 44, 60, r); /* level 3 is aligned at 40, but reaches beyond 44 */
    r->batch.items = &item;
    r->batch.item_count = 1;
    assert_int_equal(verify(r, &range, &entries, &count, &e), ERR_INVALID);
    assert_string_equal(e.id, "frontier.item");
    arena_close(&r->arena);
    free(r);
}

/* The empty ledger: nothing to send, and only the empty root fits. */
static void test_empty(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 25);
    struct round *r = calloc(1, sizeof *r);
    struct crange range;
    struct frontier_entry *entries;
    size_t count;
    make_round(&prng, 0, 0, 0, r);
    assert_int_equal(verify(r, &range, &entries, &count, NULL), 0);
    assert_int_equal(count, 0);
    assert_int_equal(range.size, 0);
    r->root.b[0] ^= 1;
    assert_int_equal(verify(r, &range, &entries, &count, NULL), ERR_VERIFY);
    arena_close(&r->arena);
    free(r);
}

static void assert_kept_proof_corrupt(struct bytes parts, uint64_t size, uint64_t index, const struct merkle_hash *leaf)
{
    struct merkle_proof proof;
    struct err e = {0};
    assert_int_equal(cover_prove(parts, size, index, leaf, &proof, &e), ERR_CORRUPT);
    assert_string_equal(e.id, "ledger.kept-proof");
}

/* What a follower keeps of a batch proves each entry that came with it, and nothing else. */
static void test_cover(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 77);
    struct round *r = calloc(1, sizeof *r);
    struct err e;
    for (unsigned i = 0; i < 400; i++) {
        uint64_t target = 1 + prng_below(&prng, LEAVES), from = prng_below(&prng, target + 1);
        uint64_t to = from + prng_below(&prng, target - from + 1);
        struct buf parts = {0};
        make_round(&prng, from, to, target, r);
        cover_encode(&r->old_range, &r->batch, &parts);
        for (uint64_t at = 0, next = 0; at < target; at++) {
            struct merkle_proof proof;
            const struct merkle_hash *leaf = &tree.level[0].hash[at];
            int rc = cover_prove(buf_bytes(&parts), target, at, leaf, &proof, &e);
            if (next < r->entry_count && r->entries[next].index == at) {
                assert_int_equal(rc, 0);
                next++;
            }
            if (rc == 0) /* also single leaves that stood there as hashes */
                assert_int_equal(merkle_verify_inclusion(at, target, leaf, proof.hash, proof.count, &r->root, &e), 0);
            else if (rc != ERR_NOT_FOUND || strcmp(e.id, "ledger.no-kept-proof") != 0)
                fail_msg("%d %s", rc, e.id);
        }
        if (r->entry_count > 0) {
            struct merkle_proof proof;
            uint64_t index = r->entries[0].index;
            const struct merkle_hash *leaf = &tree.level[0].hash[index];
            assert_kept_proof_corrupt(buf_bytes(&parts), target, index, &r->root);
            assert_kept_proof_corrupt(buf_bytes(&parts), target + 1, index, leaf);
            assert_kept_proof_corrupt(bytes_of(parts.data, parts.size - 1), target, index, leaf);
            assert_int_equal(cover_prove(buf_bytes(&parts), target, target, leaf, &proof, &e), ERR_NOT_FOUND);
            assert_string_equal(e.id, "ledger.no-kept-proof");
            parts.data[0] = 63;
            assert_kept_proof_corrupt(buf_bytes(&parts), target, index, leaf);
        }
        buf_close(&parts);
        arena_close(&r->arena);
    }
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_build_and_verify),
        cmocka_unit_test(test_cover),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_tampered),
        cmocka_unit_test(test_build_refused),
        cmocka_unit_test(test_verify_refused),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
