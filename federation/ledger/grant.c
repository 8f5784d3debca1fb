/* Grants (see grant.h). */
#include "federation/ledger/grant.h"

#include <string.h>

#include "node/base/xassert.h"

static const char label[] = "xp/grant/1";
#define INFO_SIZE (sizeof label - 1 + 8)

static struct bytes make_info(uint8_t out[INFO_SIZE], uint32_t giver, uint32_t receiver)
{
    memcpy(out, label, sizeof label - 1);
    put_be32(out + sizeof label - 1, giver);
    put_be32(out + sizeof label - 1 + 4, receiver);
    return bytes_of(out, INFO_SIZE);
}

static int compare(const struct grant_record *a, const struct grant_record *b)
{
    int order = memcmp(a->case_id, b->case_id, sizeof a->case_id);
    return order != 0 ? order : (a->key.epoch > b->key.epoch) - (a->key.epoch < b->key.epoch);
}

int grant_seal(const struct grant_record *records, size_t count, uint32_t giver, uint32_t receiver,
               const uint8_t receiver_key[CRYPTO_X25519_KEY_SIZE], struct buf *out, struct err *e)
{
    uint8_t info[INFO_SIZE];
    struct buf plain = {0};
    xassert(count >= 1 && count <= GRANT_RECORDS_MAX);
    uint8_t *at =
        buf_extend(&plain, count * GRANT_RECORD_BYTES); /* at once: growing would leave copies of keys behind */
    xassert(at != NULL);
    for (size_t i = 0; i < count; i++, at += GRANT_RECORD_BYTES) {
        xassert(records[i].key.epoch > 0 && (i == 0 || compare(&records[i - 1], &records[i]) < 0));
        memcpy(at, records[i].case_id, sizeof records[i].case_id);
        put_be32(at + 16, records[i].key.epoch);
        memcpy(at + 20, records[i].key.key, sizeof records[i].key.key);
    }
    int rc =
        crypto_hpke_seal(receiver_key, make_info(info, giver, receiver), bytes_of(NULL, 0), buf_bytes(&plain), out, e);
    crypto_wipe(plain.data, plain.size);
    buf_close(&plain);
    return rc;
}

static int parse(struct bytes plain, struct arena *arena, struct grant_record **ret, size_t *ret_count, struct err *e)
{
    size_t count = plain.size / GRANT_RECORD_BYTES;
    if (count == 0 || count > GRANT_RECORDS_MAX || plain.size % GRANT_RECORD_BYTES != 0)
        return err_set(e, ERR_INVALID, "grant.form", "%zu bytes of case keys, allowed are 1 to %u times %u", plain.size,
                       GRANT_RECORDS_MAX, GRANT_RECORD_BYTES);
    struct grant_record *records = arena_alloc(arena, count * sizeof *records);
    struct reader r = reader_of(plain);
    for (size_t i = 0; i < count; i++) {
        read_copy(&r, records[i].case_id, sizeof records[i].case_id);
        records[i].key.epoch = read_u32(&r);
        read_copy(&r, records[i].key.key, sizeof records[i].key.key);
        if (records[i].key.epoch == 0 || (i > 0 && compare(&records[i - 1], &records[i]) >= 0)) {
            crypto_wipe(records, count * sizeof *records);
            return err_set(e, ERR_INVALID, "grant.form", "case keys are not in ascending order, or of epoch 0, at %zu",
                           i);
        }
    }
    *ret = records;
    *ret_count = count;
    return 0;
}

int grant_open(struct bytes in, uint32_t giver, uint32_t receiver, const struct crypto_hpke_key *own,
               struct arena *arena, struct grant_record **ret, size_t *ret_count, struct err *e)
{
    uint8_t info[INFO_SIZE];
    struct buf plain = {0};
    if (in.size > GRANT_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "grant.form", "a grant of %zu bytes, the limit is %u", in.size, GRANT_BYTES_MAX);
    int rc = crypto_hpke_open(own, make_info(info, giver, receiver), bytes_of(NULL, 0), in, &plain, e);
    if (rc != 0)
        rc = err_set(e, ERR_VERIFY, "grant.seal", "case keys from node %u do not open with this node's key", giver);
    else
        rc = parse(buf_bytes(&plain), arena, ret, ret_count, e);
    if (plain.size > 0)
        crypto_wipe(plain.data, plain.size);
    buf_close(&plain);
    return rc;
}
