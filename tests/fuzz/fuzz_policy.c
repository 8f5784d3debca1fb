/* Policies: what parses formats to a text that means the same; nobody is no quorum, everybody below it is. */
#include <stdlib.h>

#include "federation/ledger/policy.h"
#include "node/base/xassert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena mem = ARENA_INIT;
    struct policy p, back;
    struct buf once = {0}, twice = {0};
    if (policy_parse(bytes_of(data, size), &mem, &p, NULL) == 0) {
        policy_format(&p, &once);
        int rc = policy_parse(buf_bytes(&once), &mem, &back, NULL);
        xassert(rc == 0 && back.log_count == p.log_count && back.witness_count == p.witness_count);
        policy_format(&back, &twice);
        xassert(bytes_equal(buf_bytes(&once), buf_bytes(&twice)));

        size_t needed, of;
        bool *flags = xcalloc(p.witness_count + 1, sizeof *flags);
        policy_quorum_size(&p, &needed, &of);
        xassert(needed <= of && of <= p.witness_count && p.has_quorum == (needed > 0));
        xassert(policy_is_satisfied(&p, flags) == !p.has_quorum);
        for (size_t i = 0; i < p.witness_count; i++)
            flags[i] = true;
        xassert(policy_is_satisfied(&p, flags));
        free(flags);
    }
    buf_close(&once);
    buf_close(&twice);
    arena_close(&mem);
    return 0;
}
