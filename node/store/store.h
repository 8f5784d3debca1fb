/* Store: everything a node keeps on disk, behind one interface. The only folder with SQL.
 *
 * Three databases in the node's folder: `ledger.db` (own ledger, replicas of peers' ledgers, cases, catalogs),
 * `heads.db` (the largest checkpoint ever signed and, of each other ledger, the largest ever cosigned; changed by
 * compare-and-swap only, never restored from a backup) and `keys.db` (the keys of cases: what is deleted there makes a
 * case's content unreadable for ever, so its backups must not outlive the keys).
 *
 * One `struct store` writes; it is used by one thread at a time (the writer thread). A write is a `store_batch`: one
 * transaction, all or nothing, durable when store_commit() returns 0 (WAL, synchronous=FULL). Any number of
 * `struct store_reader` read, one per thread; each sees the last committed batch and never blocks the writer.
 *
 * Node codes are mapped to small slots inside (table `node`), so that an entry's row id is slot << 40 | index and
 * each ledger is one dense run in the B-tree. No SQLite type appears here; another engine can stand behind it.
 *
 * Errors: ERR_IO / ERR_FULL / ERR_BUSY / ERR_INTERNAL of a write (the handle must be closed and opened again; whether
 * the batch is there, whole or not at all, is known only then), ERR_CORRUPT (stored bytes fail a check; every row that
 * is read is checked), ERR_NOT_FOUND where said, ERR_CONFLICT where said, ERR_LIMIT / ERR_INVALID (refused before
 * anything was written). Messages name the table and key.
 */
#ifndef TB_STORE_STORE_H
#define TB_STORE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/base/arena.h"
#include "node/base/bytes.h"

#define STORE_NODE_EVERYONE 0u /* recipient 0: the public stream of a ledger */
#define STORE_NODE_HEADS 1u    /* inside the store only: heads leaves, numbered like what is addressed to a recipient */
#define STORE_CASE_ID_SIZE 16

/* One ledger entry, own or replicated. */
struct store_entry {
    uint32_t origin;      /* author's node code */
    uint64_t index;       /* position in its ledger, < 2^40 */
    uint8_t hash[32];     /* leaf hash, SHA-256(0x00 || leaf): stored beside the bytes, compared always */
    struct bytes leaf;    /* the signed bytes, verbatim */
    struct bytes payload; /* what ct_hash covers; empty when none or not held */
    bool payload_held;    /* false: hash only (destroyed, or not a participant) */
    bool has_case;
    uint8_t case_id[STORE_CASE_ID_SIZE];
    uint64_t stored_ms; /* wall time of storing at this node; for people, never for rules */
};

/* Own leaf @index is addressed to @recipient with @seq (contiguous per recipient from 1). */
struct store_addressed {
    uint32_t recipient; /* node code or STORE_NODE_EVERYONE */
    uint64_t index;
    uint64_t seq;
};

/* Full tile of the own tree (C2SP tlog-tiles, height 8): 256 hashes. Written once. */
struct store_tile {
    uint8_t level;
    uint64_t number;
    const uint8_t *hashes; /* 8192 bytes */
};

/* How far a peer's ledger is held. */
struct store_replica {
    uint32_t origin;
    uint64_t size;         /* cursor: leaves [0,size) are verified */
    struct bytes frontier; /* crange_encode() of [0,size) */
    uint64_t seq_me;       /* last contiguous seq addressed to this node */
    uint64_t seq_public;
    struct bytes note;   /* last verified checkpoint, as received */
    uint64_t note_size;  /* its tree size, >= size */
    uint64_t checked_ms; /* wall time of the last verified answer */
    struct bytes
        confirmed; /* crange_encode() of the range behind the last heads leaf that confirmed it; empty = none yet */
    uint64_t confirmed_seq_me, confirmed_seq_public;
};

/* What a peer has acknowledged of the own ledger: its cursor, durable there. */
struct store_ack {
    uint32_t peer;
    uint64_t size;
    uint64_t at_ms;
};

/* Row of a case: the fold's result, derivable from the entries. */
struct store_case {
    uint8_t case_id[STORE_CASE_ID_SIZE];
    char number[64]; /* 办件编码, "" until the deciding node assigned it */
    char item_code[48];
    char item_name[301];
    uint32_t receiving; /* node codes */
    uint32_t lead;
    uint32_t division; /* applicant's home division, 6 digits */
    uint16_t status;   /* enum case_status (node/cases) */
    uint8_t level;     /* enum case_level */
    uint8_t flags;
    uint32_t event_count;
    uint64_t created_ms; /* from hlc of the root */
    uint64_t updated_ms; /* from hlc of the newest event */
    uint8_t digest[32];  /* state digest, equal on every node that holds the same events */
};

