/* Ledger writer: the one thread that makes things durable.
 *
 * It owns the store's writing handle. A job is one transaction (everything that had queued up) and, when the job holds
 * own leaves, the seal after it: compare-and-swap of the head, then the signed checkpoint. One job in flight; what
 * arrives meanwhile is the next one, which is the group commit. The signature is computed while the disk works, on a thread of its
 * own (that of a large batch after the commit), and handed out only after the swap; a commit that fails and a swap that loses throw it away.
 *
 * The transaction is durable then, the swap not yet: it is made so within LEDGER_HEAD_LAG_MS, when nothing waits for it (and by
 * any batch with witnesses, and when the store is closed). The swap keeps two copies of a node on one machine, and an older
 * ledger.db under a newer heads.db, from signing a second history; for that it need not survive a power failure, since what
 * was signed is durable in ledger.db: heads.db is then behind, and the start swaps in the head of the same leaves, whose
 * signature is the same bytes. What is left: a power failure, after which ledger.db is replaced by an older copy before the node
 * has started once. Of the heads of those last milliseconds only the others know then, and they are asked before anything is
 * written (recovery.h). An fsync before each answer would cost every event what this costs in that case alone.
 */
#ifndef TB_NODE_LEDGER_WRITER_H
#define TB_NODE_LEDGER_WRITER_H

#include "federation/ledger/checkpoint.h"
#include "node/loop.h"
#include "node/store/store.h"

/* A swapped head is durable after this time. */
#define LEDGER_HEAD_LAG_MS 50u

struct ledger_writer;

struct ledger_writer_job {
    struct loop_item done;           /* the submitter's: runs on the loop thread when the job has ended */
    const struct store_batch *batch; /* borrowed until done */
    bool seal;                       /* swap the head from @old to @head and sign */
    struct checkpoint old, head;
    const struct note_signer *signer;
    struct buf note; /* out: the signed checkpoint */
    int sign_rc;     /* why there is none, with its text: the signer works beside the commit */
    struct err sign_error;
    int rc;           /* out: 0, or the first failure */
    bool committed;   /* out: the batch is in the store, whatever became of the seal */
    bool sealed_lost; /* out: the swap was lost: somebody else signs for this ledger */
    struct err error;
};

/* Starts the thread; takes @store (closes it at stop). */
struct ledger_writer *ledger_writer_start(struct store *store, struct loop *loop);
/* Loop thread, one job at a time: the next only after `done` has run. */
void ledger_writer_submit(struct ledger_writer *w, struct ledger_writer_job *job);
/* Waits for the job in flight (its `done` is still posted), ends the thread, closes the store. NULL is fine. */
void ledger_writer_stop(struct ledger_writer *w);

/* The job itself, on the caller's thread: commit, then seal. Fills the out fields but does not post. */
void ledger_writer_run(struct store *store, struct ledger_writer_job *job);
/* Its steps: a commit and a signature, in any order or at the same time; then, when the commit is there, the swap. */
void ledger_job_commit(struct store *store, struct ledger_writer_job *job);
void ledger_job_sign(struct ledger_writer_job *job);
void ledger_job_swap(struct store *store, struct ledger_writer_job *job);
/* The seal alone: used at start-up when the last commit had not been sealed. */
int ledger_writer_seal(struct store *store, struct ledger_writer_job *job) WARN_UNUSED;

#endif
