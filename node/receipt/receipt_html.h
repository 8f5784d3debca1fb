/* The printable receipt: a page in HTML for A4, Chinese first, English below, without script and without anything from
 * elsewhere. The proof stands in it as text and as a QR code, so that the saved page, the file and the paper all verify
 * (receipt_file.h reads the page). Pure, any thread.
 */
#ifndef TB_RECEIPT_RECEIPT_HTML_H
#define TB_RECEIPT_RECEIPT_HTML_H

#include "federation/ledger/policy.h"
#include "federation/members.h"

struct receipt_page {
    struct bytes proof;            /* tlog-proof text with the leaf */
    const struct policy *policy;   /* that the receipt is judged by */
    const struct members *members; /* names of the nodes; NULL: the ledgers' origins */
    /* What the node knows beside the receipt; shown apart from what is proven. NULL or "": not known. */
    const char *number;    /* 办件编码 */
    const char *item_code; /* shown only when it goes with the entry's service code */
    const char *item_name; /* its title in the catalog */
};

/* Appends the page. A receipt whose quorum is not reached gives a page that says so. Errors as receipt_open() and
 * receipt_facts_of(): what does not open is not printed. */
/* Appends @text escaped, for text and for attributes in quotes. */
void receipt_html_put_text(struct buf *out, const char *text);

int receipt_html(const struct receipt_page *page, struct buf *out, struct err *e) WARN_UNUSED;

#endif
