/* Buckets of tokens (see rate.h). A bucket's tokens are kept in thousandths, so that a short pause counts too. */
#include "node/http/rate.h"

#include <stdlib.h>
#include <string.h>

#include "certs/crypto.h"
#include "node/base/xassert.h"

#define PLACES 1024u /* a power of two */
#define ALL_FACTOR 10u

struct bucket {
    uint64_t milli_tokens, at_ms;
};

struct rate {
    unsigned per_second;
    struct bucket all, places[PLACES];
};

struct rate *rate_create(unsigned per_second)
{
    struct rate *r = xcalloc(1, sizeof *r);
    r->per_second = per_second;
    return r;
}

void rate_destroy(struct rate *r)
{
    free(r);
}

uint64_t rate_client(const void *address, size_t size)
{
    uint8_t hash[CRYPTO_HASH_SIZE];
    uint64_t client;
    crypto_sha256_one(address, size, hash);
    memcpy(&client, hash, sizeof client);
    return client | 1;
}

static void fill(struct bucket *b, unsigned per_second, uint64_t now_ms)
{
    uint64_t full = (uint64_t)per_second * 1000, passed_ms = now_ms > b->at_ms ? now_ms - b->at_ms : 0;
    bool is_full = b->at_ms == 0 || passed_ms >= 1000; /* a second fills any bucket */
    b->milli_tokens = is_full ? full : min_of(full, b->milli_tokens + passed_ms * per_second);
    b->at_ms = now_ms;
}

bool rate_pass(struct rate *r, uint64_t client, uint64_t now_ms)
{
    struct bucket *own = &r->places[(client >> 1) % PLACES];
    fill(own, r->per_second, now_ms);
    fill(&r->all, r->per_second * ALL_FACTOR, now_ms);
    if (own->milli_tokens < 1000 || r->all.milli_tokens < 1000)
        return false;
    own->milli_tokens -= 1000;
    r->all.milli_tokens -= 1000;
    return true;
}
