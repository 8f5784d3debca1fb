/* App: what the node can be asked to do, one function per command or query. The HTTP API and every later front end
 * call these and nothing below them, so that none can do what another cannot.
 *
 * Loop thread only. Queries answer at once from the reader connection; commands answer through a callback when the
 * events are durable (rule "durable before said"), never from inside the call. Results are plain structs whose memory
 * lives in the caller's arena (queries) or until the callback returns (commands).
 */
#ifndef TB_NODE_APP_H
#define TB_NODE_APP_H

#include <stdbool.h>
#include <stdint.h>

#include "catalog/item_diff.h"
#include "node/base/arena.h"
#include "node/base/bytes.h"
#include "node/base/err.h"
#include "node/cases/event.h"

struct app;
struct members;

/* ---- commands ---- */

/* A person beside the applicant; name NULL = none. */
struct app_person {
    const char *name, *id_type, *id_number;
    const char *phone; /* NULL = not given */
};
/* 代办人 and its 授权委托书 (行政许可法第二十九条). */
struct app_agent {
    struct app_person person;
    const char *document; /* SHA-256 in hex; NULL = no authorisation */
    const char *scope;
    uint32_t valid_until; /* yyyymmdd, 0 = not limited */
};
/* 监护人. */
struct app_guardian {
    struct app_person person;
    bool has_consent; /* to the use of the data of a child under 14 (个人信息保护法第三十一条) */
};

/* Application at the window: becomes the events 收件, 身份核验, 形式审查 and, with @forward, 转出, atomically. */
struct app_submission {
    const char *item_code;      /* of the deciding province's catalog */
    uint32_t item_node;         /* deciding node, 0 = by @division and the catalogs */
    uint32_t division;          /* home division of the matter (6 digits), 0 = first 6 digits of the citizen id */
    uint8_t mode;               /* enum case_mode, 0 = the item's only or first mode */
    const char *applicant_kind; /* "person" or "organisation" */
    const char *applicant_name;
    const char *id_type; /* wire name of node/cases/identity.h: "citizen_id", "uscc", … */
    const char *id_number;
    struct app_agent agent;
    struct app_guardian guardian;
    struct bytes payload; /* the whole request as canonical JSON: applicant, form, materials; sealed content */
    const char *const *material_codes; /* of the list of materials, for the form check */
    size_t material_count;
    bool forward;
    bool promise;          /* 告知承诺: the applicant signed the promise */
    const uint8_t *parent; /* CASE_ID_SIZE bytes: the 多地联办 case that this is a part of; NULL = none */
    const char *what;      /* stands before each warning of the form check: which of several; NULL = nothing */
};

/* 容缺受理: one material that may come after the acceptance. */
struct app_lacking {
    const char *code; /* of a material of the case's item */
    uint32_t days;    /* working days from the acceptance by which it has to be there; 0 = not said */
    const char
        *name; /* by app_case_lacking(): as the item says; static words for the form: "paper", "electronic", "either" */
    const char *form;
    uint32_t due; /* by app_case_last_days(): the last day; 0 = not known */
};
#define APP_LACKING_MAX 64u

/* One event on a case. Fields that the type does not use are 0 / NULL. */
struct app_event {
    uint16_t type;    /* enum case_event_type */
    uint8_t decision; /* enum case_decision: decide */
    uint8_t grade;    /* evaluate */
    uint8_t channel;  /* enum case_channel: deliver */
    uint8_t pause_kind;
    uint8_t unit;                      /* enum case_unit of @expected_days, 0 = as the item says, else working days */
    uint16_t expected_days;            /* 0 = as the item says */
    uint16_t extend_days;              /* extend */
    uint16_t lacking_days;             /* accept with 容缺: when all must be there */
    const struct app_lacking *lacking; /* which materials, all with their days; the list itself belongs into @payload */
    size_t lacking_count;
    uint8_t told;            /* set of enum case_told: what the applicant is told with it */
    uint8_t side;            /* enum case_side: evaluate, follow_up */
    uint8_t review;          /* enum case_review: review */
    const char *official;    /* staff number of who acts or approves, 1..APP_OFFICIAL_BYTES_MAX; NULL = not said. The
                                ledger gets a pseudonym; the number itself belongs into @payload */
    const uint8_t *part;     /* CASE_ID_SIZE bytes: part, part_done; NULL = none */
    uint32_t lead;           /* handover, supervise */
    bool has_last_leaf;      /* supervise: @last_leaf is given; else the last one of the old lead that counts */
    uint64_t last_leaf;      /* index of the last leaf of the old lead that counts */
    const char *reason_code; /* machine-readable, plain in the ledger; NULL = none */
    const uint8_t *file;     /* material: CASE_FILE_ID_SIZE bytes; NULL = none */
    struct bytes payload;    /* JSON for participants only (texts, names, reasons in words); empty = none */
};

#define APP_OFFICIAL_BYTES_MAX 64u

struct app_request {
    const char *idempotency_key; /* NULL = none; kept for ever */
    uint8_t
        body_hash[32]; /* SHA-256 of method, path and body if there is a key: the same with another is ERR_CONFLICT */
    bool wait_peers;   /* answer only when every other participant has made it durable too */
    uint32_t wait_ms;  /* at most, for wait_peers; 0 = default */
};

