/* The entries of a batch by their cases: which come first, and which belong together (see app_internal.h). A backlog has hundreds of
 * cases in a batch: comparing each entry with each took a tenth of the loop's time. */
#include "node/app_internal.h"
#include "node/base/mutant.h"

void app_by_case_init(struct app_by_case *b, const struct sync_entry *entries, size_t count, struct arena *mem)
{
    uint64_t seed;
    crypto_random(&seed, sizeof seed);
    map_init(&b->firsts, seed);
    b->count = count;
    b->next = arena_alloc(mem, (count + 1) * sizeof *b->next);
    b->is_first = arena_alloc(mem, count + 1);
    for (size_t i = count; i-- > 0;) { /* backwards: the first stands in front of its list */
        const struct leaf *leaf = &entries[i].leaf;
        if (!leaf_is_case_event(leaf) &&
            !MUTANT(erasure_speaks)) /* an erasure names the case, too, and speaks for nothing */
            continue;
        size_t *behind = map_get(&b->firsts, leaf->case_id, sizeof leaf->case_id);
        b->next[i] = behind == NULL ? count : (size_t)(behind - b->next);
        if (behind != NULL)
            b->is_first[b->next[i]] = false;
        b->is_first[i] = true;
        (void)map_put(&b->firsts, leaf->case_id, sizeof leaf->case_id, &b->next[i]);
    }
}

size_t app_by_case_first(const struct app_by_case *b, const uint8_t case_id[CASE_ID_SIZE])
{
    const size_t *at = map_get(&b->firsts, case_id, CASE_ID_SIZE);
    return at == NULL ? b->count : (size_t)(at - b->next);
}

void app_by_case_close(struct app_by_case *b)
{
    map_close(&b->firsts);
}