/* Published item, own or a peer's: newest per (node, code), that is the one with the highest ledger index; one that is
 * older than the stored one is left out without an error. */
/* What an item is found by besides its name (catalog/search_text.h). */
struct store_item_search {
    const char *words, *pinyin, *codes, *events, *region;
};
struct store_item {
    uint32_t node;
    char code[48];
    char name[301];
    uint32_t version;
    uint64_t index; /* ledger position of the publishing entry */
    bool withdrawn;
    struct bytes json;                      /* canonical bytes as published */
    const struct store_item_search *search; /* writing only; NULL: it is not found by searching */
};

/* One publication of an item: which version, in which entry of its node's ledger. */
struct store_item_version {
    uint32_t version;
    uint64_t index;
    bool withdrawn;
};

/* A publication of a bundle (一件事), or its withdrawal. Inserted or replaced by (node, code, index). */
struct store_bundle {
    uint32_t node;
    char code[48];
    uint64_t index; /* ledger position of the entry, which has the bundle itself */
    uint32_t version;
    bool withdrawn;
    uint8_t status;                /* enum catalog_status */
    uint32_t valid_from, valid_to; /* yyyymmdd, 0: not bounded */
    char name[301];
    char life_event[301];
    /* What it is found by besides; NULL: nothing. Read by store_read_bundle() only. */
    const char *pinyin; /* readings of name and life event (catalog/search_text.h) */
    const char *nodes;  /* codes of those that its members name, separated by blanks */
};

/* Idempotency-Key, kept for ever. */
struct store_request {
    uint8_t key_hash[32];  /* SHA-256 of client-visible key, see node/http */
    uint8_t body_hash[32]; /* SHA-256 of method, path and body */
    uint8_t case_id[STORE_CASE_ID_SIZE];
    uint64_t first_index; /* own entries it made: [first_index, first_index + count) */
    uint32_t count;
};

/* Named counters, e.g. serial numbers per item and day. */
struct store_counter {
    char name[80];
    uint64_t value;
};

/* The largest head of another ledger that this node has cosigned: heads.db, by compare-and-swap from (old_size, old_root);
 * an origin never cosigned has size 0 and the empty tree's root. */
struct store_witness {
    char origin[201];
    uint64_t old_size;
    uint8_t old_root[32];
    uint64_t size;
    uint8_t root[32];
    struct bytes note; /* as cosigned, without cosignatures of others */
};

/* A signed note kept under a name, e.g. the own newest checkpoint with a quorum of cosignatures ("cosigned"). */
struct store_note {
    char name[240];
    uint64_t size; /* tree size it speaks of */
    struct bytes note;
};

/* A case's key: keys.db. The same row again is no error; another key for (case, epoch) is ERR_CONFLICT. */
struct store_key {
    uint8_t case_id[STORE_CASE_ID_SIZE];
    uint32_t epoch;
    uint8_t key[32];
    uint64_t created_ms;
};

/* Where the erasure of a case's content stands at one participant. Inserted or replaced by (case_id, node). */
struct store_erasure {
    uint8_t case_id[STORE_CASE_ID_SIZE];
    uint32_t node;
    uint8_t state;  /* enum app_erasure_state */
    uint16_t basis; /* row of the table of legal bases */
    uint64_t at_ms;
    uint32_t origin; /* the ledger entry that says so */
    uint64_t index;
};

/* Keeps a case's content from being erased here (行政复议, 诉讼, 审计). */
struct store_hold {
    uint8_t case_id[STORE_CASE_ID_SIZE];
    uint64_t since_ms; /* 0: the hold is taken off */
    char reason[129];
};

/* An author has contradicted itself: everything of it from common_size on is disputed. Inserted by (accused, origin, index). */
struct store_evidence {
    uint32_t accused;
    uint64_t common_size;
    uint32_t origin; /* the evidence leaf */
    uint64_t index;
};

/* What proves the entries of one verified batch of a peer (federation/ledger/cover.h). Inserted or replaced by (origin, from). */
struct store_cover {
    uint32_t origin;
    uint64_t from;      /* where the batch begins */
    uint64_t size;      /* of the tree that the note signs */
    struct bytes parts; /* up to STORE_COVER_BYTES_MAX */
    struct bytes note;  /* signed checkpoint */
};
#define STORE_COVER_BYTES_MAX (512u << 10)