#define APP_WARNINGS_MAX 40u /* one for each part of the largest bundle, and some */

struct app_warnings {
    uint32_t count;
    uint32_t left_out; /* that found no room; the last line says how many */
    char lines[APP_WARNINGS_MAX][320];
};

struct app_command_result {
    uint8_t case_id[CASE_ID_SIZE];
    uint32_t origin;      /* this node */
    uint64_t first_index; /* its new ledger entries [first_index, first_index + count) */
    uint32_t count;
    bool replayed;      /* the key had been used with the same body: nothing new was done */
    bool peers_durable; /* wait_peers was asked and reached in time */
    unsigned sensitive; /* enum person_flag of an application */
    bool has_file;      /* material: its file */
    uint8_t file[CASE_FILE_ID_SIZE];
    uint32_t
        route_node; /* of an application that named no node: who decides, and why; 0 = it named one, or came again */
    char route_why[256];
    struct app_warnings *warnings; /* e.g. GB 32100 check digit; NULL = none. Whoever made the result frees them */
};

/* @e has code 0 on success. Called exactly once, on the loop thread. */
typedef void (*app_command_cb)(void *ctx, const struct app_command_result *result, const struct err *e);

/* How the content of an application is to be handled (enum person_flag), 0 when its numbers are not in order. */
unsigned app_sensitive_flags(struct app *a, const struct app_submission *s);

/* One number by the rules of its kind and the severities of node.json. */
struct app_identity_view {
    bool is_valid;
    const char *rule;        /* of the first broken rule: "identity.check-digit"; "identity.ok" */
    const char *explanation; /* one sentence without the number */
    const char *masked;
    uint32_t division;         /* 0 = the kind names none */
    const char *division_name; /* NULL = in no table */
    uint32_t birth_year;       /* 0 = the kind names none */
    const char *warnings[4];
    size_t warning_count;
};
/* ERR_INVALID when @id_type is no kind. */
int app_check_identity(struct app *a, const char *id_type, const char *number, struct arena *mem,
                       struct app_identity_view *ret, struct err *e) WARN_UNUSED;

/* Everything is copied before the call returns. A refusal comes through @cb too. */
void app_submit(struct app *a, const struct app_submission *s, const struct app_request *r, app_command_cb cb,
                void *ctx);
/* @count (1..CASE_EVENTS_PER_REQUEST_MAX) events appended together, in this order, or none. */
void app_append(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const struct app_event *events, size_t count,
                const struct app_request *r, app_command_cb cb, void *ctx);

/* Asks the other nodes for a case that this one takes no part in (or for what is missing of one in which it does): given to the
 * superior of its deciding node, without contents. @cb exactly once, never from inside the call: durable then; ERR_NOT_FOUND or
 * ERR_DENIED case.fetch. */
typedef void (*app_fetch_cb)(void *ctx, const uint8_t case_id[CASE_ID_SIZE], uint32_t event_count, const struct err *e);
void app_fetch_case(struct app *a, const uint8_t case_id[CASE_ID_SIZE], app_fetch_cb cb, void *ctx);

/* ---- materials: files of a case (node/app_material.c) ---- */

#define APP_UPLOAD_ID_SIZE 16
#define CASE_MATERIAL_CODE_SIZE 65

/* What a scanner said of a file. On disk: never renumber. */
enum app_scan {
    APP_SCAN_OFF = 1, /* none is configured */
    APP_SCAN_CLEAN = 2,
    APP_SCAN_UNKNOWN = 3, /* it failed or did not know */
    APP_SCAN_INFECTED = 4
};
const char *app_scan_name(enum app_scan scan); /* "off", "clean", "unknown", "infected" */
#define APP_SCAN_PENDING "pending"             /* this node's scanner has not said anything yet */
#define APP_SCAN_UNREADABLE "unreadable"       /* nor can it: the key of no event that names the file opens it */

struct app_upload_request {
    const char *name; /* for people, 1..FILE_NAME_BYTES_MAX bytes */
    const char *code; /* of the item's material, "" = none */
    const char *type; /* of file_types, NULL = by the ending of the name */
    uint64_t size;    /* bytes of content */
    const uint8_t
        *sha256; /* of the content, NULL = not said: then it cannot be found again or be known to be there already */
    char
        trust; /* 国办函〔2016〕108号: 'A' issued by an authority, 'B' checked at the window, 'C' uploaded, 'D' promised */
};

struct app_upload_view {
    uint8_t id[APP_UPLOAD_ID_SIZE];
    uint8_t case_id[CASE_ID_SIZE];
    uint64_t size, offset; /* bytes that there will be, and that are there */
    bool is_duplicate;     /* the same content is in the case already, as @file: there is no upload */
    uint8_t file[CASE_FILE_ID_SIZE];
};
typedef void (*app_upload_cb)(void *ctx, const struct app_upload_view *v, const struct err *e);

/* Begins an upload, or goes on with one of the same content to the same case. @cb once, from the loop, in all of these. */
void app_begin_upload(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const struct app_upload_request *r,
                      app_upload_cb cb, void *ctx);
