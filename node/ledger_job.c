/* Ledger job: what the writer does with one job, step by step (see ledger_writer.h). Apart from the thread, so that the simulator
 * runs the same steps and stops the machine between any two. */
#include "node/ledger_writer.h"

#include <string.h>

#include "node/base/mutant.h"

int ledger_writer_seal(struct store *store, struct ledger_writer_job *job)
{
    buf_reset(&job->note);
    int rc = checkpoint_sign(&job->head, job->signer, &job->note, &job->error);
    if (rc != 0)
        return rc;

    struct store_head head = {.size = job->head.size, .note = buf_bytes(&job->note)};
    memcpy(head.root, job->head.root.b, sizeof head.root);
    if (MUTANT(seal_unswapped))
        return 0;
    rc = store_head_swap(store, job->old.size, job->old.root.b, &head, &job->error);
    if (rc != 0) {
        job->sealed_lost = rc == ERR_CONFLICT;
        buf_reset(&job->note); /* never leaves here unless it was swapped in */
    }
    return rc;
}

void ledger_writer_run(struct store *store, struct ledger_writer_job *job)
{
    job->rc = store_commit(store, job->batch, &job->error);
    job->committed = job->rc == 0;
    if (job->rc == 0 && job->seal)
        job->rc = ledger_writer_seal(store, job);
}
