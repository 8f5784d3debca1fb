/* Writing CSV (RFC 4180) for spreadsheet programs. Pure, any thread. */
#ifndef TB_BASE_CSV_H
#define TB_BASE_CSV_H

#include "node/base/bytes.h"

#define CSV_MARK "\xef\xbb\xbf" /* U+FEFF in UTF-8: what tells Excel the encoding */

/* Appends @text as one cell. What a spreadsheet would take for a formula gets an apostrophe in front. */
void csv_put_cell(struct buf *out, const char *text);

#endif
