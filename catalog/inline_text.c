/* Texts out of cells (see inline_text.h). One pass with a cursor; nothing is nested but runs within a cell, so that no parser is
 * needed: the survey before has refused comments and declarations. */
#include "catalog/inline_text.h"

#include <string.h>

#include "node/base/xassert.h"

#define MARK "inlineStr"

/* No arithmetic on nothing: what is empty may have no memory at all. */
static const char *end_of(struct bytes text)
{
    const char *at = (const char *)text.data;
    return text.size == 0 ? at : at + text.size;
}

static const char *find(const char *at, const char *end, const char *what)
{
    return at < end ? memmem(at, (size_t)(end - at), what, strlen(what)) : NULL;
}

static bool is_name_end(char c)
{
    return c == '>' || c == '/' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next start tag <name…>, NULL when there is none before @end. */
static const char *find_tag(const char *at, const char *end, const char *name)
{
    for (const char *tag = at; (tag = find(tag, end, name)) != NULL; tag++)
        if (tag + strlen(name) < end && is_name_end(tag[strlen(name)]))
            return tag;
    return NULL;
}

/* The texts of all runs of the cell's content [at, end) but phonetic ones, still escaped, as one element. */
static void put_text(const char *at, const char *end, struct buf *texts)
{
    const char *phonetic = find_tag(at, end, "<rPh");
    buf_put_string(texts, "<si><t xml:space=\"preserve\">");
    for (const char *tag; (tag = find_tag(at, end, "<t")) != NULL;) {
        if (phonetic != NULL && phonetic < tag) {
            const char *past = find(phonetic, end, "</rPh>");
            at = past != NULL ? past : end;
            phonetic = find_tag(at, end, "<rPh");
            continue;
        }
        const char *open = memchr(tag, '>', (size_t)(end - tag));
        bool is_empty = open != NULL && open[-1] == '/';
        const char *close = open == NULL || is_empty ? NULL : find(open, end, "</t>");
        if (open == NULL || (close == NULL && !is_empty))
            break; /* broken: what comes after it has no end either */
        if (close != NULL)
            buf_put(texts, open + 1, (size_t)(close - open - 1));
        at = close != NULL ? close : open;
    }
    buf_put_string(texts, "</t></si>");
}

void inline_text_lift(struct bytes sheet, struct buf *out, struct buf *texts, size_t *count)
{
    const char *at = (const char *)sheet.data, *end = end_of(sheet);
    for (const char *cell; (cell = find_tag(at, end, "<c")) != NULL;) {
        const char *open = memchr(cell, '>', (size_t)(end - cell));
        const char *mark = open == NULL ? NULL : find(cell, open, MARK);
        bool has_text = mark != NULL && open[-1] != '/';
        const char *close = has_text ? find(open, end, "</c>") : NULL;
        if (open == NULL || (has_text && close == NULL))
            break; /* broken: the reader will say so */
        const char *next = open + 1;
        if (mark == NULL) {
            buf_put(out, at, (size_t)(next - at));
        } else {
            buf_put(out, at, (size_t)(mark - at));
            buf_put_string(out, close != NULL ? "s" : "n"); /* an empty one has no text */
            mark += strlen(MARK);
            buf_put(out, mark, (size_t)(next - mark));
        }
        if (close != NULL) {
            put_text(open + 1, close, texts);
            buf_printf(out, "<v>%zu</v>", (*count)++);
            next = close;
        }
        at = next;
    }
    buf_put(out, at, (size_t)(end - at));
}

size_t inline_text_count(struct bytes table)
{
    size_t count = 0;
    const char *at = (const char *)table.data, *end = end_of(table);
    for (const char *tag = at; table.size > 0 && (tag = find_tag(tag, end, "<si")) != NULL; tag++)
        count++;
    return count;
}

void inline_text_join(struct bytes table, struct bytes texts, size_t count, struct buf *out)
{
    const char *at = (const char *)table.data, *end = end_of(table);
    const char *head = table.size > 0 ? find_tag(at, end, "<sst") : NULL;
    const char *open = head == NULL ? NULL : memchr(head, '>', (size_t)(end - head));
    const char *close = open == NULL ? NULL : find(open, end, "</sst>");
    buf_printf(out,
               "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"
               "<sst xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" count=\"%zu\" "
               "uniqueCount=\"%zu\">",
               count, count);
    if (close != NULL)
        buf_put(out, open + 1, (size_t)(close - open - 1));
    buf_put(out, texts.data, texts.size);
    buf_put_string(out, "</sst>");
}