void app_get_upload(struct app *a, const uint8_t id[APP_UPLOAD_ID_SIZE], app_upload_cb cb, void *ctx);
/* The part at @offset, a whole chunk (FILE_CHUNK_BYTES, the last one less). Takes @data. */
void app_put_upload(struct app *a, const uint8_t id[APP_UPLOAD_ID_SIZE], uint64_t offset, uint8_t *data, size_t size,
                    app_upload_cb cb, void *ctx);
/* Checks everything, makes the file durable and adds it to the case as an event (材料). */
void app_finish_upload(struct app *a, const uint8_t id[APP_UPLOAD_ID_SIZE], const struct app_request *r,
                       app_command_cb cb, void *ctx);
int app_drop_upload(struct app *a, const uint8_t id[APP_UPLOAD_ID_SIZE], struct err *e) WARN_UNUSED;

/* Adds a file that another case of this node holds. @consent (1..512 bytes): who agreed to that and how; it goes with the
 * event, for the participants only. */
void app_reuse_material(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const uint8_t from_case[CASE_ID_SIZE],
                        const uint8_t file[CASE_FILE_ID_SIZE], const char *consent, const struct app_request *r,
                        app_command_cb cb, void *ctx);

struct app_material_holder {
    uint32_t node;
    const char *name;
    uint32_t held, count; /* chunks there, as far as is known */
    const char *scan;     /* of this node: what its own scanner says, or APP_SCAN_PENDING, _UNREADABLE; "" = not here */
};

struct app_material_view {
    uint8_t file[CASE_FILE_ID_SIZE];
    uint32_t origin; /* the event */
    uint64_t index;
    uint64_t at_ms;
    uint8_t content; /* enum app_content: the fields below are there when it is shown */
    const char *name, *code, *type, *media, *scan, *consent;
    char trust;
    uint64_t size;
    uint8_t sha256[32];
    uint8_t wrap[48]; /* the file's key under the case's */
    const struct app_material_holder *holders;
    size_t holder_count;
};
int app_list_materials(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct arena *mem,
                       struct app_material_view **ret, size_t *ret_count, struct err *e) WARN_UNUSED;

/* Reading a file's content, chunk by chunk. @purpose as of app_get_payload(). ERR_BUSY material.not-here while it has not
 * arrived, ERR_BUSY material.not-scanned until this node's own scanner has looked at it; ERR_DENIED material.infected; ERR_VERIFY
 * material.unreadable when it cannot. */
struct app_material_reader;
struct app_material_content {
    uint64_t size;
    const char *media; /* static */
};
int app_open_material(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const uint8_t file[CASE_FILE_ID_SIZE],
                      const char *purpose, struct app_material_reader **ret, struct app_material_content *ret_content,
                      struct err *e) WARN_UNUSED;
/* The chunk that holds byte @offset, from the loop: @piece begins at @offset and lives until the next call. One at a time. */
typedef void (*app_material_cb)(void *ctx, struct bytes piece, const struct err *e);
void app_read_material(struct app_material_reader *r, uint64_t offset, app_material_cb cb, void *ctx);
/* A reading under way ends without its callback. NULL is fine. */
void app_close_material(struct app_material_reader *r);

/* ---- erasure of a case's content (个人信息保护法第四十七条) ---- */

/* Legal basis of an erasure; the numbers stand in ledgers (FORMATS.md "Erasure"). */
#define APP_ERASE_BASES(X)                                                                                             \
    X(APP_BASIS_PURPOSE, 1, "purpose_achieved", "处理目的已实现、无法实现或者不再必要",                                \
      "个人信息保护法第四十七条第一项")                                                                                \
    X(APP_BASIS_RETENTION, 2, "retention_expired", "保存期限已届满", "个人信息保护法第四十七条第二项")                 \
    X(APP_BASIS_CONSENT, 3, "consent_withdrawn", "个人撤回同意", "个人信息保护法第四十七条第三项")                     \
    X(APP_BASIS_UNLAWFUL, 4, "unlawful", "违反法律、行政法规或者违反约定处理", "个人信息保护法第四十七条第四项")       \
    X(APP_BASIS_OTHER_LAW, 5, "other_law", "法律、行政法规规定的其他情形", "个人信息保护法第四十七条第五项")

enum app_erase_basis {
#define X(name, value, code, chinese, article) name = value,
    APP_ERASE_BASES(X)
#undef X
};

/* 0 for a code that is none. */
enum app_erase_basis app_erase_basis_of(const char *code);

enum app_erasure_state {
    APP_ERASURE_ORDERED = 1, /* not acknowledged yet */
    APP_ERASURE_DONE = 2,    /* keys and content destroyed there */
    APP_ERASURE_HELD = 3     /* kept there: on hold, or the case is still open for it */
};

struct app_erasure_view {
    uint8_t case_id[CASE_ID_SIZE];
    uint32_t node;
    const char *node_name;
    const char *state; /* "ordered", "done", "held" */
    const char *basis; /* code */
    const char *basis_chinese;
    const char *article;
    uint64_t at_ms;
    uint32_t origin; /* the ledger entry that says so */
    uint64_t index;
};

/* Destroys the case's keys and content here and orders the same of every other participant. Only the receiving or the
 * deciding node, only a case that has ended (case.erase-open), none on hold here (case.on-hold). Durable in the callback. What
 * this node has ordered already, on the same basis, is not ordered again: the first entry, replayed. */
void app_erase(struct app *a, const uint8_t case_id[CASE_ID_SIZE], enum app_erase_basis basis,
               const struct app_request *r, app_command_cb cb, void *ctx);
