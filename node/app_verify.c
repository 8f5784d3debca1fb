/* Verification of everything stored (see app.h, app_verify): on a worker, with a reader of its own.
 *
 * Own ledger: every leaf hashed anew, appended to a tree anew, full tiles compared with the stored ones, the root with the
 * signed checkpoint, the checkpoint with the key. Peers' ledgers: every leaf hashed anew, the checkpoint with the peer's
 * key, the frontier with its root where the position is the checkpoint's. Payloads: against ct_hash. Cases: folded anew
 * and compared with their row. Items: compared with the entry that published them. Erasures: an erase leaf has its row, but
 * for a peer's that may have been refused when it came. Then the engine's own check.
 * Memory does not grow with the store.
 */
#include <stdlib.h>
#include <string.h>

#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/xassert.h"
#include "node/verify.h"

struct verification {
    struct app *app;
    struct verify_input input;
    struct arena arena;
    struct app_verify_result result;
    struct err error;
    app_verify_cb cb;
    void *ctx;
};

static void verify_run(void *ctx)
{
    struct verification *v = ctx;
    struct verify_result r;
    uint64_t start = clock_mono_ms();
    int rc = verify_store(&v->input, &r, &v->error);
    xassert((rc == 0) == (v->error.code == 0));
    v->result = (struct app_verify_result){.own_leaves = r.own_leaves,
                                           .replica_leaves = r.replica_leaves,
                                           .cases = r.cases,
                                           .payloads = r.payloads,
                                           .elapsed_ms = clock_mono_ms() - start};
    memcpy(v->result.root, r.root.b, sizeof v->result.root);
}

static void verify_done(void *ctx)
{
    struct verification *v = ctx;
    v->app->verifying--;
    v->cb(v->ctx, &v->result, &v->error);
    arena_close(&v->arena);
    free(v);
}

static void busy_run(void *ctx)
{
    (void)ctx;
}

void app_verify(struct app *a, app_verify_cb cb, void *ctx)
{
    struct verification *v = xcalloc(1, sizeof *v);
    v->app = a;
    v->cb = cb;
    v->ctx = ctx;
    v->input = (struct verify_input){.dir = a->config->dir,
                                     .self = a->config->region,
                                     .members = a->members,
                                     .head_size = ledger_head(a->ledger)->size,
                                     .note = arena_bytes(&v->arena, ledger_head(a->ledger)->note),
                                     .cancel = &a->verify_cancel};
    if (a->verifying++ > 0) {
        (void)err_set(&v->error, ERR_BUSY, "ledger.verify-running", "a verification is running already");
        loop_work(a->loop, busy_run, verify_done, v); /* the answer still comes later, not from inside this call */
        return;
    }
    loop_work(a->loop, verify_run, verify_done, v);
}

void app_stop_verifying(struct app *a)
{
    atomic_store(&a->verify_cancel, true);
    app_reconcile_stop(a);
}

bool app_is_verifying(const struct app *a)
{
    return a->verifying > 0;
}
