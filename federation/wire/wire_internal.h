/* Between wire.c (what replication needs), wire_ledger.c (witnessing, keys, receipts, recovery) and wire_case.c only. */
#ifndef TB_WIRE_WIRE_INTERNAL_H
#define TB_WIRE_WIRE_INTERNAL_H

#include "federation/wire/federation.pb-c.h"
#include "federation/wire/wire.h"

/* All generated structs of one outgoing message but what is repeated. */
struct outgoing {
    Tbwire__Envelope envelope;
    union {
        Tbwire__Hello hello;
        Tbwire__Hint hint;
        Tbwire__Pull pull;
        Tbwire__Batch batch;
        Tbwire__Error error;
        Tbwire__Ok ok;
        Tbwire__AddCheckpoint add_checkpoint;
        Tbwire__Cosig cosig;
        Tbwire__Gossip gossip;
        Tbwire__KeyPull key_pull;
        Tbwire__KeyGrant key_grant;
        Tbwire__ReceiptPull receipt_pull;
        Tbwire__Receipt receipt;
        Tbwire__Recover recover;
        Tbwire__Recovered recovered;
        Tbwire__CasePull case_pull;
        Tbwire__CaseEntries case_entries;
        Tbwire__Reconcile reconcile;
        Tbwire__Reconciled reconciled;
        Tbwire__CasesPull cases_pull;
        Tbwire__CasesHeld cases_held;
        Tbwire__FilePull file_pull;
        Tbwire__FileHead file_head;
        Tbwire__FileChunk file_chunk;
        Tbwire__FileHave file_have;
    } u;
    char *suites[WIRE_SUITES_MAX];
    ProtobufCBinaryData right[CRANGE_PARTS_MAX];
};

ProtobufCBinaryData wire_blob_of(const void *data, size_t size);
struct bytes wire_span_of(const ProtobufCBinaryData *b);
int wire_take_hash(const char *what, const ProtobufCBinaryData *b, struct merkle_hash *ret, struct err *e) WARN_UNUSED;
/* @what of @size bytes, allowed are @size_min to @size_max. */
int wire_check_size(const char *what, size_t size, size_t size_min, size_t size_max, struct err *e) WARN_UNUSED;

/* wire_ledger.c: the messages from ADD_CHECKPOINT on */
int wire_ledger_check(const struct wire_msg *m, struct err *e) WARN_UNUSED;
void wire_ledger_fill(const struct wire_msg *m, struct outgoing *o, struct arena *arena);
/* wire_reconcile.c: the messages from RECONCILE on */
int wire_reconcile_check(const struct wire_msg *m, struct err *e) WARN_UNUSED;
void wire_reconcile_fill(const struct wire_msg *m, struct outgoing *o, struct arena *arena);
int wire_reconcile_take(const Tbwire__Envelope *in, struct arena *arena, struct wire_msg *ret,
                        struct err *e) WARN_UNUSED;
/* wire_ledger.c: ids of cases, in KEY_PULL and CASES_PULL. */
int wire_take_case_ids(const char *what, const ProtobufCBinaryData *in, size_t count, struct arena *arena,
                       struct wire_key_pull *ret, struct err *e) WARN_UNUSED;

int wire_ledger_take(const Tbwire__Envelope *in, struct arena *arena, struct wire_msg *ret, struct err *e) WARN_UNUSED;

/* wire_case.c: CASE_PULL and its answer */
int wire_case_check(const struct wire_msg *m, struct err *e) WARN_UNUSED;
void wire_case_fill(const struct wire_msg *m, struct outgoing *o, struct arena *arena);
int wire_case_take(const Tbwire__Envelope *in, struct arena *arena, struct wire_msg *ret, struct err *e) WARN_UNUSED;

/* wire_file.c: the messages of the sockets for files */
int wire_file_check(const struct wire_msg *m, struct err *e) WARN_UNUSED;
void wire_file_fill(const struct wire_msg *m, struct outgoing *o);
int wire_file_take(const Tbwire__Envelope *in, struct wire_msg *ret, struct err *e) WARN_UNUSED;

#endif
