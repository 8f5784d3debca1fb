/* The app's inside, shared by node/app*.c, node/engine.c and node/node.c only. Loop thread. */
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
#include "node/recovery.h"
#include "node/replication.h"
#include "node/uploads.h"
#include "node/watch_heads.h"
#include "node/witnessing.h"

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
    const struct crypto_hpke_key *seal_key;
    struct witnessing *witnessing;
    struct watch_heads *watch;
    struct recovery *recovery;
    uint64_t certificate_not_after_s;
    uint64_t started_ms;

    struct map requests;       /* key hash -> struct request_flight: idempotent requests not yet durable */
    struct map serials;        /* counter name -> uint64_t: last serial given out */
    struct list peer_waits;    /* struct peer_wait */
    size_t peer_wait_count;    /* in it */
    uint64_t peer_wait_due_ms; /* the timer's, monotonic; UINT64_MAX = it is not set */
    struct loop_timer *peer_wait_timer;
    struct list watches; /* struct watch */
    uint64_t next_ticket;
    bool catalog_published;
    struct err stopped;             /* why the ledger takes nothing; code 0 = it works */
    struct log_limit case_warnings; /* a peer must not fill the log with events that a case does not take */
    struct list receipts;           /* struct receipt_wait */
    struct list pulls;              /* struct case_pull */
    struct reconciliation *reconciliation;
    uint8_t (*refold)[CASE_ID_SIZE]; /* cases to be folded again after a fork became known */
    size_t refold_count;
    uint32_t *unproven; /* accused nodes whose evidence could not be written here: to be written at the next chance */
    size_t unproven_count;
    struct loop_timer *refold_timer;
    struct uploads *uploads;
    char *files_dir;         /* DIR/files */
    struct fetches *fetches; /* node.c destroys them, after this app */
    struct app_lost *lost;   /* app_material_lost.c; NULL while the node does not run */
    void (*dial)(void *ctx, uint32_t peer);
    void *dial_ctx;
    struct app_scans *scans;        /* app_material_scan.c; NULL: no scanner is configured */
    struct list finishings;         /* struct finishing: files that are becoming part of a case */
    struct list readers;            /* struct app_material_reader */
    struct buf doomed;              /* case id 16, file id 32: to go when the case's erasure is durable */
    struct loop_timer *erase_timer; /* app_erase_remind() */
    bool indexing;                  /* the search index is being made anew */
    bool importing;                 /* an import or export is at work; one at a time */
    unsigned verifying;             /* verifications running; one at a time */
    unsigned backing_up;            /* backups running; one at a time */
    atomic_bool verify_cancel;      /* the node stops; read by the worker */

    /* app_deadline.c */
    struct calendar *calendar;        /* national, as installed */
    struct map calendars;             /* node and division -> struct node_calendar */
    bool calendar_changed;            /* a peer's is on its way to the disk */
    uint8_t (*refresh)[CASE_ID_SIZE]; /* cases whose deadlines are to be made again */
    size_t refresh_count;
    struct loop_timer *deadline_timer;
};

/* engine.c makes the parts and the app; the ledger and the replication report to these. */
struct app_parts {
    const struct config *config;
    const struct members *members;
    const struct region_table *regions;
    struct loop *loop;
    struct catalog *catalog;   /* taken */
    struct calendar *calendar; /* taken */
    const char *origin;
    const struct crypto_hpke_key *seal_key;
    uint64_t certificate_not_after_s;
};
struct app *app_create(const struct app_parts *parts);
void app_set_ledger(struct app *a, struct ledger *ledger, struct replication *replication);
void app_set_witnessing(struct app *a, struct witnessing *w, struct watch_heads *watch, struct recovery *recovery);
void app_destroy(struct app *a); /* after the ledger was closed */
/* Once, when everything is up, and after each reload: publishes the catalog. */
void app_resume(struct app *a);
void app_on_state(struct app *a, const struct err *e); /* the ledger stopped (@e) or works again (NULL) */

/* replication's callbacks; ctx is the app */
void app_on_entries(void *ctx, uint32_t peer, const struct sync_entry *entries, size_t count, struct bytes grants,
                    struct ledger_txn *txn);
void app_on_stored(void *ctx, uint32_t peer, const struct sync_entry *entries, size_t count, bool stored);
void app_on_acked(void *ctx, uint32_t peer, uint64_t size);
/* How many wait in app_wait_peers(). */
size_t app_peer_waits(const struct app *a);
/* recovery's: own entries that were lost and are written again. Serials reach the counters when they are not in the cache. */
void app_on_restored(void *ctx, const struct sync_entry *entries, size_t count, struct ledger_txn *txn);