/* The proof of one peer's entry that came outside its batches. Inserted or replaced by (origin, index). */
struct store_proof {
    uint32_t origin;
    uint64_t index;
    uint64_t size;       /* of the tree that the note signs */
    struct bytes hashes; /* inclusion proof, 32 bytes each */
    struct bytes note;
};

/* A case whose earlier entries are being asked for. */
struct store_pull {
    uint8_t case_id[STORE_CASE_ID_SIZE];
    uint64_t since_ms; /* 0: not any more */
};

/* A second leaf at a place where another one is held: its author signed two histories, and events of the case cite this one.
 * Read with the case's entries, without payload. Inserted by (case, origin, index, hash). */
struct store_fork {
    uint8_t case_id[STORE_CASE_ID_SIZE];
    uint32_t origin;
    uint64_t index;
    uint8_t hash[32];
    struct bytes leaf;
};

/* Content to be destroyed: the keys of the case, the payloads of all entries of the case, the body hashes of its
 * requests (they cover personal data). They are overwritten with zeros where they stand, and after the commit both databases'
 * write-ahead logs are emptied, so that the bytes stand in no file of the node any more. A reader in the middle of reading
 * holds a log up: the commit is done all the same, and later ones, or the next opening, empty it when the reader has ended. */
struct store_destroy {
    uint8_t case_id[STORE_CASE_ID_SIZE];
};

/* Entry @index of @origin's ledger adds a file to a case (FORMATS.md, "Files"). Inserted by (case, file, origin). Goes with the case's
 * content: destroying that takes these rows away, and none comes for an erased case. */
struct store_file {
    uint8_t case_id[STORE_CASE_ID_SIZE];
    uint8_t file[32];
    uint32_t origin;
    uint64_t index;
    bool is_wanted; /* kept as wanted from its author until a holder row settles it */
};

/* Node @node holds all of a file; @state 0 takes the row away. Kept only of a file that a case holds. */
struct store_file_holder {
    uint8_t file[32];
    uint32_t node;
    uint8_t state; /* enum app_scan (node/app.h), the owner's; never 0 in a row */
    bool settles;  /* not in the row: the file is not wanted any more */
    bool keeps;    /* not in the row: one that is there stays as it is */
    bool has_mark; /* of the owner's row: of what was scanned */
    uint8_t mark[32];
    uint64_t at_ms;
};

/* One transaction of ledger.db. Everything is borrowed until store_commit() returns. Order of becoming durable: keys (their own
 * transaction in keys.db, first, so that no entry is there whose key is not); then entries, addressed, tiles, replicas, acks,
 * cases, items, requests, counters, notes, erasures, holds, evidence, destroy; then the destroyed keys (keys.db); then
 * witnesses (one transaction of heads.db, begun and compared before all others). A refusal leaves nothing of any of them. A
 * crash between them leaves a key too many, never one too few, or the batch without its witness rows; a destruction that a
 * crash cut short is repeated by store_open().
 *
 * A case with an erasure row of this node in state STORE_ERASURE_DONE has no key and no payload: the row destroys them even
 * without a row in @destroys, and what comes for the case later is stored without payload, its keys not at all. */
#define STORE_ERASURE_DONE 2u
/* The deadline that a case meets next (node/cases/deadline.h), replaced by case_id; due 0 = none: the row goes. Derived from
 * entries and a calendar; made again when either changes. */
struct store_due {
    uint8_t case_id[STORE_CASE_ID_SIZE];
    uint32_t due;  /* yyyymmdd */
    uint32_t warn; /* yyyymmdd */
    uint32_t lead; /* deciding node */
    uint8_t kind;  /* enum deadline_kind */
    bool is_provisional;
};

/* A licence decision of this node that is to be made public (双公示), until it is; due 0: it is done, the row goes. Derived
 * from entries and a calendar. */
struct store_publicity {
    uint8_t case_id[STORE_CASE_ID_SIZE];
    uint32_t due; /* yyyymmdd, the last day */
};

