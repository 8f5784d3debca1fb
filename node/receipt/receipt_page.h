/* What binds a printed page (receipt_html.h) to the proof in it, so that no word of the page can say anything else.
 *
 * The page carries, in its head, the few things on it that no receipt says (names of nodes, number and name of the item) and
 * the SHA-256 of the whole page. Whoever verifies the page makes it anew from the proof in it, the policy and these few
 * things, and compares byte by byte (federation/FORMATS.md, "Receipt page"). Pure, any thread.
 */
#ifndef TB_RECEIPT_RECEIPT_PAGE_H
#define TB_RECEIPT_RECEIPT_PAGE_H

#include "federation/members.h"
#include "node/receipt/receipt_html.h"

/* Counts up with every change of what a page looks like or says: pages that are out there must still be made anew. */
#define RECEIPT_PAGE_LAYOUT "tongban-page/1"
#define RECEIPT_PAGE_DATA "<meta name=\"tongban-page\" content=\""
#define RECEIPT_PAGE_DIGEST "<meta name=\"tongban-digest\" content=\""
#define RECEIPT_PAGE_DIGEST_SIZE 64u /* hex digits */

/* Appends the data of a page in base64: what of @page, and of its members those in @wanted, is to be seen on it. */
void receipt_page_put_data(const struct receipt_page *page, const struct member *const *wanted, size_t count,
                           struct buf *out);

/* Puts the digest into a page that has zeros in its place. */
void receipt_page_seal(struct buf *html);

/* Judges the page @file around its proof @proof, which has been judged under @policy. @known: the verifier's own member list, or
 * NULL: then the nodes' names stand as the page has them. ERR_UNSUPPORTED receipt.page-layout (made by a program that this one
 * does not know), ERR_VERIFY receipt.page-digest (a byte is not as it was printed), receipt.page-altered (it says something
 * that its proof does not), receipt.page-name (a node has another name in @known). */
int receipt_page_check(struct bytes file, struct bytes proof, const struct policy *policy, const struct members *known,
                       struct err *e) WARN_UNUSED;

/* Reads the data back: @ret's texts and members in @mem. ERR_UNSUPPORTED, ERR_INVALID receipt.page-layout. */
int receipt_page_parse_data(struct bytes base64, const struct policy *policy, struct arena *mem,
                            struct receipt_page *ret, struct err *e) WARN_UNUSED;

#endif
