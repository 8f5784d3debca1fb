/* JSON text with limits (see document.h). */
#include "catalog/document.h"

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