struct store_batch {
    const struct store_entry *entries;
    size_t entry_count;
    const struct store_addressed *addressed;
    size_t addressed_count;
    const struct store_tile *tiles;
    size_t tile_count;
    const struct store_replica *replicas;
    size_t replica_count;
    const struct store_ack *acks;
    size_t ack_count;
    const struct store_case *cases; /* inserted or replaced by case_id */
    size_t case_count;
    const struct store_item *items;
    size_t item_count;
    const struct store_bundle *bundles;
    size_t bundle_count;
    const struct store_request *requests;
    size_t request_count;
    const struct store_counter *counters;
    size_t counter_count;
    const struct store_key *keys;
    size_t key_count;
    const struct store_note *notes;
    size_t note_count;
    const struct store_erasure *erasures;
    size_t erasure_count;
    const struct store_hold *holds;
    size_t hold_count;
    const struct store_evidence *evidences;
    size_t evidence_count;
    const struct store_cover *covers;
    size_t cover_count;
    const struct store_proof *proofs;
    size_t proof_count;
    const struct store_pull *pulls;
    size_t pull_count;
    const struct store_fork *forks;
    size_t fork_count;
    const struct store_due *dues;
    size_t due_count;
    const struct store_publicity *publicities;
    size_t publicity_count;
    const struct store_destroy *destroys;
    size_t destroy_count;
    const struct store_file *files;
    size_t file_count;
    const struct store_file_holder *file_holders;
    size_t file_holder_count;
    const struct store_witness *witnesses;
    size_t witness_count;
};

struct store;
struct store_reader;

/* Opens or creates the databases in the existing folder @dir for node @self (not 0); runs migrations; refuses a
 * database of a newer schema or a file of another kind (ERR_UNSUPPORTED), of another node (ERR_CONFLICT), or one opened
 * for writing by another handle or process (ERR_BUSY, names the pid). */
int store_open(const char *dir, uint32_t self, struct store **ret, struct err *e) WARN_UNUSED;
void store_close(struct store *s); /* NULL is fine; checkpoints the WAL */

/* Applies @b in one transaction and makes it durable. Refusals, after which nothing is written and the handle goes on:
 * ERR_CONFLICT when an entry with the same (origin, index) but other bytes, a tile with other hashes or a request key
 * exists, an addressed seq is not the next, a case has another key, or a witness row is not where the batch thinks;
 * ERR_INVALID when an own entry would leave a gap, a hash is not its leaf's, or something addressed is not in the ledger;
 * ERR_LIMIT. The same entry, addressed row, tile or key again is no error; an entry that comes again with the payload that was
 * not held gets it.
 * After any other error the handle refuses further commits (ERR_IO, "store.stopped"). */
int store_commit(struct store *s, const struct store_batch *b, struct err *e) WARN_UNUSED;

/* Writes zeros behind the end of ledger.db's write-ahead log, up to the length that it reaches by itself: an fdatasync that makes
 * a file longer waits for the file system's journal as well as for the data. 12 MiB, nothing when less than 1 GiB is free;
 * what fails only leaves the log shorter. The writer's thread, between commits. */
void store_reserve_log(struct store *s);

/* Copies ledger.db's write-ahead log back into it beside the commits. From store_log_open() on no commit of @s does it any more:
 * when the log has STORE_LOG_PAGES, somebody has to. Open it on the writer's thread, close it before the store. */
#define STORE_LOG_PAGES 1000u /* of 8 KiB; also when nobody does it beside */
struct store_log;
int store_log_open(struct store *s, struct store_log **ret, struct err *e) WARN_UNUSED;
void store_log_close(struct store_log *l); /* NULL is fine */
/* The writer's thread: how long the log was after the last commit. It begins anew with the first commit after all of it was copied,
 * unless somebody is reading from it then. */
uint32_t store_log_pages(const struct store *s);
/* Another thread, one at a time: copies what is committed when it is called and makes that durable; commits go on meanwhile. *ret_pages: how many
 * pages the log had more than at the call before, 0 when it has begun anew or the writer is in the way. Any error leaves the log as it is. */
int store_log_copy(struct store_log *l, uint32_t *ret_pages, struct err *e) WARN_UNUSED;
/* The writer's thread, while store_log_copy() is not at work: the rest. */
int store_log_finish(struct store *s, struct err *e) WARN_UNUSED;

/* Head of the own ledger. Empty store: size 0, root of the empty tree (SHA-256 of nothing), note empty. The note is
 * copied into @a. */
struct store_head {
    uint64_t size;
    uint8_t root[32];
    struct bytes note; /* signed checkpoint */
};
int store_head_get(struct store *s, struct arena *a, struct store_head *ret, struct err *e) WARN_UNUSED;
/* Replaces the head if it still is (@old_size, @old_root). On return it holds for whoever opens the folder, also after a kill; a
 * power failure may take it back until it is durable: by store_head_sync(), a batch with witnesses, or store_close(). (What it
 * signs must be durable in ledger.db before: then a head that was taken back is only behind, and the next opening mends that.)
 * ERR_CONFLICT when it is another one, @next->size < @old_size, or the same size has another root: another process or an older
 * copy of this node has signed; the caller must stop signing. The same size and root with another note is fine. After an error
 * of the engine the handle refuses further swaps (ERR_IO, "store.stopped"). */
