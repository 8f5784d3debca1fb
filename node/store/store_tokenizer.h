/* FTS5 tokenizer "chinese": Chinese has no word boundaries, so a run of Han characters gives each pair of neighbours, and for
 * documents each character too, at the same place; a phrase of pairs is then found wherever it stands. ASCII letters and
 * digits, full-width ones too, give words in lower case. All else separates. Other tokens for the same text need another
 * SEARCH_TEXT_VERSION (catalog/search_text.h), so that indexes are made anew.
 *
 * Internal to node/store.
 */
#ifndef TB_STORE_STORE_TOKENIZER_H
#define TB_STORE_STORE_TOKENIZER_H

#include "node/store/store_sql.h"

/* Makes the tokenizer known to the connection. */
int store_tokenizer_register(struct store_sql *c, struct err *e) WARN_UNUSED;

/* Whether @rune is a Han character for the tokenizer. */
bool store_tokenizer_is_han(uint32_t rune);

#endif
