/* Base45 (RFC 9285): bytes as the 45 characters that a QR code packs two into 11 bits. Strict: one text for each byte string,
 * and nothing else is read. Pure, any thread.
 */
#ifndef TB_LEDGER_BASE45_H
#define TB_LEDGER_BASE45_H

#include "node/base/bytes.h"

/* Characters for @size bytes: three for every two, two for a last odd one. */
size_t base45_encoded_size(size_t size);
void base45_encode(struct bytes in, struct buf *out);

/* Appends the bytes. ERR_INVALID receipt.base45 names the place: a character outside the alphabet (lower case too), a group
 * over 65535 (a last one of two characters: over 255), one character left over. @out is then as before. */
int base45_decode(struct bytes text, struct buf *out, struct err *e) WARN_UNUSED;

#endif