/* app_watch.c */
void app_notify_case(struct app *a, const uint8_t case_id[CASE_ID_SIZE]);
#define APP_WAIT_PEERS_MAX (CASE_PARTS_MAX + LEAF_RECIPIENTS_MAX) /* of a whole and its parts */
struct peer_wait_request {
    uint64_t end; /* own ledger size that must be reached */
    uint32_t peers[APP_WAIT_PEERS_MAX];
    size_t peer_count;
    uint32_t timeout_ms;
    void (*done)(void *ctx, bool reached);
    void *ctx;
};
void app_wait_peers(struct app *a, const struct peer_wait_request *w);
void app_waits_open(struct app *a);
void app_waits_close(struct app *a);

/* app_query.c */
/* The committed state: from the cache, or read apart when something of the case is still on its way. *ret_apart is to be
 * destroyed by the caller when not NULL. */
int app_committed_case(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct casefile **ret,
                       struct casefile **ret_apart, struct case_slot **ret_slot, struct err *e) WARN_UNUSED;
const char *app_member_name(const struct app *a, uint32_t code);

/* app_bundle.c */
void app_bundle_index(struct app *a,
                      struct ledger_txn *txn); /* writes what the newest of each bundle is found by once more */

/* app_catalog.c */
void app_publish_catalog(struct app *a);
void app_item_entry(struct app *a, const struct sync_entry *entry, struct ledger_txn *txn);
/* Into the transaction: a version of an own item, or its withdrawal; the version of the whole catalog that is in force then. */
void app_put_item(struct app *a, struct ledger_txn *txn, const struct catalog_item *item);
void app_withdraw_item(struct app *a, struct ledger_txn *txn, const struct store_item *old);
void app_put_catalog_version(struct ledger_txn *txn, uint32_t version);
#define APP_CATALOG_VERSION "catalog/version" /* counter: version of the own catalog in force */
#define APP_PUBLISH_ITEMS_MAX 500u            /* of one transaction */
/* app_bundle.c: a peer's bundle, or own one that came back, in the transaction that stores it. */
void app_bundle_name(struct app *a, uint32_t node, const char *code, char *ret,
                     size_t ret_size);                                       /* "" when not known */
uint32_t app_bundle_version(struct app *a, uint32_t node, const char *code); /* in force today, 0: none */
void app_bundle_entry(const struct sync_entry *entry, struct ledger_txn *txn);
/* app_search.c: what @item is found by, in @mem. */
const struct store_item_search *app_search_text(const struct app *a, const struct catalog_item *item,
                                                struct arena *mem);
/* Once at start and when the ledger works again: makes the search index anew when it is of another version of the program. */
void app_index_items(struct app *a);
bool app_is_importing(const struct app *a);
/* The name of the item a case is about, found once and kept in the slot. */
void app_fill_item_name(struct app *a, struct case_slot *slot);

/* app.c: takes one entry into its case file, in the transaction that stores it. */
void app_case_entry(struct app *a, const struct sync_entry *entry, struct ledger_txn *txn);

