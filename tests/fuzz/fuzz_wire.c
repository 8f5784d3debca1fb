/* wire_decode() on any bytes: no crash, no read outside, bounded memory; what it takes can be sent, and what is sent is
 * taken back as the same bytes. Corpus: one file per message type and some hostile ones (corpus/wire). */
#include <stddef.h>
#include <stdint.h>

#include "federation/wire/wire.h"
#include "node/base/xassert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int encode(const struct wire_msg *m, struct buf *out)
{
    struct err e = {0};
    int rc = wire_encode(m, out, &e);
    xassert(rc == 0);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT;
    struct buf once = {0}, twice = {0};
    struct wire_msg m, again;
    struct err e = {0};
    int rc = wire_decode(bytes_of(data, size), &arena, &m, &e);
    xassert(rc == 0 || (rc == e.code && e.id[0] != '\0' && e.message[0] != '\0'));
    if (rc == 0) {
        (void)encode(&m, &once);
        rc = wire_decode(buf_bytes(&once), &arena, &again, &e);
        xassert(rc == 0);
        (void)encode(&again, &twice);
        xassert(bytes_equal(buf_bytes(&once), buf_bytes(&twice)));
    }
    buf_close(&once);
    buf_close(&twice);
    arena_close(&arena);
    return 0;
}
