/* Ledger job: what the writer does with one job, step by step (see ledger_writer.h). Apart from the threads, so that the simulator
 * runs the same steps and stops the machine between any two. */
#include "node/ledger_writer.h"

#include <string.h>

#include "node/base/mutant.h"

void ledger_job_sign(struct ledger_writer_job *job)
{
    buf_reset(&job->note);
    job->sign_error = (struct err){0};
    job->sign_rc = checkpoint_sign(&job->head, job->signer, &job->note, &job->sign_error);
}

void ledger_job_commit(struct store *store, struct ledger_writer_job *job)
{
    job->rc = store_commit(store, job->batch, &job->error);
    job->committed = job->rc == 0;
}

void ledger_job_swap(struct store *store, struct ledger_writer_job *job)
{
    job->rc = job->sign_rc;
    if (job->rc != 0) {
        job->error = job->sign_error;
        return;
    }
    struct store_head head = {.size = job->head.size, .note = buf_bytes(&job->note)};
    memcpy(head.root, job->head.root.b, sizeof head.root);
    if (MUTANT(seal_unswapped))
        return;
    job->rc = store_head_swap(store, job->old.size, job->old.root.b, &head, &job->error);
    if (job->rc != 0) {
        job->sealed_lost = job->rc == ERR_CONFLICT;
        buf_reset(&job->note); /* never leaves here unless it was swapped in */
    }
}

int ledger_writer_seal(struct store *store, struct ledger_writer_job *job)
{
    ledger_job_sign(job);
    ledger_job_swap(store, job);
    return job->rc;
}

void ledger_writer_run(struct store *store, struct ledger_writer_job *job)
{
    ledger_job_commit(store, job);
    if (job->rc == 0 && job->seal)
        job->rc = ledger_writer_seal(store, job);
}
