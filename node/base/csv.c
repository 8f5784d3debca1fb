/* Cells of CSV (see csv.h). */
#include "node/base/csv.h"

#include <string.h>

void csv_put_cell(struct buf *out, const char *text)
{
    bool is_formula = text[0] != '\0' && strchr("=+-@", text[0]) != NULL;
    if (!is_formula && strpbrk(text, ",\"\r\n") == NULL) {
        buf_put_string(out, text);
        return;
    }
    buf_put_u8(out, '"');
    if (is_formula)
        buf_put_u8(out, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            buf_put_u8(out, '"');
        buf_put_u8(out, (uint8_t)*text);
    }
    buf_put_u8(out, '"');
}