int store_head_swap(struct store *s, uint64_t old_size, const uint8_t old_root[32], const struct store_head *next,
                    struct err *e) WARN_UNUSED;
/* Some swap is not durable yet, and can be made so. */
bool store_head_is_unsynced(const struct store *s);
/* Makes all swaps durable: an fsync, when there is anything to do. After an error the handle refuses further swaps. */
int store_head_sync(struct store *s, struct err *e);

/* ---- reading ---- */

/* ERR_NOT_FOUND when no store was ever made in @dir; ERR_UNSUPPORTED when its schema is not this program's. */
int store_reader_open(const char *dir, struct store_reader **ret, struct err *e) WARN_UNUSED;
void store_reader_close(struct store_reader *r);
/* From here on what takes long, store_check() above all, ends with ERR_CLOSED store.cancelled while *@cancel is true. Borrowed until
 * the handle is closed; any thread may set it. NULL: nothing does any more. */
void store_reader_cancel_by(struct store_reader *r, const atomic_bool *cancel);

/* One snapshot for all reads until the end, instead of one each with its file locks: for many small reads in one turn of a
 * loop. May be nested; not across writes that must be seen. The end always succeeds. */
int store_read_begin(struct store_reader *r, struct err *e) WARN_UNUSED;
void store_read_end(struct store_reader *r);

/* Spans in results are copied into @a and live as long as it does. */

struct store_ledger_state {
    uint64_t size;                      /* own leaves [0,size) */
    struct store_addressed *recipients; /* last index and seq per recipient */
    size_t recipient_count;
    struct store_replica *replicas;
    size_t replica_count;
    struct store_ack *acks;
    size_t ack_count;
    uint64_t hlc_max; /* hlc of the last own leaf (its bytes 22..29), the largest; 0 if none */
};
int store_read_ledger_state(struct store_reader *r, struct arena *a, struct store_ledger_state *ret,
                            struct err *e) WARN_UNUSED;

int store_read_tile(struct store_reader *r, uint8_t level, uint64_t number, uint8_t ret_hashes[8192],
                    struct err *e) WARN_UNUSED; /* ERR_NOT_FOUND */
int store_read_entry(struct store_reader *r, uint32_t origin, uint64_t index, struct arena *a, struct store_entry *ret,
                     struct err *e) WARN_UNUSED; /* ERR_NOT_FOUND */
/* Leaf hashes of own entries [from, from+count), in order, 32 bytes each; ERR_CORRUPT when one is missing. */
int store_read_leaf_hashes(struct store_reader *r, uint64_t from, uint64_t count, uint8_t *ret,
                           struct err *e) WARN_UNUSED;
/* Own leaves addressed to @recipient with index >= @from, ascending, at most @limit (<= BATCH_LEAVES_MAX). */
int store_read_addressed(struct store_reader *r, uint32_t recipient, uint64_t from, size_t limit, struct arena *a,
                         struct store_addressed **ret, size_t *ret_count, struct err *e) WARN_UNUSED;
/* All entries of a case (own and replicated) and second leaves, by (origin, index); of each author the first
 * CASE_EVENTS_PER_NODE_MAX, of at most CASE_NODES_MAX authors: what the fold would leave out is left out here. */
int store_read_case_entries(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], struct arena *a,
                            struct store_entry **ret, size_t *ret_count, struct err *e) WARN_UNUSED;
/* The entries of a case that @origin wrote, from @from on, one by one; as store_scan_entries(), but without the limits of the
 * fold. @cb must not scan a case with the same reader. */
int store_scan_case(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], uint32_t origin, uint64_t from,
                    int (*cb)(void *ctx, const struct store_entry *entry, struct err *e), void *ctx,
                    struct err *e) WARN_UNUSED;
/* Held entries of one ledger in order from @from (a replica has gaps); stops when @cb returns non-zero and passes that
 * on. For verification and export; memory does not grow. @entry is borrowed until @cb returns. @cb may read with the
 * same reader, but not scan. */
int store_scan_entries(struct store_reader *r, uint32_t origin, uint64_t from,
                       int (*cb)(void *ctx, const struct store_entry *entry, struct err *e), void *ctx,
                       struct err *e) WARN_UNUSED;
int store_scan_cases(struct store_reader *r, int (*cb)(void *ctx, const struct store_case *row, struct err *e),
                     void *ctx, struct err *e) WARN_UNUSED;

/* Rows of cases with ids in (@after, @last], ascending, at most @limit; *ret_count of them were there. @entry_count: entries
 * of the case that are held, of any kind; fewer than the row's events: some were lost. A row that fails its check comes as one
 * with @damaged set, whose id alone counts. Stops when @cb returns non-zero and passes that on. */
