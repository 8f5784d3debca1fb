/* The tokenizer (see store_tokenizer.h): no state, one pass. */
#include "node/store/store_tokenizer.h"

#include <string.h>

#include "node/base/utf8.h"
#include "node/base/xassert.h"

#define WORD_BYTES_MAX 64 /* of an ASCII word; the rest is left out */

bool store_tokenizer_is_han(uint32_t rune)
{
    return (rune >= 0x3400 && rune <= 0x9fff) || (rune >= 0xf900 && rune <= 0xfaff) ||
           (rune >= 0x20000 && rune <= 0x3ffff);
}

static bool is_word(uint32_t rune)
{
    return (rune >= '0' && rune <= '9') || (rune >= 'a' && rune <= 'z') || (rune >= 'A' && rune <= 'Z');
}

/* The character at @at, full-width ASCII as ASCII; *ret_end: behind it. A byte that is not UTF-8 is 0. */
static uint32_t rune_at(const char *text, int at, int size, int *ret_end)
{
    uint32_t rune = 0;
    size_t n = utf8_decode(text + at, (size_t)(size - at), &rune);
    *ret_end = at + (n == 0 ? 1 : (int)n);
    return n == 0 ? 0 : utf8_fold_width(rune);
}

typedef int (*token_cb)(void *ctx, int flags, const char *token, int size, int start, int end);

/* The word that begins at @at; *ret_end: behind it. */
static int put_word(const char *text, int at, int size, int *ret_end, void *ctx, token_cb cb)
{
    char word[WORD_BYTES_MAX];
    int word_size = 0, next = at;
    uint32_t rune;
    for (*ret_end = at; *ret_end < size && is_word(rune = rune_at(text, *ret_end, size, &next)); *ret_end = next)
        if (word_size < WORD_BYTES_MAX)
            word[word_size++] = (char)(rune >= 'A' && rune <= 'Z' ? rune - 'A' + 'a' : rune);
    return cb(ctx, 0, word, word_size, at, *ret_end);
}

/* One character of a run that ends at @end; @next: where the one after it ends, or @at's end for the last. */
static int put_han(const char *text, int at, int own_end, int next_end, bool is_query, bool is_first, void *ctx,
                   token_cb cb)
{
    int rc = SQLITE_OK;
    bool has_next = next_end > own_end;
    if (has_next)
        rc = cb(ctx, 0, text + at, next_end - at, at, next_end);
    bool is_single = !is_query || (is_first && !has_next);
    if (rc == SQLITE_OK && is_single)
        rc = cb(ctx, has_next ? FTS5_TOKEN_COLOCATED : 0, text + at, own_end - at, at, own_end);
    return rc;
}

static int tokenize(Fts5Tokenizer *t, void *ctx, int flags, const char *text, int size, token_cb cb)
{
    (void)t;
    bool is_query = (flags & FTS5_TOKENIZE_QUERY) != 0;
    bool was_han = false;
    int rc = SQLITE_OK;
    for (int at = 0; rc == SQLITE_OK && at < size;) {
        int end = at, next_end = at;
        uint32_t rune = rune_at(text, at, size, &end);
        bool is_han = store_tokenizer_is_han(rune);
        if (is_word(rune)) {
            rc = put_word(text, at, size, &end, ctx, cb);
        } else if (is_han) {
            bool has_next = end < size && store_tokenizer_is_han(rune_at(text, end, size, &next_end));
            rc = put_han(text, at, end, has_next ? next_end : end, is_query, !was_han, ctx, cb);
        }
        was_han = is_han;
        at = end;
    }
    return rc;
}

static int create(void *ctx, const char **args, int count, Fts5Tokenizer **ret)
{
    static int only; /* no state: any address that is not NULL */
    (void)ctx, (void)args, (void)count;
    *ret = (Fts5Tokenizer *)&only;
    return SQLITE_OK;
}

static void destroy(Fts5Tokenizer *t)
{
    (void)t;
}

int store_tokenizer_register(struct store_sql *c, struct err *e)
{
    static fts5_tokenizer functions = {create, destroy, tokenize};
    fts5_api *api = NULL;
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db, "SELECT fts5(?1)", -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        (void)sqlite3_bind_pointer(stmt, 1, &api, "fts5_api_ptr", NULL); /* as FTS5's documentation says */
        (void)sqlite3_step(stmt);                                        /* shows in `api` */
    }
    (void)sqlite3_finalize(stmt); /* the error of prepare is told below */
    if (api == NULL)
        return err_set(e, ERR_UNSUPPORTED, "store.no-fts", "%s: this SQLite has no full-text search (FTS5)", c->name);
    rc = api->xCreateTokenizer(api, "chinese", NULL, &functions, NULL);
    return rc == SQLITE_OK ? 0 : err_set(e, ERR_INTERNAL, "store.no-fts", "%s: no tokenizer: %d", c->name, rc);
}
