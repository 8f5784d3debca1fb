/* Numbered sample batches for the store: batch n is a function of n alone, touches every table, and can be recognised
 * afterwards. Used by the store's unit tests, the crash test and the fault tests.
 */
#ifndef TB_TESTS_LIB_STORE_SAMPLE_H
#define TB_TESTS_LIB_STORE_SAMPLE_H

#include "node/store/store.h"

#define STORE_SAMPLE_SELF 320000u
#define STORE_SAMPLE_PEER 510000u
#define STORE_SAMPLE_ENTRIES 4u /* own entries of a batch */

/* Batch @n, for a store that holds batches 0..n-1. Everything is allocated in @a. */
void store_sample_batch(uint64_t n, struct arena *a, struct store_batch *ret);
/* The head that is signed after @batches batches. */
void store_sample_head(uint64_t batches, struct arena *a, struct store_head *ret);
/* Entry made of @size leaf bytes from a seed, with the right hash; own or replicated. */
void store_sample_entry(uint32_t origin, uint64_t index, size_t leaf_size, size_t payload_size, struct arena *a,
                        struct store_entry *ret);
/* Case id number @n; ids grow with n, as real ones do. */
void store_sample_case_id(uint64_t n, uint8_t ret[STORE_CASE_ID_SIZE]);

/* Whether the content of case number @n is gone after @batches batches. */
bool store_sample_is_destroyed(uint64_t n, uint64_t batches);

bool store_sample_case_equal(const struct store_case *a, const struct store_case *b);

/* How many whole batches the store holds. ERR_CORRUPT with the place when something of one is missing, different or
 * left over from a batch that is not there. A crash may have left the newest batch without its witness row and a key without
 * its batch. */
int store_sample_verify(struct store_reader *r, uint64_t *ret_batches, struct err *e) WARN_UNUSED;
/* The same of ledger.db alone. */
int store_sample_verify_ledger(struct store_reader *r, uint64_t *ret_batches, struct err *e) WARN_UNUSED;
/* Writes the witness row of the newest batch when a crash left it out, so that the next batch can follow. */
int store_sample_mend(struct store *s, struct store_reader *r, uint64_t batches, bool *ret_behind,
                      struct err *e) WARN_UNUSED;

#endif
