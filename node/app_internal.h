/* The app's inside, shared by node/app*.c and node/node.c only. Loop thread. */
#ifndef TB_NODE_APP_INTERNAL_H
#define TB_NODE_APP_INTERNAL_H

#include <stdatomic.h>

#include "catalog/calendar.h"
#include "catalog/catalog.h"
#include "catalog/region.h"
#include "federation/members.h"
#include "node/app.h"
#include "node/base/log.h"
#include "node/base/map.h"
#include "node/case_cache.h"
#include "node/config.h"
#include "node/ledger.h"
#include "node/replication.h"

/* Random bytes before a payload: its hash in the ledger must not be guessable (FORMATS.md, "Payload"). */
#define PAYLOAD_BLIND_SIZE 32u

struct app {
    const struct config *config;
    const struct members *members;
    const struct region_table *regions;
    struct loop *loop;
    struct ledger *ledger;
    struct replication *replication;
    struct case_cache *cases;
    struct catalog *catalog; /* own file's content; NULL = publishes nothing */
    const char *origin;      /* name of the own ledger */
    uint64_t certificate_not_after_s;
    uint64_t started_ms;

    struct map requests;    /* key hash -> struct request_flight: idempotent requests not yet durable */
    struct map serials;     /* counter name -> uint64_t: last serial given out */
    struct list peer_waits; /* struct peer_wait */
    struct list watches;    /* struct watch */
    uint64_t next_ticket;
    bool catalog_published;
    struct err stopped;             /* why the ledger takes nothing; code 0 = it works */
    struct log_limit case_warnings; /* a peer must not fill the log with events that a case does not take */
    unsigned verifying;             /* verifications running; one at a time */
    atomic_bool verify_cancel;      /* the node stops; read by the worker */
};

/* node.c makes the parts and the app; the ledger and the replication report to these. */
struct app_parts {
    const struct config *config;
    const struct members *members;
    const struct region_table *regions;
    struct loop *loop;
    struct catalog *catalog; /* taken */
    const char *origin;
    uint64_t certificate_not_after_s;
};
struct app *app_create(const struct app_parts *parts);
void app_set_ledger(struct app *a, struct ledger *ledger, struct replication *replication);
void app_destroy(struct app *a); /* after the ledger was closed */
/* Once, when everything is up, and after each reload: publishes the catalog. */
void app_resume(struct app *a);
void app_on_state(struct app *a, const struct err *e); /* the ledger stopped (@e) or works again (NULL) */

/* replication's callbacks; ctx is the app */
void app_on_entries(void *ctx, uint32_t peer, const struct sync_entry *entries, size_t count, struct ledger_txn *txn);
void app_on_stored(void *ctx, uint32_t peer, const struct sync_entry *entries, size_t count, bool stored);
void app_on_acked(void *ctx, uint32_t peer, uint64_t size);

/* app_watch.c */
void app_notify_case(struct app *a, const uint8_t case_id[CASE_ID_SIZE]);
struct peer_wait_request {
    uint64_t end; /* own ledger size that must be reached */
    uint32_t peers[LEAF_RECIPIENTS_MAX];
    size_t peer_count;
    uint32_t timeout_ms;
    void (*done)(void *ctx, bool reached);
    void *ctx;
};
void app_wait_peers(struct app *a, const struct peer_wait_request *w);
void app_waits_close(struct app *a);

/* app_query.c */
/* The committed state: from the cache, or read apart when something of the case is still on its way. *ret_apart is to be
 * destroyed by the caller when not NULL. */
int app_committed_case(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct casefile **ret,
                       struct casefile **ret_apart, struct case_slot **ret_slot, struct err *e) WARN_UNUSED;
/* Grows with each committed event of the case; UINT64_MAX when it cannot be read: whoever waits then asks and is told. */
uint64_t app_case_version(struct app *a, const uint8_t case_id[CASE_ID_SIZE]);
const char *app_member_name(const struct app *a, uint32_t code);

/* app_catalog.c */
void app_publish_catalog(struct app *a);
void app_item_entry(struct app *a, const struct sync_entry *entry, struct ledger_txn *txn);
/* The name of the item a case is about, found once and kept in the slot. */
void app_fill_item_name(struct app *a, struct case_slot *slot);

/* app.c: what could not be done to a case; at most ten lines at once, then one a second. */
void app_warn_case(struct app *a, const char *subject, struct err *e, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* app_command.c */
void app_react(struct app *a, struct case_slot *slot, struct ledger_txn *txn);

/* app.c: @slot has new events in @txn: its row goes with them. */
void app_case_changed(struct app *a, struct case_slot *slot, struct ledger_txn *txn);

/* app_verify.c: a verification under way is ended early; the app may be destroyed when none is. */
void app_stop_verifying(struct app *a);
bool app_is_verifying(const struct app *a);

int app_check_reader(struct app *a, struct err *e) WARN_UNUSED; /* ERR_* when the store cannot be read now */

#endif
