/* How often a stranger may ask: a bucket of tokens per address, and one ten times as large for all together. The table has a
 * fixed size; addresses that fall into one place share its bucket, which only a flood from thousands of addresses notices.
 * Time comes in. One thread.
 */
#ifndef TB_HTTP_RATE_H
#define TB_HTTP_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rate;

/* @per_second: requests of one address, and as many at once. */
struct rate *rate_create(unsigned per_second);
void rate_destroy(struct rate *r); /* NULL is fine */

/* Not 0. @address: @size bytes of it. */
uint64_t rate_client(const void *address, size_t size);

/* Whether @client may ask once more now; counts it if so. @now_ms: monotonic. */
bool rate_pass(struct rate *r, uint64_t client, uint64_t now_ms);

#endif
