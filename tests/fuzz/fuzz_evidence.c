/* Evidence: what opens is written again as the same bytes, contradicts itself, and is of the ledger that a peek names. */
#include <string.h>

#include "federation/ledger/evidence.h"
#include "node/base/xassert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nobody can forge a signature, so ranges are tried apart from it: two views made of the input's ranges. */
static void try_ranges(struct bytes in)
{
    struct view v[2];
    struct reader r = reader_of(in);
    for (int i = 0; i < 2; i++) {
        struct merkle_hash nodes[CRANGE_NODES_MAX] = {{{0}}};
        uint64_t size = read_u64(&r);
        unsigned count = read_u8(&r);
        if (count > CRANGE_NODES_MAX)
            return;
        for (unsigned k = 0; k < count; k++)
            nodes[k].b[0] = read_u8(&r);
        v[i] = (struct view){.head.size = size, .has_range = true};
        if (r.failed || crange_init_nodes(size, nodes, count, &v[i].range, NULL) != 0)
            return;
        crange_root(&v[i].range, &v[i].head.root);
    }
    uint64_t common = 0, again = 0;
    bool found = view_contradicts(&v[0], &v[1], &common);
    xassert(view_contradicts(&v[1], &v[0], &again) == found && again == common);
    xassert(!found || (common < v[0].head.size && common < v[1].head.size));
    if (v[0].head.size == v[1].head.size)
        xassert(found == !merkle_hash_equal(&v[0].head.root, &v[1].head.root));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct note_verifier log;
    struct bytes in = bytes_of(data, size);
    char origin[ORIGIN_NAME_BYTES_MAX + 1];
    struct evidence e;
    if (log.key_id == 0) { /* the key of the corpus */
        int rc = note_verifier_parse(
            bytes_of_string("110000.tongban.example+e46a6b4e+ATKasqYUb7el11WZzSxKfhpbabJmU3Ej2U1Rw7DAq9Mo"), &log,
            NULL);
        xassert(rc == 0);
    }

    int peeked = evidence_peek(in, origin, NULL);
    if (evidence_open(in, &log, &e, NULL) == 0) {
        struct buf again = {0};
        xassert(peeked == 0 && strcmp(origin, log.name) == 0);
        xassert(e.common_size < e.first.head.size && e.first.head.size <= e.second.head.size);
        evidence_format(&e.second, &e.first, &again);
        xassert(bytes_equal(buf_bytes(&again), in));
        buf_close(&again);
    }
    try_ranges(in);
    return 0;
}