int store_scan_case_ids(struct store_reader *r, const uint8_t after[STORE_CASE_ID_SIZE],
                        const uint8_t last[STORE_CASE_ID_SIZE], size_t limit,
                        int (*cb)(void *ctx, const struct store_case *row, uint64_t entry_count, bool damaged,
                                  struct err *e),
                        void *ctx, size_t *ret_count, struct err *e) WARN_UNUSED;

int store_read_case(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], struct store_case *ret,
                    struct err *e) WARN_UNUSED; /* ERR_NOT_FOUND */
/* Case whose id begins with @id_prefix (up to 16 bytes; empty = do not look) or whose number is @number (NULL or "" = do
 * not look); ERR_NOT_FOUND, ERR_CONFLICT if several. */
int store_find_case(struct store_reader *r, struct bytes id_prefix, const char *number, struct store_case *ret,
                    struct err *e) WARN_UNUSED;

struct store_case_filter {
    uint32_t receiving; /* 0 = any */
    uint32_t lead;      /* 0 = any */
    uint16_t status;    /* 0 = any */
    char item_code[48]; /* "" = any */
    uint64_t before_no; /* page: rows older than this position; 0 = newest */
    size_t limit;       /* 1..LIST_ROWS_MAX */
};
struct store_case_list {
    struct store_case *rows; /* newest first */
    size_t count;
    uint64_t next_before_no; /* 0 = no more */
};
int store_list_cases(struct store_reader *r, const struct store_case_filter *f, struct arena *a,
                     struct store_case_list *ret, struct err *e) WARN_UNUSED;
uint64_t store_count_cases(struct store_reader *r); /* 0 on error */

/* ERR_NOT_FOUND: nothing is due in that case. */
int store_read_due(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], struct store_due *ret,
                   struct err *e) WARN_UNUSED;
struct store_due_filter {
    uint32_t before; /* due before this day (yyyymmdd); 0 = any */
    uint8_t kind;    /* 0 = any */
    uint32_t lead;   /* 0 = any */
    uint64_t skip;   /* page: so many rows before */
    size_t limit;    /* 1..LIST_ROWS_MAX */
};
/* The longest overdue first. */
int store_list_dues(struct store_reader *r, const struct store_due_filter *f, struct arena *a, struct store_due **ret,
                    size_t *ret_count, struct err *e) WARN_UNUSED;
/* By case id, those after @after (NULL: from the first). */
int store_list_publicities(struct store_reader *r, const uint8_t *after, size_t limit, struct arena *a,
                           struct store_publicity **ret, size_t *ret_count, struct err *e) WARN_UNUSED;
/* How many are past due on @today, how many warn, how many are due at all. */
int store_count_dues(struct store_reader *r, uint32_t today, uint64_t *ret_red, uint64_t *ret_yellow, uint64_t *ret_all,
                     struct err *e) WARN_UNUSED;

int store_read_item(struct store_reader *r, uint32_t node, const char *code, struct arena *a, struct store_item *ret,
                    struct err *e) WARN_UNUSED; /* ERR_NOT_FOUND */
struct store_item_filter {
    uint32_t node;    /* 0 = any */
    const char *text; /* NULL = any; part of the name or of the code, ASCII letters without case */
    bool with_withdrawn;
    const char *after_code; /* page: rows after (after_node, after_code); NULL = first */
    uint32_t after_node;
    size_t limit; /* 1..LIST_ROWS_MAX */
};
int store_list_items(struct store_reader *r, const struct store_item_filter *f, struct arena *a,
                     struct store_item **ret, size_t *ret_count, struct err *e) WARN_UNUSED;
#define STORE_SEARCH_ROWS_MAX 100u
#define STORE_SEARCH_TEXT_MAX 200u /* bytes typed */
#define STORE_SEARCH_WORD_MAX 32u  /* bytes of a word of pinyin in the index */
struct store_search {
    const char *text;       /* NULL: by the filters alone */
    uint32_t node;          /* 0: of every node */
    uint32_t region;        /* 0: any; else items of the division, of what lies in it and of what it lies in */
    bool is_above;          /* with region: only of the division and of what it lies in */
    const char *life_event; /* NULL: any */
    uint64_t after_id;      /* page: hits after the one with this id, found by this step; 0 = first */
    uint32_t after_step;
    size_t limit; /* 1 to STORE_SEARCH_ROWS_MAX */
};
struct store_search_hit {
    uint32_t node;
    char code[48];
    char name[301];
    uint32_t version;
    const char *match; /* how it was found, best first: code, start, name, words, similar; filter */
    uint32_t step;     /* place in the answer, for the next page: with the same question only; */
    uint64_t id;       /* 0: there is no page after it (similar) */
    struct bytes json;
};
/* Published items, best match first: part of the name in Chinese, pinyin or initials from any character on, codes, other names,
 * departments, divisions. ERR_INVALID / ERR_LIMIT "search.text", "store.limit". */