/* Puts a case on hold (查封、复议、诉讼、审计), or takes the hold off (@reason NULL): an erasure ordered meanwhile is then
 * done. @reason 1..128 bytes, no personal data: it is shown and logged. */
void app_hold(struct app *a, const uint8_t case_id[CASE_ID_SIZE], const char *reason, const struct app_request *r,
              app_command_cb cb, void *ctx);
/* Where the erasure of a case stands, a row per participant (none ordered: count 0), and the hold ("" = none). */
int app_get_erasure(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct arena *mem,
                    struct app_erasure_view **ret, size_t *ret_count, const char **ret_hold, struct err *e) WARN_UNUSED;
/* Every erasure that some participant has not done, at most @limit rows. */
int app_list_erasures(struct app *a, size_t limit, struct arena *mem, struct app_erasure_view **ret, size_t *ret_count,
                      struct err *e) WARN_UNUSED;

/* ---- reconciliation (对账) ---- */

#define APP_RECONCILE_NEVER 24u /* config.reconcile_hour: not by itself */

/* Of one peer in a run: value, word. */
#define APP_RECONCILE_STATES(X)                                                                                        \
    X(APP_RECONCILE_WAITING, "waiting")                                                                                \
    X(APP_RECONCILE_RUNNING, "running")                                                                                \
    X(APP_RECONCILE_DONE, "done")                                                                                      \
    X(APP_RECONCILE_FAILED, "failed") /* error says why; what was compared before counts */

enum app_reconcile_state {
#define X(name, word) name,
    APP_RECONCILE_STATES(X)
#undef X
};

struct app_reconcile_finding {
    uint8_t case_id[CASE_ID_SIZE];
    uint32_t peer;
    const char *peer_name;
    const char *cause, *repair, *text; /* words of node/reconcile.h */
    uint32_t origin;                   /* author of the entries that it is about, 0 = none */
    uint64_t first, last, count;
};
struct app_reconcile_peer {
    uint32_t code;
    const char *name, *state, *error;
    uint64_t compared, differing; /* cases that both take part in */
};
struct app_reconcile_view {
    const char *id;
    const char *state; /* "running", "done", "incomplete": done, but not with every peer */
    uint64_t started_ms, finished_ms;
    const struct app_reconcile_peer *peers;
    size_t peer_count;
    const struct app_reconcile_finding *findings; /* NULL in lists */
    size_t finding_count;
    uint64_t findings_dropped; /* more than are kept */
};
/* Compares the shared cases with @peer, 0 = with every member, and repairs what can be repaired. @key: Idempotency-Key or NULL. One
 * at a time (ERR_BUSY reconcile.running). */
int app_reconcile(struct app *a, uint32_t peer, const char *key, struct arena *mem, const char **ret_id,
                  struct err *e) WARN_UNUSED;
int app_get_reconcile(struct app *a, const char *id, struct arena *mem, struct app_reconcile_view *ret,
                      struct err *e) WARN_UNUSED;
/* Newest first. */
size_t app_list_reconciles(struct app *a, struct arena *mem, struct app_reconcile_view **ret);

/* ---- receipts ---- */

struct app_receipt {
    uint8_t case_id[CASE_ID_SIZE];
    uint32_t origin; /* author of the entry that is proven */
    uint64_t index;
    const char *act;     /* "submit", "accept", "decide", … */
    struct bytes proof;  /* C2SP tlog-proof text with the leaf */
    struct bytes policy; /* tlog-policy text to verify it with */
    uint64_t tree_size;
    size_t cosigned, needed, of; /* cosignatures on it; the quorum */
    bool is_final;               /* the quorum is there; otherwise the author's word and `cosigned` witnesses' */
};
/* @e code 0 on success: then @receipt, which lives until the callback returns. */
typedef void (*app_receipt_cb)(void *ctx, const struct app_receipt *receipt, const struct err *e);
/* The proof of the last effective event of type @act (0: 收件) of the case, out of the own ledger or, asked of its author, a
 * peer's. Waits up to @wait_ms for the quorum; without it the receipt is not final, or ERR_UNAVAILABLE-like (ERR_CLOSED
 * receipt.not-yet) when no checkpoint over it is there at all. Returns a ticket for app_receipt_cancel(). */
uint64_t app_get_receipt(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint16_t act, uint32_t wait_ms,
                         app_receipt_cb cb, void *ctx);
void app_receipt_cancel(struct app *a, uint64_t ticket);

/* The member list in force: names for a receipt's page. Borrowed until the loop runs on. */
const struct members *app_members(const struct app *a);

/* ---- the ledger for public tools (C2SP tlog-tiles, tlog-witness) ---- */

/* The newest own checkpoint with a quorum of cosignatures; without one, the newest signed one. */
int app_cosigned_checkpoint(struct app *a, struct arena *mem, struct bytes *ret_note, struct err *e) WARN_UNUSED;
/* Tile (@level, @number), @width hashes (1..256, 256 = full): 32 * width bytes. @level -1: entry bundle, each be16 length and
 * leaf. ERR_NOT_FOUND when the sealed ledger does not reach that far. */
int app_read_tile(struct app *a, int level, uint64_t number, unsigned width, struct arena *mem, struct bytes *ret,
                  struct err *e) WARN_UNUSED;
