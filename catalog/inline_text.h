/* Texts inside the cells of a worksheet (inlineStr, as openpyxl writes them), which FreeXL 2 leaves out: taken out of the cells into
 * the workbook's table of texts. Works on the XML as it stands; what is no such cell is copied byte by byte. Pure, any thread.
 */
#ifndef TB_CATALOG_INLINE_TEXT_H
#define TB_CATALOG_INLINE_TEXT_H

#include <stddef.h>

#include "node/base/bytes.h"

/* Appends @sheet to @out with such cells as references to texts from @*count on; the texts, as <si> elements, go to @texts. */
void inline_text_lift(struct bytes sheet, struct buf *out, struct buf *texts, size_t *count);

/* How many texts @table (sharedStrings.xml, may be empty) has. */
size_t inline_text_count(struct bytes table);
/* Appends the table with @texts behind its own, @count in all. */
void inline_text_join(struct bytes table, struct bytes texts, size_t count, struct buf *out);

#endif