int store_search_items(struct store_reader *r, const struct store_search *wanted, struct arena *a,
                       struct store_search_hit **ret, size_t *ret_count, struct err *e) WARN_UNUSED;

/* What was published of an item, newest first, at most LIST_ROWS_MAX; empty when nothing is known. */
int store_list_item_versions(struct store_reader *r, uint32_t node, const char *code, struct arena *a,
                             struct store_item_version **ret, size_t *ret_count, struct err *e) WARN_UNUSED;
/* The item as its version @version was published last (the name is not filled in); from the ledger, which keeps all.
 * ERR_NOT_FOUND "store.no-item-version". */
int store_read_item_version(struct store_reader *r, uint32_t node, const char *code, uint32_t version, struct arena *a,
                            struct store_item *ret, struct err *e) WARN_UNUSED;
/* Items that are not withdrawn, and the highest version of all. @node 0: of every node. */
int store_count_items(struct store_reader *r, uint32_t node, uint64_t *ret_count, uint32_t *ret_version_max,
                      struct err *e) WARN_UNUSED;

/* What it is found by is made in @a. ERR_NOT_FOUND "store.no-bundle". */
int store_read_bundle(struct store_reader *r, uint32_t node, const char *code, uint64_t index, struct arena *a,
                      struct store_bundle *ret, struct err *e) WARN_UNUSED;
/* Publications and withdrawals of one bundle, newest first, at most LIST_ROWS_MAX. */
int store_list_bundle_versions(struct store_reader *r, uint32_t node, const char *code, struct arena *a,
                               struct store_bundle **ret, size_t *ret_count, struct err *e) WARN_UNUSED;
struct store_bundle_filter {
    uint32_t node;          /* 0 = any */
    const char *text;       /* NULL = any; words, each part of name, code or life event or how these read */
    const char *life_event; /* NULL = any; part of it */
    uint32_t
        region; /* 0: any; else published, or decided in part, by the division, what lies in it or what it lies in */
    const char *after_code; /* page: rows after (after_node, after_code); NULL = first */
    uint32_t after_node;
    size_t limit; /* 1..LIST_ROWS_MAX */
};
/* The newest publication of each bundle that is not withdrawn, by node and code. "search.text", "store.limit" as of a search. */
int store_list_bundles(struct store_reader *r, const struct store_bundle_filter *f, struct arena *a,
                       struct store_bundle **ret, size_t *ret_count, struct err *e) WARN_UNUSED;

int store_read_request(struct store_reader *r, const uint8_t key_hash[32], struct store_request *ret,
                       struct err *e) WARN_UNUSED; /* ERR_NOT_FOUND */
#define STORE_COUNTER_SEARCH "catalog/search"      /* SEARCH_TEXT_VERSION that items and bundles are found by */
int store_read_counter(struct store_reader *r, const char *name, uint64_t *ret,
                       struct err *e) WARN_UNUSED; /* 0 if absent */

int store_read_key(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], uint32_t epoch,
                   struct store_key *ret, struct err *e) WARN_UNUSED; /* ERR_NOT_FOUND */
int store_read_note(struct store_reader *r, const char *name, struct arena *a, struct store_note *ret,
                    struct err *e) WARN_UNUSED; /* ERR_NOT_FOUND */
/* What was cosigned last of @origin (old_size and old_root are 0); never: ERR_NOT_FOUND. */
int store_read_witness(struct store_reader *r, const char *origin, struct arena *a, struct store_witness *ret,
                       struct err *e) WARN_UNUSED;
int store_list_witnesses(struct store_reader *r, struct arena *a, struct store_witness **ret, size_t *ret_count,
                         struct err *e) WARN_UNUSED;
/* By node; none is no error. */
int store_read_erasures(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], struct arena *a,
                        struct store_erasure **ret, size_t *ret_count, struct err *e) WARN_UNUSED;
/* Every erasure that its participant has not done (state not STORE_ERASURE_DONE), by case and node, up to @limit rows. */
int store_list_erasures_open(struct store_reader *r, size_t limit, struct arena *a, struct store_erasure **ret,
                             size_t *ret_count, struct err *e) WARN_UNUSED;