/* add-checkpoint of C2SP tlog-witness: @status is the HTTP status, body and type the answer; they live until the callback returns.
 * Known logs: the members' and those of the configured policy. */
typedef void (*app_witness_cb)(void *ctx, unsigned status, const char *type, struct bytes body);
void app_add_checkpoint(struct app *a, struct bytes body, app_witness_cb cb, void *ctx);
/* What this node has cosigned last of the log whose origin has this SHA-256 (hex), with its cosignature. */
int app_witnessed_checkpoint(struct app *a, const char *origin_hash, struct arena *mem, struct bytes *ret_note,
                             struct err *e) WARN_UNUSED;
/* The tlog-policy text that this node's receipts satisfy. */
int app_policy(struct app *a, struct arena *mem, struct bytes *ret, struct err *e) WARN_UNUSED;

struct app_witness_view { /* who cosigns the own ledger */
    uint32_t code;        /* 0: an external witness */
    const char *name;     /* of the member, or of the external witness's key */
    const char *url;      /* of an external witness; NULL for a member */
    bool up;
    uint64_t size;   /* last one it cosigned of ours, 0 = unknown */
    uint64_t time_s; /* by its clock */
    const char *last_error;
};
int app_list_witnesses(struct app *a, struct arena *mem, struct app_witness_view **ret, size_t *ret_count,
                       uint64_t *ret_final_size, struct err *e) WARN_UNUSED;

struct app_evidence_view {
    uint32_t accused;
    const char *accused_name;
    uint64_t common_size; /* its entries from here on are disputed and count for nothing */
    uint32_t origin;      /* whose ledger holds the evidence */
    uint64_t index;
    struct bytes evidence; /* FORMATS.md "Evidence"; empty when not held */
};
int app_list_evidence(struct app *a, struct arena *mem, struct app_evidence_view **ret, size_t *ret_count,
                      struct err *e) WARN_UNUSED;

/* ---- backup ---- */

struct app_backup_result {
    char path[512]; /* of ledger.db's copy */
    uint64_t bytes, ledger_size, elapsed_ms;
};
typedef void (*app_backup_cb)(void *ctx, const struct app_backup_result *result, const struct err *e);
/* Copies ledger.db (or, with @keys, keys.db) to the new file @path on a worker while the node works. @path is absolute; its
 * folder must exist. One at a time (ERR_BUSY app.backup-running). */
void app_backup(struct app *a, const char *path, bool keys, app_backup_cb cb, void *ctx);

/* ---- queries ---- */

enum app_content {
    APP_CONTENT_NONE, /* the event has none */
    APP_CONTENT_SHOWN,
    APP_CONTENT_NO_KEY, /* sealed; its key has not arrived yet and is being asked for */
    APP_CONTENT_ERASED
};

struct app_case_event_view {
    uint32_t origin;
    uint64_t index;
    uint8_t id[32]; /* leaf hash */
    uint64_t at_ms; /* author's clock (hlc) */
    uint16_t type;
    uint16_t role;
    const char *effect;      /* "ok", "denied", "guard", "late", "noop", "pending" (parents missing) */
    const char *explanation; /* one sentence, English with the Chinese term */
    bool sequenced;          /* in the lead's prefix: final */
    struct case_event attrs; /* parsed attributes */
    struct bytes payload;    /* JSON with identity numbers and names masked; empty when none or not readable */
    uint8_t content;         /* enum app_content */
};

struct app_due_view {
    const char *kind;    /* "decide" */
    const char *chinese; /* "决定" */
    const char *source;  /* article; "" in lists */
    const char *colour;  /* "green", "yellow", "red" */
    uint32_t from, due;  /* yyyymmdd; due 0 while a special procedure runs */
    uint32_t met;        /* yyyymmdd, 0 = not yet */
    uint32_t days, stopped_days;
    uint8_t unit;      /* enum case_unit */
    int32_t days_left; /* of its unit, negative: too late; 0 when met or stopped. Not in lists */
    bool is_stopped, is_provisional;
};

struct app_case_part_view { /* a part of 多地联办 or of a bundle */
    uint8_t case_id[CASE_ID_SIZE];
    uint8_t decision; /* enum case_part_end; 0 = open. As it stands here, also where the whole cannot be told of it */
    uint8_t noted;    /* what the whole's own events say */
    const char *status_name; /* as it stands here; NULL: the part is not held here */
};

struct app_progress { /* of a case that has parts: how many have ended how, and what that comes to */
    size_t open, granted, denied, lapsed;
    bool is_over;                /* the whole: it takes no part any more */
    const char *state, *chinese; /* "parts_open" 分件办理中 */
};

struct app_custody_view {
    uint32_t node;
    uint64_t since_ms;
    uint16_t type; /* enum case_event_type: the event that brought it there */
};

