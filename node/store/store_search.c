/* Search of published items (see store.h): one FTS5 table without contents, asked in steps from the best kind of match to the
 * weakest, each of which stops as soon as the page is full.
 *
 * The row id is length of the name (characters, at most 255) << 40 | json_id: rows come shortest name first, so that within a
 * step the name that is matched most completely comes first, and no scores have to be computed over thousands of rows.
 *
 * What is typed is split into runs of Han characters (phrases) and ASCII words (beginnings of pinyin, initials, codes or words);
 * all of them must match. When nothing does, names that share pairs of characters with the text are looked for, by FTS5's
 * bm25.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/base/limits.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"
#include "node/store/store_reader.h"
#include "node/store/store_row.h"
#include "node/store/store_typed.h"

/* Steps behind those of the table. */
#define COMMON_STEP 100u
#define SIMILAR_STEP 101u

struct search {
    struct store_reader *reader;
    const struct store_search *wanted;
    struct arena *arena;
    struct store_typed typed;
    struct store_search_hit *hits;
    size_t count;
};

/* ---- FTS5 expressions ---- */

/* Every step asks for other columns; in the order of goodness. */
static const struct {
    const char *match; /* name of the step in answers */
    const char *han;   /* before a phrase of Han characters; NULL: the step is for texts without */
    const char *ascii; /* before a word; NULL: the step is for texts without */
    const char *mark;  /* before the word itself: 0 is the start of a name's pinyin */
    bool is_whole;     /* the word is whole, not a beginning */
    bool is_one;       /* only for one piece */
} steps[] = {
    {"code", NULL, "codes :", "", true, true},
    {"start", "name : ^", "pinyin :", "0", false, true},
    {"name", "name :", "{name pinyin} :", "", false, false},
    {"words", "{name words events} :", "{name words pinyin codes} :", "", false, false},
};

/* @u: v typed for ü, which the index has as u. */
static void put_ascii(struct buf *b, const struct store_piece *p, const char *mark, bool is_whole, bool u)
{
    buf_printf(b, "\"%s", mark);
    for (size_t i = 0; i < min_of(p->size, (size_t)STORE_SEARCH_WORD_MAX - strlen(mark)); i++)
        buf_put_u8(b, u && p->text[i] == 'v' ? 'u' : (uint8_t)p->text[i]);
    buf_put_string(b, is_whole ? "\"" : "\"*");
}

static void put_piece(struct buf *b, const struct store_piece *p, size_t step)
{
    if (p->is_han) {
        buf_printf(b, "(%s \"%.*s\")", steps[step].han, (int)p->size, p->text);
        return;
    }
    buf_printf(b, "(%s (", steps[step].ascii);
    put_ascii(b, p, steps[step].mark, steps[step].is_whole, false);
    if (memchr(p->text, 'v', p->size) != NULL) {
        buf_put_string(b, " OR ");
        put_ascii(b, p, steps[step].mark, steps[step].is_whole, true);
    }
    buf_put_string(b, "))");
}

/* Node, region and life event, behind @b; the first of all is not preceded by AND. */
static void put_filters(struct buf *b, const struct store_search *wanted)
{
    char area[8];
    if (wanted->node != 0)
        buf_printf(b, "%s(region : n%" PRIu32 ")", b->size == 0 ? "" : " AND ", wanted->node);
    if (wanted->region != 0) {
        (void)snprintf(area, sizeof area, "%06" PRIu32, wanted->region % 1000000);
        for (size_t size = 6; size > 2 && area[size - 1] == '0' && area[size - 2] == '0'; size -= 2)
            area[size - 2] = '\0';
        buf_printf(b, "%s(region : (%c%s", b->size == 0 ? "" : " AND ", wanted->is_above ? 'e' : 'c', area);
        for (int size = 2; size < (int)strlen(area); size += 2)
            buf_printf(b, " OR e%.*s", size, area);
        buf_put_string(b, "))");
    }
    if (wanted->life_event != NULL) {
        buf_printf(b, "%s(events : \"", b->size == 0 ? "" : " AND ");
        for (const char *c = wanted->life_event; *c != '\0'; c++)
            if (*c != '"')
                buf_put_u8(b, (uint8_t)*c);
        buf_put_string(b, "\")");
    }
}

