/* Offline proofs: what parses formats to the same text; verification of any of it ends in a verdict. */
#include "federation/ledger/proof.h"
#include "node/base/xassert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct note_verifier log;
    if (log.key_id == 0) { /* the key of the corpus */
        int rc = note_verifier_parse(
            bytes_of_string(
                "node.p11.gov-interop.example/log/2026+7e90520c+AVu29E8PZ65U7QI8Ke3/s37OXtaISvLXxEw/SVYLmr/d"),
            &log, NULL);
        xassert(rc == 0);
    }

    struct arena arena = ARENA_INIT;
    struct proof p;
    if (proof_parse(bytes_of(data, size), &arena, &p, NULL) == 0) {
        struct buf out;
        buf_init(&out, 0);
        int rc = proof_format(&p, &out, NULL);
        xassert(rc == 0 && bytes_equal(buf_bytes(&out), bytes_of(data, size)));
        buf_close(&out);

        struct proof_policy policy = {.log = &log};
        struct checkpoint_opened opened;
        struct merkle_hash leaf;
        merkle_leaf_hash(bytes_of_string("entry 5"), &leaf); /* the entry of the corpus */
        rc = proof_verify(&p, &leaf, &policy, &opened, NULL);
        xassert(rc < 0 || p.index < opened.head.size);
    }
    arena_close(&arena);
    return 0;
}
