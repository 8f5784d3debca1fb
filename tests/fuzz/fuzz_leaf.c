/* Leaf decoder: whatever decodes encodes to the same bytes. */
#include "federation/ledger/leaf.h"
#include "node/base/xassert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct leaf l;
    struct err e = {.code = 0};
    int rc = leaf_decode(bytes_of(data, size), &l, &e);
    xassert(rc == e.code);
    if (rc < 0)
        return 0;

    struct buf out;
    buf_init(&out, 0);
    rc = leaf_encode(&l, &out, NULL);
    xassert(rc == 0 && bytes_equal(buf_bytes(&out), bytes_of(data, size)));
    xassert(leaf_aad_size(&l) < l.signed_bytes.size && l.signed_bytes.size + 2 + l.signature.size == size);
    buf_close(&out);
    return 0;
}
