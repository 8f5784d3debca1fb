/* Documents of a case (文书): what an applicant is handed for each act, as a page in HTML for A4, Chinese, without script and
 * without anything from elsewhere, with the QR code of the act's receipt.
 *
 * One mechanism for all: a row of the table in document.c names the act, its title, the article that asks for it and its
 * text, in which {name} stands for a value. A line whose values are all missing is left out. Every value is escaped.
 * Pure, any thread.
 */
#ifndef TB_RECEIPT_DOCUMENT_H
#define TB_RECEIPT_DOCUMENT_H

#include "node/base/bytes.h"
#include "node/base/err.h"

struct document_field {
    const char *name;  /* as in the text, without braces */
    const char *value; /* NULL or "": not known */
};

struct document_page {
    uint16_t act;     /* enum case_event_type */
    uint8_t decision; /* enum case_decision of a decide, else 0 */
    bool is_deemed;   /* an accept by silence: nobody has looked at the material, so the page says nothing of it */
    const struct document_field *fields;
    size_t field_count;
    struct bytes qr_text; /* of the receipt (receipt_qr.h); empty: @why says why there is none */
    const char *why;
};

/* Whether there is a document for this act. */
bool document_exists(uint16_t act, uint8_t decision);
/* "受理通知书"; NULL when there is none. */
const char *document_title(uint16_t act, uint8_t decision);
/* The article or notice that asks for it; NULL when there is none. */
const char *document_source(uint16_t act, uint8_t decision);

/* Appends the page. ERR_NOT_FOUND document.act: there is no document for this act; else as receipt_qr_svg(). */
int document_html(const struct document_page *page, struct buf *out, struct err *e) WARN_UNUSED;

#endif