struct app_case_view {
    uint8_t case_id[CASE_ID_SIZE];
    char number[64];
    char item_code[48];
    char item_name[301];
    uint32_t receiving, lead, division;
    uint16_t status;
    const char *status_name;    /* "accepted" */
    const char *status_chinese; /* "受理" */
    const char *level_name;     /* "tentative" or "sequenced" (witnessed and served come later) */
    uint8_t mode;
    uint32_t item_version;     /* the case was made under, and stays under; 0: not said */
    uint32_t item_version_now; /* published now; 0: withdrawn or not held. Filled by app_get_case() only */
    bool contested, frozen;
    uint64_t created_ms, updated_ms;
    uint32_t event_count;
    uint32_t pending_count;
    uint8_t digest[32]; /* equal on every node that holds the same events */
    uint64_t version;   /* grows with each change seen by this node: for app_watch */
    bool has_due;
    struct app_due_view due; /* what is due next; in lists and views */
    /* not in lists */
    uint8_t status_number;                /* for other systems: case_status_number() */
    const struct app_due_view *deadlines; /* all that ran or run */
    size_t deadline_count;
    uint32_t flags; /* enum case_flag */
    uint8_t grade, grade_deciding;
    uint16_t extend_days, lacking_days;
    uint8_t terms; /* enum case_term: what the item is and allows, as 签收 says */
    bool has_limits;
    uint8_t limits[CASE_LIMITS_SIZE];
    bool has_parent;
    uint8_t parent[CASE_ID_SIZE];
    const struct app_case_part_view *parts;
    size_t part_count;
    struct app_progress progress;
    const struct app_custody_view *custody; /* who held the case, in order */
    size_t custody_count;
    const struct app_case_event_view *events; /* in fold order; NULL in lists */
    size_t events_listed;
};

struct app_case_filter {
    const char *status;    /* status_name, NULL = any */
    const char *role;      /* "receiving", "deciding" or NULL: this node's part in it */
    const char *item_code; /* NULL = any */
    bool overdue;          /* past due today, the longest first; with @role only, and @before counts rows */
    uint64_t before;       /* page */
    size_t limit;          /* 1..LIST_ROWS_MAX */
};
struct app_case_list {
    struct app_case_view *rows;
    size_t count;
    uint64_t next_before; /* 0 = no more */
};

/* @ref: 32 hex digits, a unique prefix of at least 8, or the case number (办件编码). */
int app_find_case(struct app *a, const char *ref, uint8_t ret_case_id[CASE_ID_SIZE], struct err *e) WARN_UNUSED;
/* How an applicant may appeal against what the case's item led to (行政复议、行政诉讼): as the item says, else as the law
 * says. One text, in @mem. */
int app_case_remedies(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct arena *mem, const char **ret,
                      struct err *e) WARN_UNUSED;
/* 容缺受理: fills in what the case's item says of each material in @list: its name, its form, and where none is given its days,
 * which are @days, or with 0 all that the item allows. Texts in @mem. ERR_INVALID "case.lacking-material": no material of the item,
 * not one that may come later, or named twice; "case.lacking-days": nothing limits it. Whether the days are too many is
 * said by app_append(). */
int app_case_lacking(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint32_t days, struct arena *mem,
                     struct app_lacking *list, size_t count, struct err *e) WARN_UNUSED;
/* The last day of each in @list, its days after the day @accepted, by the calendar of the case's deciding node. */
void app_case_last_days(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint32_t accepted, struct app_lacking *list,
                        size_t count);
int app_get_case(struct app *a, const uint8_t case_id[CASE_ID_SIZE], struct arena *mem, struct app_case_view *ret,
                 struct err *e) WARN_UNUSED;
/* The view's version alone: grows with each committed event of the case. UINT64_MAX when it cannot be read: whoever waits then
 * asks and is told. */
uint64_t app_case_version(struct app *a, const uint8_t case_id[CASE_ID_SIZE]);
/* With no more than the last @last of its events: each costs reads and the opening of its content. */
int app_get_case_last(struct app *a, const uint8_t case_id[CASE_ID_SIZE], size_t last, struct arena *mem,
                      struct app_case_view *ret, struct err *e) WARN_UNUSED;
/* The unmasked content of one event, for the clerk who handles the case. @purpose (1..128 bytes, why it is read) goes to
 * the log with the case id; the content never does. */
int app_get_payload(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint32_t origin, uint64_t index,
                    const char *purpose, struct arena *mem, struct bytes *ret, struct err *e) WARN_UNUSED;
int app_list_cases(struct app *a, const struct app_case_filter *f, struct arena *mem, struct app_case_list *ret,
                   struct err *e) WARN_UNUSED;

struct app_calendar_day {
    uint32_t date; /* yyyymmdd */
    bool is_working;
};
struct app_calendar_view {
    uint32_t node, division, year;
    bool is_published;   /* by the node; else the national table */
    bool is_provisional; /* nobody knows that year yet: weekends */
    uint32_t working_days;
    struct app_calendar_day days[128]; /* that differ from their weekday */
    size_t day_count;
};
/* How node @node (0 = this one) counts the days of @year for @division (0 = for all of it). */
int app_get_calendar(struct app *a, uint32_t node, uint32_t division, uint32_t year, struct app_calendar_view *ret,
                     struct err *e) WARN_UNUSED;
/* Publishes the days off of this node, or (@division not 0) of one of its divisions: @days is the JSON of catalog/calendar.h.
 * Open deadlines are made again here and at every node that holds the cases. */
void app_import_calendar(struct app *a, uint32_t division, struct bytes days, app_command_cb cb, void *ctx);