/* app.c: what could not be done to a case; at most ten lines at once, then one a second. */
void app_warn_case(struct app *a, const char *subject, struct err *e, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* app_keys.c */
/* The key that the case's content is sealed under. ERR_BUSY case.key-missing, ERR_CONFLICT case.erased. */
int app_case_key(struct app *a, struct case_slot *slot, struct payload_key *ret, struct err *e) WARN_UNUSED;
/* A new one for a new case; its row goes with @txn. */
void app_make_key(struct case_slot *slot, struct ledger_txn *txn, struct payload_key *ret);
/* The content of a stored entry, in @mem; empty when *ret_content says why. Asks for a key that is missing. */
int app_open_payload(struct app *a, const struct store_entry *entry, struct arena *mem, struct bytes *ret,
                     enum app_content *ret_content, struct err *e) WARN_UNUSED;
bool app_is_erased(struct app *a, const uint8_t case_id[CASE_ID_SIZE]);
/* Whether node @code receives, decides or has written on the case: a mirror that only keeps its entries does not. */
bool app_is_party(struct casefile *file, uint32_t code);
/* Whether it may have the content: it receives or decides, or an event that took effect is its own or names it as lead. Stricter
 * than the above, where an event counts that was refused or waits for a parent: nobody gets a key by claiming a part. */
bool app_may_read(struct casefile *file, uint32_t code);
/* Whether this node shows the case: it takes part, or is the deciding node's superior and has asked for it. */
bool app_shows_case(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct casefile *file);
/* The case's key for @peer, sealed, in @mem; empty when it may not have it or there is none. */
struct bytes app_case_grant(struct app *a, uint32_t peer, const uint8_t case_id[CASE_ID_SIZE], struct arena *mem);
struct bytes app_make_grants(void *ctx, uint32_t peer, const struct wire_batch *batch, struct arena *mem);
/* The entries of a batch by their cases (app_by_case.c). Of those that are no events of a case nothing is said. */
struct app_by_case {
    struct map firsts; /* case id -> its place in next */
    size_t *next;      /* per entry: the next one of its case; count = none */
    bool *is_first;    /* per entry: of its case in this batch */
    size_t count;
};
void app_by_case_init(struct app_by_case *b, const struct sync_entry *entries, size_t count, struct arena *mem);
size_t app_by_case_first(const struct app_by_case *b, const uint8_t case_id[CASE_ID_SIZE]); /* count = none */
void app_by_case_close(struct app_by_case *b);
void app_take_grants(struct app *a, uint32_t peer, struct bytes grants, const struct sync_entry *entries, size_t count,
                     struct ledger_txn *txn);
void app_pull_key(struct app *a, struct case_slot *slot);
void app_answer_key_pull(struct app *a, uint32_t peer, uint64_t handle, const struct wire_key_pull *pull);

/* app_material.c */
int app_materials_open(struct app *a, struct err *e) WARN_UNUSED; /* before the ledger */
void app_materials_start(struct app *a); /* the ledger stands: throws away what no case holds */
void app_materials_stop(struct app *a);
bool app_materials_idle(const struct app *a);
void app_materials_close(struct app *a);
/* A material event is about to be written or stored: its rows. */
void app_material_entry(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint32_t origin, uint64_t index,
                        const uint8_t file[CASE_FILE_ID_SIZE], struct ledger_txn *txn);
void app_material_peer_entry(struct app *a, const struct sync_entry *entry, struct ledger_txn *txn);
/* Of a file that a case of ours holds. */
bool app_material_is_wanted(struct app *a, const uint8_t file[CASE_FILE_ID_SIZE]);
/* app_material_lost.c */
void app_material_lost_start(struct app *a); /* looks for lost files, and goes on with that until stopped */
void app_material_lost_stop(struct app *a);
/* app_material_view.c */
/* The last one of the case with that file whose key is one, and that of what was read here, if there is such a one. ERR_NOT_FOUND material.unknown. */
int app_find_material(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const uint8_t file[CASE_FILE_ID_SIZE],
                      struct arena *mem, struct app_material_view *ret, struct err *e) WARN_UNUSED;
/* All of them, in the order of the events. */
int app_list_materials_of(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const uint8_t file[CASE_FILE_ID_SIZE],
                          struct arena *mem, struct app_material_view **ret, size_t *ret_count,
                          struct err *e) WARN_UNUSED;
/* What this node's scanner said when the file was uploaded here, as its event tells; APP_SCAN_OFF: nothing, or it was not. */
enum app_scan app_material_said(const struct app *a, const struct app_material_view *v);
/* Of what was scanned: a verdict is about this content under this key, for a sealed file commits to neither. */
void app_material_mark(const uint8_t file[CASE_FILE_ID_SIZE], const uint8_t key[FILE_KEY_SIZE],
                       const uint8_t sha256[CRYPTO_HASH_SIZE], uint8_t out[CRYPTO_HASH_SIZE]);
/* Whether this node has read the content, and it has the hash that @v says. */
bool app_material_is_read(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const struct app_material_view *v);
/* What is noted of its own scanner's word about a file; APP_SCAN_OFF also when nothing says of which content. */
int app_material_own_scan(struct app *a, const uint8_t file[CASE_FILE_ID_SIZE], enum app_scan *ret,
                          struct err *e) WARN_UNUSED;
/* Whether the content may be given out or used again: ERR_DENIED material.infected (own scanner or the author's); ERR_BUSY
 * material.not-scanned, and the file is the next one for the scanner; ERR_VERIFY material.unreadable. */
int app_material_check_scan(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const struct app_material_view *m,
                            struct err *e) WARN_UNUSED;
struct file_blob;
/* The file on the disk, for reading. ERR_BUSY material.not-here, ERR_VERIFY material.size-said; those of file_blob_open(). */
int app_material_blob(struct app *a, const struct app_material_view *m, struct file_blob **ret,
                      struct err *e) WARN_UNUSED;
/* app_material_scan.c: without a scanner nothing happens. */
struct app_scan_stats {
    uint64_t done, unknown, infected; /* since the start; done: all three results */
    uint64_t waiting;                 /* now, as far as they are known: a pass over all files finds others */
};
void app_scans_open(struct app *a);
void app_scans_start(struct app *a); /* looks for files that were never scanned */
void app_scans_stop(struct app *a);
bool app_scans_idle(const struct app *a); /* comes soon after the stop */
void app_scans_close(struct app *a);
/* @file is here and may have to be scanned; @is_asked_for: before all others, else something new is known of it: what could not be read
 * is tried again. */
void app_scans_add(struct app *a, const uint8_t file[CASE_FILE_ID_SIZE], bool is_asked_for);
/* The key of a case is here, on its way to the disk. */
void app_scans_key_came(struct app *a, const uint8_t case_id[CASE_ID_SIZE]);
void app_scans_forget(struct app *a, const uint8_t file[CASE_FILE_ID_SIZE]); /* no case holds it any more */
/* Why nothing that is known here opens @file; NULL: it is not so. Until the next call of this module. */
const char *app_scans_failure(struct app *a, const uint8_t file[CASE_FILE_ID_SIZE]);
void app_scans_stats(const struct app *a, struct app_scan_stats *ret);
/* app_material_fetch.c */
/* Writes down what this node's scanner says of @file; @mark: app_material_mark(), NULL = not all of it was read; @done once, not from inside. False: nothing can be written now. */
bool app_material_note_scan(struct app *a, const uint8_t file[CASE_FILE_ID_SIZE], enum app_scan state,
                            const uint8_t *mark, void (*done)(void *ctx, const struct err *e), void *ctx);
void app_material_make_fetches(struct app *a);
/* For node.c, which owns them from there on; @dial: a connection for files to that node is wanted. */
struct fetches *app_materials_fetches(struct app *a, void (*dial)(void *ctx, uint32_t peer), void *ctx);
bool app_material_is_here(const struct app *a, const uint8_t file[CASE_FILE_ID_SIZE]);
void app_material_metrics(struct app *a, struct buf *ret);
void app_materials_wanted(struct app *a); /* takes up everything that is noted as wanted */
void app_material_stored(struct app *a, const struct sync_entry *entry);
/* The case's content is about to be destroyed; when that is durable, its files go. */
void app_materials_erase(struct app *a, const uint8_t case_id[CASE_ID_SIZE]);
void app_materials_sweep(struct app *a);
/* Chunks of @file that @node is known to have while it fetches. */
uint32_t app_material_progress(struct app *a, const uint8_t file[CASE_FILE_ID_SIZE], uint32_t node);
/* The file's key in @case_id. */
int app_material_key(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const struct app_material_view *m,
                     uint8_t ret[32], struct err *e) WARN_UNUSED;
/* app_command.c: what a request with this key did before; false when it is new. */
bool app_find_request(struct app *a, const struct app_request *r, struct app_command_result *ret);

/* app_erase.c: a peer's erase leaf, in the transaction that stores it. */
/* The case has new events in @txn: an erasure that waited for its end is done. */
void app_erase_ended(struct app *a, struct case_slot *slot, struct ledger_txn *txn);
void app_erase_remind(void *ctx); /* of the timer: alarms about participants that do not acknowledge */
void app_erase_set_timer(struct app *a);
void app_erase_entry(struct app *a, const struct sync_entry *entry, struct ledger_txn *txn);
void app_erase_restored(struct app *a, const struct sync_entry *entry, struct ledger_txn *txn);

/* app_evidence.c */
/* A peer's evidence leaf. */
void app_evidence_entry(struct app *a, const struct sync_entry *entry, struct ledger_txn *txn);
/* Two contradicting views of @accused's ledger were seen here: the evidence becomes an own entry for everybody. While nothing can
 * be written, it is not followed any more, and its cases freeze when the views come again with the next gossip. */
void app_accuse(struct app *a, uint32_t accused, struct bytes evidence, uint64_t common_size);
void app_make_timers(struct app *a);
void app_load_evidence(struct app *a);                    /* at start, and after each reload */
bool app_is_disputed(const struct app *a, uint32_t code); /* proven, or the proof waits to be written */

/* app_receipt.c */
void app_receipts_cosigned(struct app *a); /* a larger own checkpoint has a quorum */
void app_receipts_close(struct app *a);
void app_answer_receipt_pull(struct app *a, uint32_t peer, uint64_t handle, const struct wire_receipt_pull *pull);

/* app_pull.c */
/* Whether a peer's event gives this node its part in a case (转办, 督办); if it had none, or has just supervised the case,
 * app_pull_join(): the earlier entries are asked for until every other participant knows of it, noted on disk with @txn. */
bool app_pull_names(const struct app *a, const struct case_event *event);
void app_pull_join(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct ledger_txn *txn);
/* A case whose events wait for parents: if they still do after a while, they are asked for. */
void app_pull_heal(struct app *a, struct case_slot *slot);
bool app_pull_is_open(const struct app *a, const uint8_t case_id[CASE_ID_SIZE]); /* entries of it are being asked for */
void app_load_pulls(struct app *a);                                              /* at start, and after each reload */
/* @peer can be reached again: what waits for it is asked for soon, however long the pause had grown. */
void app_pulls_link_up(struct app *a, uint32_t peer);
/* Cases whose earlier entries are being asked for, and the longest pause in which one of them waits now. */
void app_pulls_count(const struct app *a, uint64_t *ret_open, uint64_t *ret_pause_ms);
void app_pulls_close(struct app *a);
/* app_pull_answer.c */
void app_answer_case_pull(struct app *a, uint32_t peer, uint64_t handle, const struct wire_case_pull *pull);
/* app_reconcile.c */
void app_reconcile_open(struct app *a);
void app_reconcile_stop(struct app *a); /* the node stops: a run under way ends with the answer it waits for */
void app_reconcile_close(struct app *a);
/* app_reconcile_answer.c */
void app_answer_reconcile(struct app *a, uint32_t peer, uint64_t handle, const struct wire_reconcile *in);
void app_answer_cases_pull(struct app *a, uint32_t peer, uint64_t handle, const struct wire_key_pull *pull);

/* app_backup.c */
bool app_is_backing_up(const struct app *a);

/* app_identity.c: the persons of an application and their numbers. *ret_division: the home division that is meant, 0 = none named. */
int app_check_persons(struct app *a, const struct app_submission *s, uint32_t *ret_division,
                      struct app_command_result *result, struct err *e) WARN_UNUSED;
/* app_deadline.c */
struct deadline;
struct deadlines;
void app_deadlines_open(struct app *a);
void app_deadlines_start(struct app *a); /* once everything is up: looks what has run out, then each minute */
void app_deadlines_close(struct app *a);
/* By the calendar of the deciding node. */
void app_deadlines(struct app *a, struct casefile *file, struct deadlines *ret);
/* Days of its unit from @today to its last day; negative: so many days too late. */
int32_t app_days_left(struct app *a, const struct case_state *state, const struct deadline *d, uint32_t today);
/* So many working days after @from a limit ends; of one in natural days, those that it holds. By the calendar of the deciding node. */
uint32_t app_working_days(struct app *a, const struct case_state *state, struct case_limit limit, uint32_t from);
/* The last of @days working days after @from. */
uint32_t app_last_working_day(struct app *a, const struct case_state *state, uint32_t from, uint32_t days);
/* @slot has new events in @txn: what is due next goes with them, when it is another one than before. */
void app_due_changed(struct app *a, struct case_slot *slot, struct ledger_txn *txn);
/* A peer's calendar, in the transaction that stores it; and when that is durable. */
void app_calendar_entry(struct app *a, const struct sync_entry *entry, struct ledger_txn *txn);
void app_calendars_stored(struct app *a);
int app_count_dues(struct app *a, uint64_t *ret_red, uint64_t *ret_yellow, uint64_t *ret_all) WARN_UNUSED;

/* app_terms.c */
struct case_command;
struct catalog_item;
/* The pseudonym of the member of staff @number within the case. ERR_LIMIT case.official-size; else as app_case_key(). */
int app_official(struct app *a, struct case_slot *slot, const char *number, uint8_t ret[CASE_OFFICIAL_SIZE],
                 struct err *e) WARN_UNUSED;
/* The limits that @item gives to a case in @mode: has_limits and limits of @ret. */
void app_item_terms(const struct catalog_item *item, uint8_t mode, struct case_command *ret);
/* Limits, demands and terms of the own item that a case to be received (签收) here is about. */
void app_receipt_terms(struct app *a, const struct case_state *state, struct case_command *ret);
/* Days and unit of a pause as the item declares its kind, where @cmd does not say. ERR_CONFLICT "case.hearing-days": of a licence,
 * by more than the law gives. */
int app_pause_terms(struct app *a, const struct case_state *state, struct case_command *cmd, struct err *e) WARN_UNUSED;
/* Whether the case may be accepted with 容缺, as @event says: ERR_CONFLICT "case.lacking-unallowed", the item does not allow it at
 * all; "case.lacking-over", not for so long; those of app_case_lacking(). */
int app_check_lacking(struct app *a, struct casefile *file, const struct app_event *event, struct err *e) WARN_UNUSED;
/* ERR_CONFLICT "case.fee-none": the item says that it costs nothing. One that is gone or says nothing of fees stops nobody. */
int app_check_fee(struct app *a, const struct case_state *state, struct err *e) WARN_UNUSED;
/* ERR_CONFLICT "case.promise-unallowed": the item does not allow it. */
int app_check_promise(const struct catalog_item *item, struct err *e) WARN_UNUSED;
/* app_form.c: one warning more, as far as there is room. */
void app_warn(struct app_command_result *result, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* What does not fit the item, as warnings: it is no window's to refuse. */
void app_form_warnings(const struct catalog_item *item, const struct app_submission *s,
                       struct app_command_result *result);

/* app_route.c: an abolished division becomes what it is today; one that nothing is known of stays. */
void app_follow_succession(const struct app *a, uint32_t *division);
/* The item of an application that names no node, for a division of today (0: not known). *ret_why: in one sentence, in @mem. */
int app_route_application(struct app *a, const char *item, uint32_t division, struct arena *mem,
                          struct app_item_view *ret, const char **ret_why, struct err *e) WARN_UNUSED;
/* app_command.c */
/* Every other node that has a part in the case, and the mirrors: ascending, as a leaf wants them. */
size_t app_participants(const struct app *a, struct casefile *file, uint32_t peers[LEAF_RECIPIENTS_MAX]);
/* app_part.c */
/* Whether an application may name @parent as its whole; a warning when nobody notes the part there by himself. */
int app_check_parent(struct app *a, const uint8_t parent[CASE_ID_SIZE], struct app_command_result *result,
                     struct err *e) WARN_UNUSED;
void app_follow_part(struct app *a, struct case_slot *slot, struct ledger_txn *txn);
/* The parts of @slot, when it is a whole that was taken in here and has new events in @txn: what became of them while it could not be
 * told is noted now. */
void app_follow_parts(struct app *a, struct case_slot *slot, struct ledger_txn *txn);
/* What a part of that status, level and end (closed_as) has come to (enum case_part_end), 0 while it is open. */
uint8_t app_part_ending(uint8_t status, uint8_t level, uint8_t closed_as);
/* @slot, when it is a whole that was taken in here, has new events in @txn: what the node does by itself. */
void app_follow_whole(struct app *a, struct case_slot *slot, struct ledger_txn *txn);
/* app_progress.c: the parts of @s, as a view shows them. */
void app_fill_parts(struct app *a, const struct case_state *s, struct arena *mem, struct app_case_view *ret);
/* Which parts of the whole @case_id, a bundle case led here, take its shared material @code, and under which code each. */
struct app_shared_use {
    uint8_t case_id[CASE_ID_SIZE];
    char code[CASE_MATERIAL_CODE_SIZE];
};
size_t app_shared_uses(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const char *code,
                       struct app_shared_use ret[CASE_PARTS_MAX]);
#define APP_BUNDLE_AFTER_DENIED "bundle.after-denied" /* reason code of 预审退回: what the part needs was denied */
/* app_bundle_case.c: the item code of a bundle case is "<node>.<bundle's code>". False: it is that of an item. */
bool app_bundle_of_item(const char *item_code, uint32_t *ret_node, const char **ret_code);
/* 受理 by the node itself because nobody said a word in time; nothing when the case is not waiting for that any more. */
void app_accept_by_law(struct app *a, const uint8_t case_id[CASE_ID_SIZE]);
void app_react(struct app *a, struct case_slot *slot, struct ledger_txn *txn);

/* app.c: @slot has new events in @txn: its row goes with them. */
void app_case_changed(struct app *a, struct case_slot *slot, struct ledger_txn *txn);

/* app_verify.c: a verification under way is ended early; the app may be destroyed when none is. */
void app_stop_verifying(struct app *a);
bool app_is_verifying(const struct app *a);

int app_check_reader(struct app *a, struct err *e) WARN_UNUSED; /* ERR_* when the store cannot be read now */

#endif