/* ---- running ---- */

static bool has_hit(const struct search *s, uint64_t id)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->hits[i].id == id)
            return true;
    return false;
}

/* @after: row id; SIMILAR_STEP has no order to go on in. */
static int run(struct search *s, uint32_t step, uint64_t after, const char *expression, const char *match,
               struct err *e)
{
    enum store_read_stmt id = step == SIMILAR_STEP ? STORE_READ_SEARCH_SIMILAR : STORE_READ_SEARCH;
    sqlite3_stmt *stmt = NULL;
    int rc = store_reader_get(s->reader, id, &stmt, e);
    if (rc != 0)
        return rc;
    store_sql_bind_text(stmt, 1, expression);
    /* what an earlier step found comes again: room for all of it */
    store_sql_bind_u64(stmt, 2, s->wanted->limit + s->count);
    if (step != SIMILAR_STEP)
        store_sql_bind_u64(stmt, 3, after);
    while (s->count < s->wanted->limit && (rc = store_sql_step(&s->reader->sql, stmt, e)) == 1) {
        struct store_item item;
        uint64_t row_id = step == SIMILAR_STEP ? 0 : store_sql_u64(stmt, STORE_ROW_ITEM_COLUMN_COUNT);
        if (row_id != 0 && has_hit(s, row_id))
            continue;
        rc = store_row_item(&s->reader->sql, stmt, &item, e);
        if (rc != 0)
            break;
        struct store_search_hit *hit = &s->hits[s->count++];
        *hit = (struct store_search_hit){
            .node = item.node, .version = item.version, .match = match, .step = step, .id = row_id};
        memcpy(hit->code, item.code, sizeof hit->code);
        memcpy(hit->name, item.name, sizeof hit->name);
        hit->json = arena_bytes(s->arena, item.json);
    }
    store_sql_done(stmt);
    return rc < 0 ? rc : 0;
}

static bool has_step(const struct search *s, size_t step)
{
    for (size_t i = 0; i < s->typed.count; i++)
        if ((s->typed.at[i].is_han ? steps[step].han : steps[step].ascii) == NULL)
            return false;
    return !steps[step].is_one || s->typed.count == 1;
}

static void put_step(struct buf *b, const struct search *s, size_t step)
{
    for (size_t i = 0; i < s->typed.count; i++) {
        buf_put_string(b, i == 0 ? "" : " AND ");
        put_piece(b, &s->typed.at[i], step);
    }
}

/* What matches the step. What matched one before it is on this page, or on an earlier one, where the index itself has to leave it
 * out. */
static int run_step(struct search *s, size_t step, struct err *e)
{
    struct buf b = {0};
    if (!has_step(s, step))
        return 0;
    buf_put_string(&b, "(");
    put_step(&b, s, step);
    put_filters(&b, s->wanted);
    buf_put_string(&b, ")");
    for (size_t i = 0; s->wanted->after_id != 0 && i < step; i++) {
        if (!has_step(s, i))
            continue;
        buf_put_string(&b, " NOT (");
        put_step(&b, s, i);
        buf_put_string(&b, ")");
    }
    uint64_t after = step == s->wanted->after_step ? s->wanted->after_id : 0;
    int rc = run(s, (uint32_t)step, after, buf_cstr(&b), steps[step].match, e);
    buf_close(&b);
    return rc;
}

/* ---- names that share pairs of characters with the text ---- */

#define PAIRS_MAX 24u     /* looked at */
#define RARE_PAIRS_MAX 6u /* asked for */
#define RARE_ROWS 1000u   /* a pair in more names than that says little, and costs much to score */

struct pair {
    const char *text;
    size_t size;
    uint64_t rows; /* up to RARE_ROWS */
};

