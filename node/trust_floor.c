/* What was trusted once (see trust_floor.h). */
#include "node/trust_floor.h"

#include <stdio.h>

#include "node/base/log.h"

struct floor {
    struct store_counter rows[PKI_CRLS_MAX + 1];
    size_t count;
};

static void floor_saved(void *ctx, const struct err *e)
{
    (void)ctx;
    if (e->code != 0)
        log_warn("node", NULL, e->id, "cannot note which lists are in use: %s", e->message);
}

static void floor_now(const struct trust_floor *t, struct floor *f)
{
    struct tls_engine_status tls;
    tls_engine_status(t->tls, &tls);
    f->rows[0] = (struct store_counter){.name = "trust/members", .value = t->members->version};
    f->count = 1;
    for (size_t i = 0; i < tls.crl_count; i++) {
        struct store_counter *row = &f->rows[f->count++];
        row->value = tls.crls[i].number;
        (void)snprintf(row->name, sizeof row->name, "trust/crl/%s", tls.crls[i].issuer);
    }
}

int trust_floor_check(const struct trust_floor *t, struct err *e)
{
    struct floor f;
    floor_now(t, &f);
    for (size_t i = 0; i < f.count; i++) {
        uint64_t noted = 0;
        int rc = store_read_counter(ledger_reader(t->ledger), f.rows[i].name, &noted, e);
        if (rc == 0 && f.rows[i].value < noted)
            rc = i == 0 ? err_set(e, ERR_CONFLICT, "members.older",
                                  "version %llu of the member list is older than %llu, which was in use here",
                                  (unsigned long long)f.rows[i].value, (unsigned long long)noted)
                        : err_set(e, ERR_CONFLICT, "trust.crl-older",
                                  "revocation list %llu is older than %llu, which was in use here",
                                  (unsigned long long)f.rows[i].value, (unsigned long long)noted);
        if (rc != 0)
            return rc;
    }
    return 0;
}

void trust_floor_note(const struct trust_floor *t)
{
    struct floor f;
    if (ledger_check_writable(t->ledger, NULL) != 0)
        return; /* at the next start or reload */
    floor_now(t, &f);
    struct ledger_txn *txn = ledger_txn_create(t->ledger);
    for (size_t i = 0; i < f.count; i++)
        ledger_txn_counter(txn, &f.rows[i]);
    ledger_commit(txn, floor_saved, NULL);
}