int store_read_hold(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], struct store_hold *ret,
                    struct err *e) WARN_UNUSED; /* ERR_NOT_FOUND: none */
int store_list_evidence(struct store_reader *r, struct arena *a, struct store_evidence **ret, size_t *ret_count,
                        struct err *e) WARN_UNUSED;

int store_read_proof(struct store_reader *r, uint32_t origin, uint64_t index, struct arena *a, struct store_proof *ret,
                     struct err *e) WARN_UNUSED; /* ERR_NOT_FOUND */
/* The covers that begin at or before @index, the nearest first, at most @limit. */
int store_read_covers(struct store_reader *r, uint32_t origin, uint64_t index, size_t limit, struct arena *a,
                      struct store_cover **ret, size_t *ret_count, struct err *e) WARN_UNUSED;
int store_list_pulls(struct store_reader *r, struct arena *a, struct store_pull **ret, size_t *ret_count,
                     struct err *e) WARN_UNUSED;
/* Files of a case, by file and origin. */
int store_read_files(struct store_reader *r, const uint8_t case_id[STORE_CASE_ID_SIZE], struct arena *a,
                     struct store_file **ret, size_t *ret_count, struct err *e) WARN_UNUSED;
/* Ids of the cases that hold @file, one behind the other; none: it may go. */
int store_read_file_cases(struct store_reader *r, const uint8_t file[32], struct arena *a,
                          uint8_t (**ret)[STORE_CASE_ID_SIZE], size_t *ret_count, struct err *e) WARN_UNUSED;
int store_read_file_holders(struct store_reader *r, const uint8_t file[32], struct arena *a,
                            struct store_file_holder **ret, size_t *ret_count, struct err *e) WARN_UNUSED;
/* Files that cases hold, by file and case, at most @limit, from behind @after on (NULL: from the first); only @file and @case_id are
 * set. */
int store_list_held_files(struct store_reader *r, const struct store_file *after, size_t limit, struct arena *a,
                          struct store_file **ret, size_t *ret_count, struct err *e) WARN_UNUSED;
/* Files wanted from others (case_id 0), at most @limit. */
int store_list_wanted_files(struct store_reader *r, size_t limit, struct arena *a, struct store_file **ret,
                            size_t *ret_count, struct err *e) WARN_UNUSED;

/* ---- backup ---- */

/* Copies ledger.db, as of one committed moment, into the new file @path while the node works (SQLite's online backup, in
 * steps, so that writers are not held up); fsynced and checked on return. keys.db goes the same way with @keys. heads.db never:
 * it must not go back. @progress (may be NULL) hears pages done and pages in all after each step; non-zero ends it (ERR_CLOSED).
 * ERR_CONFLICT when @path exists; until it is whole it is @path.partial. A copy is one self-contained file without a write-ahead log. */
struct store_backup_result {
    uint64_t bytes;
    uint64_t ledger_size; /* own leaves in the copy */
};
int store_backup(const char *dir, bool keys, const char *path, int (*progress)(void *ctx, uint64_t done, uint64_t all),
                 void *ctx, struct store_backup_result *ret, struct err *e) WARN_UNUSED;

/* Puts the backup @file in the place of ledger.db (with @keys: keys.db) of node @self in @dir, which must not run (ERR_BUSY
 * store.locked). The file is checked first: kind, schema (older ones are brought to the current), pages, whose ledger it is. The
 * replaced file stays under another name. heads.db is not touched: it must not go back. Erasures that this node has done are
 * done again at the next opening. ERR_INVALID store.restore-file, ERR_CONFLICT store.other-node, ERR_CORRUPT, ERR_FULL: then all is
 * as before. */
struct store_restore_result {
    uint64_t bytes;
    uint64_t ledger_size; /* own leaves in it */
    char kept[48];        /* name of the replaced file in @dir; "" = there was none */
};
int store_restore(const char *dir, uint32_t self, bool keys, const char *file, struct store_restore_result *ret,
                  struct err *e) WARN_UNUSED;

/* Checks what the engine and this folder can check alone, of all three databases: page structure, every table's rows against
 * their stored check values, leaves against their hashes, order and contiguity of own indexes, seqs and tiles, row counts, no
 * content of erased cases, no key without a case, heads.db not ahead of the ledger ("store.behind-head": an old copy). Slow; own reader. ERR_CORRUPT names the place. */
int store_check(struct store_reader *r, struct err *e) WARN_UNUSED;

/* Memory that the engine holds in this process, of all databases: the caches of pages above all. Any thread. */
uint64_t store_memory_bytes(void);

#endif
