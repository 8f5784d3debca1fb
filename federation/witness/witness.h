/* Witness: judges add-checkpoint requests (C2SP tlog-witness v1.0.0). What it has cosigned of each log never goes back and
 * never contradicts itself.
 *
 *   body ─witness_peek()─► origin ─(caller: key of that log, state kept of it)─► witness_judge() ─► status, answer
 *                                                                  200: store `next` durably, THEN send the answer
 *
 * The state is kept by the caller, durably, by compare-and-swap on (size, root): between judging and storing no other
 * request for the same origin may be judged. Pure, any thread. The same code serves peers over NNG (federation/wire,
 * ADD_CHECKPOINT) and HTTP; request and answer are the bytes of the C2SP text in both.
 *
 *     old <size>\n
 *     <base64 hash>\n            consistency proof, at most 63
 *     \n
 *     <checkpoint: signed note>
 */
#ifndef TB_WITNESS_WITNESS_H
#define TB_WITNESS_WITNESS_H

#include "federation/ledger/checkpoint.h"
#include "node/base/arena.h"

/* The HTTP status numbers of the specification. */
enum witness_status {
    WITNESS_OK = 200,
    WITNESS_MALFORMED = 400,
    WITNESS_FORBIDDEN = 403, /* no valid signature of the log */
    WITNESS_UNKNOWN = 404,   /* this origin is not witnessed here */
    WITNESS_CONFLICT = 409,  /* `old` is not what was cosigned last: the answer says the size */
    WITNESS_UNPROVEN = 422,  /* proof wrong, or another root for the size cosigned last */
    WITNESS_BUSY = 429
};

/* What a witness keeps of one log. Never cosigned: size 0, root of the empty tree. */
struct witness_state {
    uint64_t size;
    struct merkle_hash root;
};

struct witness_verdict {
    enum witness_status status;
    char why[160];             /* for the log and, when there is no other answer, for the asker; no newline */
    struct witness_state next; /* status 200: to be stored before the answer is sent */
    struct bytes note;         /* 200 and contradictions: the log's signed checkpoint, borrowed from the body */
    struct bytes note_text;    /* 200: its text, what is cosigned; borrowed */
    struct bytes
        unproven; /* 422 because `proof` does not lead from the size cosigned last: the log's signed checkpoint */
    struct merkle_proof proof; /* with `unproven`: it may prove another tree of that size (ledger/evidence.h) */
    bool is_contradiction;     /* 409, 422: the log signed two roots for one size: keep `note`, it is evidence */
};

/* The origin line of the checkpoint in @body, whoever signed it. ERR_INVALID / ERR_LIMIT when there is none. */
int witness_peek(struct bytes body, char ret_origin[ORIGIN_NAME_BYTES_MAX + 1], struct err *e) WARN_UNUSED;

/* @log: the key of that origin, NULL = unknown here (404). @kept: what was cosigned last. Always gives a verdict. */
void witness_judge(struct bytes body, const struct note_verifier *log, const struct witness_state *kept,
                   struct witness_verdict *ret);

/* Appends the body of the answer: cosignature line for 200 (made by @signer at @time_s), "<size>\n" for 409, `why` and a
 * newline otherwise. Call it for 200 only after `next` is durable. */
void witness_answer(const struct witness_verdict *v, const struct witness_state *kept, const struct note_signer *signer,
                    uint64_t time_s, struct buf *out);
/* "text/x.tlog.size" for 409, else "text/plain; charset=utf-8". */
const char *witness_content_type(enum witness_status status);

/* Appends a request body. @proof: of consistency from @old to the checkpoint's size; empty when old is 0 or the same. */
void witness_body_format(uint64_t old, const struct merkle_proof *proof, struct bytes note, struct buf *out);

#endif
