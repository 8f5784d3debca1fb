/* Opening and closing the writing handle (see store.h).
 *
 * Order: lock, ledger.db (schema, whose node it is, mirrors of what commits need), heads.db, keys.db, what is left of a
 * destruction. The lock covers all three and is flock(2) on `writer.lock`: the kernel drops it when the process dies, however it dies; the file itself stays and holds the pid
 * for the message only. SQLite's own locks would let two writers take turns, and two writers are two authors.
 */
#include "node/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "node/base/xassert.h"
#include "node/store/store_fact.h"
#include "node/store/store_heads.h"
#include "node/store/store_keys.h"
#include "node/store/store_row.h"
#include "node/store/store_writer.h"

#define SLOT_CHUNK 16u /* slots that the list grows by */

static int open_private(const char *dir, const char *name, int *ret_fd, struct err *e)
{
    struct buf path = {0};
    buf_printf(&path, "%s/%s", dir, name);
    int fd = open(buf_cstr(&path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int rc = fd >= 0 ? 0 : err_set_errno(e, ERR_IO, "store.open", errno, "cannot open '%s'", buf_cstr(&path));
    buf_close(&path);
    *ret_fd = fd;
    return rc;
}

/* SQLite would make its files readable for everybody; the WAL takes the mode of the database. */
static int make_private(const char *dir, const char *name, struct err *e)
{
    int fd = -1;
    int rc = open_private(dir, name, &fd, e);
    if (rc == 0)
        close(fd);
    return rc;
}

int store_writer_lock(const char *dir, int *ret_fd, struct err *e)
{
    int fd = -1;
    char pid[24] = "";
    int rc = open_private(dir, "writer.lock", &fd, e);
    if (rc != 0)
        return rc;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int errnum = errno;
        ssize_t n = errnum == EWOULDBLOCK ? pread(fd, pid, sizeof pid - 1, 0) : 0;
        pid[n > 0 ? (size_t)n : 0] = '\0';
        pid[strcspn(pid, "\n")] = '\0';
        rc = errnum == EWOULDBLOCK
                 ? err_set(e, ERR_BUSY, "store.locked", "'%s' is open for writing by process %s", dir, pid)
                 : err_set_errno(e, ERR_IO, "store.lock", errnum, "cannot lock '%s/writer.lock'", dir);
        err_hint(e, errnum == EWOULDBLOCK ? "stop that process first; one folder belongs to one running node" : "");
        close(fd);
        return rc;
    }
    int size = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)size, 0) != size) {
        rc = err_set_errno(e, ERR_IO, "store.lock", errno, "cannot write '%s/writer.lock'", dir);
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

struct store_slot *store_writer_add_slot(struct store *s, uint32_t node, uint32_t slot)
{
    struct store_slot *n = xcalloc(1, sizeof *n);
    n->node = node;
    n->slot = slot;
    if (s->slot_count % SLOT_CHUNK == 0)
        s->slot_list = xrealloc(s->slot_list, (s->slot_count + SLOT_CHUNK) * sizeof(struct store_slot *));
    s->slot_list[s->slot_count++] = n;
    uint8_t key[4];
    put_be32(key, node);
    struct store_slot *before = map_put(&s->slots, key, sizeof key, n);
    xassert(before == NULL);
    return n;
}

void store_writer_drop_slot(struct store *s)
{
    xassert(s->slot_count > 0);
    struct store_slot *n = s->slot_list[--s->slot_count];
    uint8_t key[4];
    put_be32(key, n->node);
    (void)map_remove(&s->slots, key, sizeof key);
    free(n);
}

/* First opening: whose database this is. */
static int stamp(struct store *s, struct err *e)
{
    uint64_t rows = 0;
    int rc = store_sql_exec_u64(&s->ledger, "SELECT count(*) FROM meta", &rows, e);
    if (rc != 0 || rows != 0)
        return rc;
    struct buf sql = {0};
    buf_printf(&sql, "BEGIN IMMEDIATE;");
    buf_printf(&sql, "INSERT INTO node(slot, node) VALUES(%u, %u), (%u, %" PRIu32 ");", STORE_SLOT_EVERYONE,
               STORE_NODE_EVERYONE, STORE_SLOT_SELF, s->self);
    buf_printf(&sql, "INSERT INTO meta(key, value, ck) VALUES('self', %" PRIu32 ", %" PRId64 "),", s->self,
               (int64_t)store_row_meta_ck("self", s->self));
    buf_printf(&sql, "('case_count', 0, %" PRId64 ");", (int64_t)store_row_meta_ck("case_count", 0));
    buf_printf(&sql, "COMMIT;");
    rc = store_sql_exec(&s->ledger, buf_cstr(&sql), e);
    buf_close(&sql);
    return rc;
}

static int load_slots(struct store *s, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(s->ledger.db, "SELECT slot, node FROM node ORDER BY slot", -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return store_sql_error(&s->ledger, rc, "node", e);
    s->slot_next = 1;
    while ((rc = store_sql_step(&s->ledger, stmt, e)) == 1) {
        uint64_t slot = store_sql_u64(stmt, 0);
        uint64_t node = store_sql_u64(stmt, 1);
        uint8_t key[4];
        put_be32(key, (uint32_t)node);
        if ((slot > STORE_SLOT_PEERS_MAX && slot != STORE_SLOT_SELF) || node > UINT32_MAX ||
            map_get(&s->slots, key, sizeof key) != NULL) {
            rc = store_row_corrupt(&s->ledger, "node", slot, e);
            break;
        }
        (void)store_writer_add_slot(s, (uint32_t)node, (uint32_t)slot);
        if (slot != STORE_SLOT_SELF)
            s->slot_next = (uint32_t)slot + 1;
    }
    sqlite3_finalize(stmt);
    return rc;
}

static int load_mirrors(struct store *s, struct err *e)
{
    uint64_t self = 0, erasures = 0;
    int rc = store_row_meta(&s->ledger, "self", &self, e);
    if (rc == 0 && self != s->self)
        rc = err_set(e, ERR_CONFLICT, "store.other-node", "ledger.db belongs to node %" PRIu64 ", not %" PRIu32, self,
                     s->self);
    if (rc == 0)
        rc = store_row_meta(&s->ledger, "case_count", &s->case_count, e);
    if (rc == 0)
        rc = store_sql_exec_u64(&s->ledger, "SELECT count(*) FROM request_key0", &s->sweeps[0].count, e);
    if (rc == 0)
        rc = store_sql_exec_u64(&s->ledger, "SELECT count(*) FROM request_key1", &s->sweeps[1].count, e);
    if (rc == 0)
        rc = load_slots(s, e);
    if (rc == 0)
        rc = store_sql_exec_u64(&s->ledger, "SELECT coalesce(max(no), 0) + 1 FROM content", &s->content_next, e);
    if (rc == 0)
        rc = store_sql_exec_u64(&s->ledger, STORE_FACT_ANY_ERASURE, &erasures, e);
    s->erased_any = erasures != 0;
    if (rc == 0) /* -1 for an empty ledger, which is the id before its first */
        rc = store_sql_exec_u64(&s->ledger,
                                "SELECT coalesce(max(id), (1 << 60) - 1) + 1 - (1 << 60) FROM entry"
                                " WHERE id >= 1 << 60",
                                &s->own_size, e);
    return rc;
}

int store_open(const char *dir, uint32_t self, struct store **ret, struct err *e)
{
    xassert(self != STORE_NODE_EVERYONE);
    struct store *s = xcalloc(1, sizeof *s);
    s->self = self;
    s->lock_fd = -1;
    map_init(&s->slots, 0); /* node codes come from the federation's register, not from strangers */
    int rc = store_writer_lock(dir, &s->lock_fd, e);
    if (rc == 0)
        rc = make_private(dir, "ledger.db", e);
    if (rc == 0)
        rc = make_private(dir, "heads.db", e);
    if (rc == 0)
        rc = make_private(dir, "keys.db", e);
    if (rc == 0)
        rc = store_sql_open(&s->ledger, dir, "ledger.db", SQLITE_OPEN_READWRITE, store_write_texts, STORE_WRITE_COUNT,
                            e);
    if (rc == 0)
        rc = store_schema_open_writer(&s->ledger, &store_schema_ledger, e);
    if (rc == 0)
        rc = stamp(s, e);
    if (rc == 0)
        rc = load_mirrors(s, e);
    if (rc == 0)
        rc = store_heads_open(&s->heads, dir, self, e);
    if (rc == 0)
        rc = store_keys_open(&s->keys, dir, e);
    if (rc == 0)
        rc = store_destroy_finish(s, e); /* what a crash cut short */
    if (rc != 0) {
        (void)err_wrap(e, "store '%s'", dir);
        s->ledger_failed = true; /* close without touching the files further */
        store_close(s);
        return rc;
    }
    *ret = s;
    return 0;
}

uint64_t store_memory_bytes(void)
{
    return (uint64_t)sqlite3_memory_used();
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    store_sql_close(&s->ledger, !s->ledger_failed);
    (void)store_head_sync(
        s, NULL); /* the checkpoint below may find a reader in its way; what is lost is mended (store.h) */
    store_sql_close(&s->heads, !s->heads_failed);
    store_sql_close(&s->keys, !s->ledger_failed);
    while (s->slot_count > 0)
        store_writer_drop_slot(s);
    free(s->slot_list);
    map_close(&s->slots);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    free(s);
}
