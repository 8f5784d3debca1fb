/* Checkpoint bodies and signed checkpoints: a body without extension lines formats to the same text; what opens is a body. */
#include <string.h>

#include "federation/ledger/checkpoint.h"
#include "node/base/xassert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_body(struct bytes in)
{
    struct checkpoint c;
    if (checkpoint_parse(in, &c, NULL) < 0 || c.extension_count > 0)
        return;
    struct buf out;
    buf_init(&out, 0);
    int rc = checkpoint_format(&c, &out, NULL);
    xassert(rc == 0 && bytes_equal(buf_bytes(&out), in));
    buf_close(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct note_verifier log, witness;
    static const struct note_verifier *witnesses[1] = {&witness};
    struct bytes in = bytes_of(data, size);
    if (log.key_id == 0) { /* the keys of the corpus */
        int rc = note_verifier_parse(
            bytes_of_string(
                "node.p11.gov-interop.example/log/2026+7e90520c+AVu29E8PZ65U7QI8Ke3/s37OXtaISvLXxEw/SVYLmr/d"),
            &log, NULL);
        xassert(rc == 0);
        rc = note_verifier_parse(
            bytes_of_string("node.p12.gov-interop.example/w1+52e5c385+BB5TbreC0yxLJxFdxt7PS7PVaS6kYmcjVbnrt1d3qKvu"),
            &witness, NULL);
        xassert(rc == 0);
    }

    try_body(in);
    struct checkpoint_opened opened;
    if (checkpoint_open(in, &log, witnesses, 1, &opened, NULL) == 0) {
        xassert(opened.cosigned_count <= 1 && strcmp(opened.head.origin, log.name) == 0);
        try_body(opened.body);
    }
    return 0;
}
