/* Grants: the input as a grant ends in a refusal, or in records in order; the input as a plaintext that somebody sealed well
 * opens only when its records, sealed again, have the same bytes in them. */
#include <string.h>

#include "federation/ledger/grant.h"
#include "node/base/xassert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GIVER 110000u
#define RECEIVER 310000u

static struct crypto_hpke_key *own;
static uint8_t own_public[CRYPTO_X25519_KEY_SIZE];
static struct buf info;

static void make_key(void)
{
    own = crypto_hpke_key_create();
    crypto_hpke_key_public(own, own_public);
    buf_put_string(&info, "xp/grant/1");
    buf_put_u32(&info, GIVER);
    buf_put_u32(&info, RECEIVER);
}

/* @plain: what is sealed in @grant, or empty when it is not known. */
static void try_grant(struct bytes grant, struct bytes plain)
{
    struct arena mem = ARENA_INIT;
    struct grant_record *records;
    size_t count;
    if (grant_open(grant, GIVER, RECEIVER, own, &mem, &records, &count, NULL) == 0) {
        struct buf sealed = {0}, opened = {0};
        int rc = grant_seal(records, count, GIVER, RECEIVER, own_public, &sealed, NULL); /* asserts their order */
        xassert(rc == 0 && sealed.size == grant.size);
        rc = crypto_hpke_open(own, buf_bytes(&info), bytes_of(NULL, 0), buf_bytes(&sealed), &opened, NULL);
        xassert(rc == 0 && bytes_equal(buf_bytes(&opened), plain));
        buf_close(&sealed);
        buf_close(&opened);
    }
    arena_close(&mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of(data, size);
    struct buf sealed = {0};
    if (own == NULL)
        make_key();
    try_grant(in, bytes_of(NULL, 0));
    if (size == 0)
        return 0;
    int rc = crypto_hpke_seal(own_public, buf_bytes(&info), bytes_of(NULL, 0), in, &sealed, NULL);
    xassert(rc == 0);
    try_grant(buf_bytes(&sealed), in);
    buf_close(&sealed);
    return 0;
}