static size_t list_pairs(const struct search *s, struct pair *pairs)
{
    size_t count = 0;
    for (size_t i = 0; i < s->typed.count; i++) {
        const struct store_piece *p = &s->typed.at[i];
        for (size_t at = 0; p->is_han && at < p->size && count < PAIRS_MAX;) {
            uint32_t rune;
            size_t first = utf8_decode(p->text + at, p->size - at, &rune);
            size_t second = at + first < p->size ? utf8_decode(p->text + at + first, p->size - at - first, &rune) : 0;
            if (second > 0)
                pairs[count++] = (struct pair){p->text + at, first + second, 0};
            at += first;
        }
    }
    return count;
}

static int count_rows(struct search *s, struct pair *pair, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    struct buf b = {0};
    int rc = store_reader_get(s->reader, STORE_READ_SEARCH_COUNT, &stmt, e);
    if (rc != 0)
        return rc;
    buf_printf(&b, "name : \"%.*s\"", (int)pair->size, pair->text);
    store_sql_bind_text(stmt, 1, buf_cstr(&b));
    store_sql_bind_u64(stmt, 2, RARE_ROWS);
    rc = store_sql_step(&s->reader->sql, stmt, e);
    pair->rows = rc == 1 ? store_sql_u64(stmt, 0) : 0;
    store_sql_done(stmt);
    buf_close(&b);
    return rc < 0 ? rc : 0;
}

/* By the rare pairs, scored; when all are common, the shortest names that have any of them. */
static int run_similar(struct search *s, struct err *e)
{
    struct pair pairs[PAIRS_MAX];
    size_t count = list_pairs(s, pairs), rare = 0;
    struct buf b = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = count_rows(s, &pairs[i], e);
        rare += rc == 0 && pairs[i].rows > 0 && pairs[i].rows < RARE_ROWS;
    }
    size_t asked = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        bool is_asked = pairs[i].rows > 0 && (rare == 0 || (pairs[i].rows < RARE_ROWS && asked < RARE_PAIRS_MAX));
        if (is_asked)
            buf_printf(&b, "%s\"%.*s\"", asked++ == 0 ? "name : (" : " OR ", (int)pairs[i].size, pairs[i].text);
    }
    if (rc == 0 && asked > 0) {
        buf_put_string(&b, ")");
        put_filters(&b, s->wanted);
        rc = run(s, rare > 0 ? SIMILAR_STEP : COMMON_STEP, s->wanted->after_id, buf_cstr(&b), "similar", e);
    }
    buf_close(&b);
    return rc;
}

int store_search_items(struct store_reader *r, const struct store_search *wanted, struct arena *a,
                       struct store_search_hit **ret, size_t *ret_count, struct err *e)
{
    if (wanted->limit == 0 || wanted->limit > STORE_SEARCH_ROWS_MAX)
        return err_set(e, ERR_LIMIT, "store.limit", "a search of %zu rows, allowed are 1 to %u", wanted->limit,
                       STORE_SEARCH_ROWS_MAX);
    struct search s = {.reader = r, .wanted = wanted, .arena = a};
    int rc = wanted->text == NULL ? 0 : store_typed_split(wanted->text, &s.typed, e);
    if (rc != 0)
        return rc;
    s.hits = arena_alloc(a, wanted->limit * sizeof *s.hits);
    struct buf filters = {0};
    put_filters(&filters, wanted);
    if (s.typed.count == 0 && filters.size == 0)
        rc = err_set(e, ERR_INVALID, "search.text", "nothing to search: a text, a node, a region or a life event");
    else if (s.typed.count == 0)
        rc = run(&s, 0, wanted->after_id, buf_cstr(&filters), "filter", e);
    buf_close(&filters);
    for (size_t step = wanted->after_step; rc == 0 && s.typed.count > 0 && step < array_count(steps); step++)
        if (s.count < wanted->limit)
            rc = run_step(&s, step, e);
    if (rc == 0 && s.count == 0 && (wanted->after_id == 0 || wanted->after_step == COMMON_STEP))
        rc = run_similar(&s, e);
    *ret = s.hits;
    *ret_count = s.count;
    return rc;
}
