/* JSON text with limits (see document.h). */
#include "catalog/document.h"

#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"

struct place {
    size_t line, column; /* from 1; the column counts bytes */
};

static struct place place_of(struct bytes text, size_t at)
{
    struct place p = {1, 1};
    for (size_t i = 0; i < at && i < text.size; i++) {
        p.column++;
        if (text.data[i] == '\n')
            p = (struct place){p.line + 1, 1};
    }
    return p;
}

/* Index after the string that opens at @at. A string without end is the parser's to complain about. */
static size_t skip_string(struct bytes text, size_t at)
{
    for (at++; at < text.size && text.data[at] != '"'; at++)
        if (text.data[at] == '\\')
            at++;
    return min_of(at + 1, text.size);
}

/* Never under the true depth and number of values of a text that parses: a value follows '[', '{', ',', ':' or stands
 * alone, and white space cannot add any. */
static int check_size(struct bytes text, const char *name, size_t values_max, struct err *e)
{
    size_t depth = 0;
    size_t values = 1;
    for (size_t at = 0; at < text.size;) {
        uint8_t c = text.data[at];
        if (c == '"') {
            at = skip_string(text, at);
            continue;
        }
        if (c == '[' || c == '{')
            depth++;
        if ((c == ']' || c == '}') && depth > 0)
            depth--;
        values += c == '[' || c == '{' || c == ',' || c == ':';
        if (depth > JSON_DEPTH_MAX) {
            struct place p = place_of(text, at);
            return err_set(e, ERR_LIMIT, "catalog.json-depth", "%s: line %zu, column %zu: nested deeper than %u", name,
                           p.line, p.column, JSON_DEPTH_MAX);
        }
        if (values > values_max)
            return err_set(e, ERR_LIMIT, "catalog.json-values", "%s: more than %zu values", name, values_max);
        at++;
    }
    return 0;
}

int document_parse(struct bytes text, const char *name, size_t values_max, struct yyjson_doc **ret, struct err *e)
{
    int rc = check_size(text, name, values_max, e);
    if (rc != 0)
        return rc;

    yyjson_read_err fault;
    /* Without the in-place flag the parser does not write, so that the const may be cast away. */
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.data, text.size, YYJSON_READ_NOFLAG, NULL, &fault);
    if (doc == NULL) {
        struct place p = place_of(text, fault.pos);
        return err_set(e, ERR_INVALID, "catalog.json", "%s: line %zu, column %zu: %s", name, p.line, p.column,
                       fault.msg);
    }
    *ret = doc;
    return 0;
}

/* ---- places ---- */

static size_t skip_blank(struct bytes text, size_t at)
{
    while (at < text.size &&
           (text.data[at] == ' ' || text.data[at] == '\t' || text.data[at] == '\n' || text.data[at] == '\r'))
        at++;
    return at;
}

/* Index after the value that begins at @at. */
static size_t skip_value(struct bytes text, size_t at)
{
    size_t depth = 0;
    while (at < text.size) {
        uint8_t c = text.data[at];
        if (c == '"') {
            at = skip_string(text, at);
        } else if (c == '[' || c == '{') {
            depth++;
            at++;
        } else if (c == ']' || c == '}') {
            if (depth == 0)
                return at; /* the end of what the value stands in */
            depth--;
            at++;
        } else if (depth == 0 && (c == ',' || c == ' ' || c == '\n' || c == '\r' || c == '\t')) {
            return at;
        } else {
            at++;
            continue; /* inside a number or word */
        }
        if (depth == 0)
            return at;
    }
    return at;
}

/* Index of the value of @key in the object at @at, or @at when it has none. */
static size_t find_key(struct bytes text, size_t at, const char *key, size_t key_size)
{
    size_t i = at < text.size && text.data[at] == '{' ? at + 1 : text.size;
    while ((i = skip_blank(text, i)) < text.size && text.data[i] == '"') {
        size_t end = skip_string(text, i);
        size_t value = skip_blank(text, end);
        value = skip_blank(text, value < text.size ? value + 1 : value); /* the colon */
        if (end - i == key_size + 2 && memcmp(text.data + i + 1, key, key_size) == 0)
            return value;
        i = skip_blank(text, skip_value(text, value));
        if (i < text.size && text.data[i] == ',')
            i++;
    }
    return at;
}

static size_t find_index(struct bytes text, size_t at, size_t index)
{
    size_t i = at < text.size && text.data[at] == '[' ? skip_blank(text, at + 1) : text.size;
    for (size_t n = 0; i < text.size && text.data[i] != ']'; n++) {
        if (n == index)
            return i;
        i = skip_blank(text, skip_value(text, i));
        if (i < text.size && text.data[i] == ',')
            i = skip_blank(text, i + 1);
    }
    return at;
}

/* Moves @line and @column, which stand at @from, to @to. */
static void advance(struct bytes text, size_t from, size_t to, uint32_t *line, uint32_t *column)
{
    for (size_t i = from; i < to && i < text.size; i++) {
        (*column)++;
        if (text.data[i] == '\n') {
            (*line)++;
            *column = 1;
        }
    }
}

void document_cursor_open(struct document_cursor *c, struct bytes text, const char *key)
{
    size_t start = skip_blank(text, 0);
    *c = (struct document_cursor){.text = text, .line = 1, .column = 1};
    c->at = find_key(text, start, key, strlen(key));
    c->at = find_index(text, c->at, 0);
    advance(text, 0, c->at, &c->line, &c->column);
}

void document_cursor_next(struct document_cursor *c)
{
    size_t at = skip_blank(c->text, skip_value(c->text, c->at));
    if (at < c->text.size && c->text.data[at] == ',')
        at = skip_blank(c->text, at + 1);
    advance(c->text, c->at, at, &c->line, &c->column);
    c->at = at;
}

void document_cursor_locate(const struct document_cursor *c, const char *path, uint32_t *ret_line, uint32_t *ret_column)
{
    size_t at = c->at;
    while (*path != '\0') {
        size_t size = strcspn(path, ".[");
        size_t next;
        if (size > 0) {
            next = find_key(c->text, at, path, size);
            path += size;
        } else if (*path == '[') {
            char *end = NULL;
            next = find_index(c->text, at, strtoul(path + 1, &end, 10));
            path = end + (*end == ']');
        } else {
            path++; /* the dot */
            continue;
        }
        if (next == at)
            break;
        at = next;
    }
    *ret_line = c->line;
    *ret_column = c->column;
    advance(c->text, c->at, at, ret_line, ret_column);
}
