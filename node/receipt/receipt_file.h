/* A receipt as it comes from a citizen: the proof text, its short form, the text of the QR code, or the saved page. Pure, any
 * thread.
 */
#ifndef TB_RECEIPT_RECEIPT_FILE_H
#define TB_RECEIPT_RECEIPT_FILE_H

#include "federation/ledger/policy.h"
#include "node/base/bytes.h"

#define RECEIPT_FILE_BYTES_MAX (2u << 20) /* a page with the largest proof and code has less than 1 MiB */

/* Begins the proof in a page; it ends at the next "</pre>". Only &, < and > are escaped in it, so that the text is the same
 * whether a browser saves the page as it came or writes it anew. */
#define RECEIPT_FILE_PRE "<pre id=\"tlog-proof\">"

enum receipt_form {
    RECEIPT_FORM_TEXT,    /* c2sp.org/tlog-proof@v1 */
    RECEIPT_FORM_COMPACT, /* TBR… */
    RECEIPT_FORM_QR,      /* TB1:…, maybe with a newline behind it */
    RECEIPT_FORM_PAGE     /* HTML: begins with '<' */
};

/* "text", "compact", "qr", "html". */
const char *receipt_form_name(enum receipt_form form);

/* Appends the tlog-proof text that @file is or holds; judges nothing. ERR_INVALID receipt.form (none of the four),
 * receipt.page (not exactly one proof in it); ERR_LIMIT receipt.size; for the short forms the errors of
 * receipt_from_compact(). *ret_form is set even when what follows fails. */
int receipt_file_read(struct bytes file, const struct policy *policy, struct buf *out, enum receipt_form *ret_form,
                      struct err *e) WARN_UNUSED;

/* Whether no byte of @file can have been changed: @text, taken out of it, is exact (receipt_check_exact()), and a short form has no
 * more in it than that. ERR_VERIFY receipt.not-exact. What stands around the proof of a page: receipt_page.h. */
int receipt_file_check_exact(struct bytes file, enum receipt_form form, struct bytes text, const struct policy *policy,
                             struct err *e) WARN_UNUSED;

/* Appends a proof text with &, < and > escaped: what stands behind RECEIPT_FILE_PRE. */
void receipt_file_put_pre(struct bytes text, struct buf *out);

#endif