struct app_publicity_view {
    uint8_t case_id[CASE_ID_SIZE];
    uint32_t due; /* yyyymmdd, the last day */
    bool is_late;
};
/* Licences that this node has granted and not made public yet (双公示), by case id, those behind @after (NULL: from the first). */
int app_list_publicities(struct app *a, const uint8_t *after, size_t limit, struct arena *mem,
                         struct app_publicity_view **ret, size_t *ret_count, struct err *e) WARN_UNUSED;

/* Calls @cb once when the case's version is above @after_version, or after @timeout_ms (changed = false). Returns a
 * ticket for app_unwatch(), which guarantees that @cb is not called any more. */
typedef void (*app_watch_cb)(void *ctx, bool changed);
uint64_t app_watch(struct app *a, const uint8_t case_id[CASE_ID_SIZE], uint64_t after_version, uint32_t timeout_ms,
                   app_watch_cb cb, void *ctx);
void app_unwatch(struct app *a, uint64_t ticket);

struct app_item_view {
    uint32_t node;
    const char *node_name;
    const char *code;
    const char *name;
    uint32_t version;
    bool withdrawn;
    struct bytes json; /* as published */
};
struct app_item_filter {
    uint32_t node;          /* 0 = every node */
    const char *text;       /* NULL = any */
    const char *after_code; /* page */
    uint32_t after_node;
    size_t limit;
};
int app_list_items(struct app *a, const struct app_item_filter *f, struct arena *mem, struct app_item_view **ret,
                   size_t *ret_count, struct err *e) WARN_UNUSED;
/* @node 0: the only node that publishes @code, ERR_CONFLICT when several do. */
int app_get_item(struct app *a, uint32_t node, const char *code, struct arena *mem, struct app_item_view *ret,
                 struct err *e) WARN_UNUSED;

struct app_route_question {
    const char *item;  /* code or basic code */
    uint32_t division; /* of the matter; an abolished one leads to its successor */
    uint32_t date;     /* yyyymmdd; 0: today in China */
    uint32_t level;    /* 行使层级; 0: any */
};
struct app_route_step {
    const char *rule, *source, *text;
    bool passed; /* false: it left something out */
};
struct app_route {
    uint32_t node; /* who decides; 0: nobody is known to */
    const char *node_name, *code, *name, *department;
    uint32_t item_division, level;
    uint32_t division; /* of today */
    const char *division_name;
    uint32_t date;
    const struct app_route_step *steps;
    size_t step_count;
};
/* Who decides, and why: one step for the division and one for each published item that came into question (catalog/route.h).
 * ERR_NOT_FOUND "route.division". */
int app_explain_route(struct app *a, const struct app_route_question *q, struct arena *mem, struct app_route *ret,
                      struct err *e) WARN_UNUSED;

struct app_search {
    const char *text;       /* NULL: by the others alone */
    uint32_t node;          /* 0: of every node */
    uint32_t region;        /* 0: any; else what a division's people can apply for, and what lies in it */
    const char *life_event; /* 生活事件; NULL: any */
    uint64_t after_id;      /* page: behind the hit with this id and step; 0: the first */
    uint32_t after_step;
    size_t limit; /* 1 to 100 */
};
struct app_search_hit {
    struct app_item_view item;
    uint32_t step;     /* for the next page; */
    uint64_t id;       /* 0: there is none */
    const char *match; /* code, start, name, words, similar, filter: how it was found, best first */
};
/* Items of all nodes by name, part of a name, pinyin, initials, codes and more; best first. ERR_INVALID / ERR_LIMIT
 * "search.text". */
int app_search_items(struct app *a, const struct app_search *s, struct arena *mem, struct app_search_hit **ret,
                     size_t *ret_count, struct err *e) WARN_UNUSED;

/* An item as it was published under @version: cases keep the version they were made under. ERR_NOT_FOUND
 * "store.no-item-version". */
int app_get_item_version(struct app *a, uint32_t node, const char *code, uint32_t version, struct arena *mem,
                         struct app_item_view *ret, struct err *e) WARN_UNUSED;
struct app_item_version_view {
    uint32_t version;
    uint64_t index; /* entry of the node's ledger */
    bool withdrawn;
};
/* Newest first. */
int app_list_item_versions(struct app *a, uint32_t node, const char *code, struct arena *mem,
                           struct app_item_version_view **ret, size_t *ret_count, struct err *e) WARN_UNUSED;

/* ---- app_import.c: the own catalog, changed while the node runs ---- */

struct import_problem;
struct app_import {
    struct bytes file; /* copied */
    int format;        /* enum import_format */
    bool replace;      /* items that are not in the file are withdrawn; false: they stay */
    bool publish;      /* false: only the report */
};
/* One item that publishing adds, changes or withdraws. */
struct app_item_change {
    const char *code, *name;
    uint32_t version_before; /* 0: it is new */
    uint32_t version_after;
    const char *fields;                  /* changed ones, ", " between */
    struct item_differences differences; /* of a changed item, as many as limits.h lets a report have */
    uint32_t
        cases; /* taken in for the version before and not accepted yet, as far as known here (at most LIST_ROWS_MAX) */
};
struct app_import_result {
    const struct import_problem *problems;
    size_t problem_count, problem_total;
    size_t item_count; /* in the file */
    const struct app_item_change *added, *changed, *withdrawn;
    size_t added_count, changed_count, withdrawn_count, unchanged_count;
    uint32_t version; /* of the catalog: in force, or, of a mere report, what it would be */
    bool published;
};
/* @result lives until @cb returns. One import at a time: ERR_BUSY "catalog.import-running". Problems in the file are no
 * error: they are in the result, and nothing is published. An error after a part has been published
 * ("catalog.import-partly") says how much; the same import again does the rest. */
typedef void (*app_import_cb)(void *ctx, const struct app_import_result *result, const struct err *e);
void app_import(struct app *a, const struct app_import *i, app_import_cb cb, void *ctx);

/* 事项状态 of an own item, as a new version of it: 在用, 暂停 or 取消. */
void app_set_item_status(struct app *a, const char *code, const char *status, app_import_cb cb, void *ctx);

/* The own published catalog as a file of @format (enum import_format); @empty: a template without items. @file lives until
 * @cb returns. */
typedef void (*app_export_cb)(void *ctx, struct bytes file, const struct err *e);
void app_export_catalog(struct app *a, int format, bool empty, app_export_cb cb, void *ctx);

struct app_peer_view {
    uint32_t code;
    const char *name;
    const char *url;
    const char *state;       /* "connected", "connecting", "lost", "frozen" */
    const char *reason;      /* of the last loss, "" */
    uint64_t since_ms;       /* wall time of the last change of state */
    uint64_t held_size;      /* of its ledger, verified and durable here */
    uint64_t known_size;     /* its last signed size seen */
    uint64_t acked_size;     /* of our ledger, durable there */
    uint64_t backlog;        /* our entries addressed to it that it has not acknowledged */
    uint64_t confirmed_size; /* of held_size: confirmed by its heads leaf that nothing was left out */
    bool disputed;           /* its ledger contradicts itself: see app_list_evidence() */
    uint64_t leaves_per_s;   /* while a long backlog of it is being taken; 0 = none */
    uint64_t seconds_left;   /* of that, at this rate */
    uint64_t last_heard_ms;
    int64_t clock_skew_ms; /* its clock minus ours, from the last hello; INT64_MIN = unknown */
    uint32_t item_count;   /* published items held */
    const char *version;   /* its software, "" */
};
int app_list_peers(struct app *a, struct arena *mem, struct app_peer_view **ret, size_t *ret_count,
                   struct err *e) WARN_UNUSED;

struct app_alarm_view { /* something that people must look at, since the start */
    const char *id;     /* stable: node/ERRORS.md */
    uint32_t about;     /* node; 0 = this one */
    const char *about_name;
    const char *text; /* of the last time */
    uint64_t count;
    uint64_t first_ms, last_ms;
};
/* Newest first; one row per id and node. */
int app_list_alarms(struct app *a, struct arena *mem, struct app_alarm_view **ret, size_t *ret_count,
                    struct err *e) WARN_UNUSED;

struct app_status_view {
    uint32_t code;
    const char *name;
    const char *federation;
    const char *origin; /* name of the own ledger */
    const char *version;
    uint64_t started_ms;
    uint64_t ledger_size; /* durable and sealed */
    uint64_t case_count;
    uint32_t item_count;
    uint32_t peer_count, peer_connected;
    uint64_t certificate_not_after_s;
    const char *writer;                /* "ok", "stopped: <reason>" or "recovering: <how far>" */
    uint64_t final_size;               /* of ledger_size: under a quorum of cosignatures */
    uint32_t erasures_open;            /* participants that have not acknowledged an erasure */
    uint64_t commits, entries_written; /* since start */
    uint64_t rss_bytes;
    uint32_t alarm_count;
};
void app_status(struct app *a, struct arena *mem, struct app_status_view *ret);

/* The last signed checkpoint of the own ledger (@origin 0) or as held of a peer, C2SP note text. */
int app_checkpoint(struct app *a, uint32_t origin, struct arena *mem, struct bytes *ret_note,
                   struct err *e) WARN_UNUSED;
/* One stored ledger entry with its leaf decoded into text by the caller. */
struct app_entry_view {
    uint32_t origin;
    uint64_t index;
    uint8_t hash[32];
    struct bytes leaf;
    bool payload_held;
    size_t payload_size;
};
int app_get_entry(struct app *a, uint32_t origin, uint64_t index, struct arena *mem, struct app_entry_view *ret,
                  struct err *e) WARN_UNUSED;
/* Entries [from, from+limit) of @origin (0 = own) that are held here. */
int app_list_entries(struct app *a, uint32_t origin, uint64_t from, size_t limit, struct arena *mem,
                     struct app_entry_view **ret, size_t *ret_count, struct err *e) WARN_UNUSED;

/* Recomputes the own tree and every replica from the stored bytes, the checkpoint signatures, the folds. Runs on a
 * worker; @cb on the loop thread. @e names the first thing that is wrong. */
struct app_verify_result {
    uint64_t own_leaves, replica_leaves, cases, payloads;
    uint64_t elapsed_ms;
    uint8_t root[32];
};
typedef void (*app_verify_cb)(void *ctx, const struct app_verify_result *result, const struct err *e);
void app_verify(struct app *a, app_verify_cb cb, void *ctx);

/* Whole text of /metrics (Prometheus text format 0.0.4). */
void app_metrics(struct app *a, struct buf *ret);

#endif
