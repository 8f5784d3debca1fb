/* The four forms of a receipt (see receipt_file.h). Happy path: the first bytes tell the form; the proof text is taken out of
 * it. Failure modes: a page without a proof, or with two (which would one mean?), and whatever stands in its place unescaped.
 * Any thread. */
#include "node/receipt/receipt_file.h"

#include <string.h>

#include "federation/ledger/receipt.h"
#include "node/base/xassert.h"

static const struct escape {
    char c;
    const char *text;
} escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}};

const char *receipt_form_name(enum receipt_form form)
{
    static const char *const names[] = {
        [RECEIPT_FORM_TEXT] = "text",
        [RECEIPT_FORM_COMPACT] = "compact",
        [RECEIPT_FORM_QR] = "qr",
        [RECEIPT_FORM_PAGE] = "html",
    };
    return names[form];
}

void receipt_file_put_pre(struct bytes text, struct buf *out)
{
    for (size_t at = 0; at < text.size; at++) {
        const char *escaped = NULL;
        for (size_t i = 0; i < array_count(escapes); i++)
            if (text.data[at] == (uint8_t)escapes[i].c)
                escaped = escapes[i].text;
        if (escaped != NULL)
            buf_put_string(out, escaped);
        else
            buf_put_u8(out, text.data[at]);
    }
}

static bool starts_with(struct bytes b, const char *start)
{
    return b.size >= strlen(start) && memcmp(b.data, start, strlen(start)) == 0;
}

static struct bytes from(struct bytes b, size_t at)
{
    return bytes_of(b.data + at, b.size - at);
}

/* Position of @text in @b, or b.size. */
static size_t find(struct bytes b, const char *text)
{
    const uint8_t *at = b.size == 0 ? NULL : memmem(b.data, b.size, text, strlen(text));
    return at == NULL ? b.size : (size_t)(at - b.data);
}

static int put_unescaped(struct bytes pre, struct buf *out, struct err *e)
{
    for (size_t at = 0; at < pre.size;) {
        const struct escape *found = NULL;
        bool is_raw = true;
        for (size_t i = 0; i < array_count(escapes); i++) {
            if (pre.data[at] == (uint8_t)escapes[i].c)
                is_raw = false;
            if (starts_with(from(pre, at), escapes[i].text))
                found = &escapes[i];
        }
        if (!is_raw && found == NULL)
            return err_set(e, ERR_INVALID, "receipt.page",
                           "the proof in the page has something at byte %zu that is no text", at);
        buf_put_u8(out, found != NULL ? (uint8_t)found->c : pre.data[at]);
        at += found != NULL ? strlen(found->text) : 1;
    }
    return 0;
}

static int read_page(struct bytes file, struct buf *out, struct err *e)
{
    size_t at = find(file, RECEIPT_FILE_PRE);
    if (at == file.size)
        return err_set(e, ERR_INVALID, "receipt.page", "the page has no proof (%s)", RECEIPT_FILE_PRE);
    struct bytes rest = from(file, at + strlen(RECEIPT_FILE_PRE));
    if (find(rest, RECEIPT_FILE_PRE) != rest.size)
        return err_set(e, ERR_INVALID, "receipt.page", "the page has more than one proof");
    size_t size = find(rest, "</pre>");
    if (size == rest.size)
        return err_set(e, ERR_INVALID, "receipt.page", "the proof in the page does not end: the page is cut");
    return put_unescaped(bytes_of(rest.data, size), out, e);
}

/* The text of a code without the newline that an editor or a scanner put behind it. */
static struct bytes without_end(struct bytes file)
{
    if (file.size > 0 && file.data[file.size - 1] == '\n')
        file.size--;
    return file;
}

static int read_qr(struct bytes file, const struct policy *policy, struct buf *out, struct err *e)
{
    struct buf compact = {0};
    int rc = receipt_from_qr_text(without_end(file), &compact, e);
    if (rc == 0)
        rc = receipt_from_compact(buf_bytes(&compact), policy, out, e);
    buf_close(&compact);
    return rc;
}

int receipt_file_read(struct bytes file, const struct policy *policy, struct buf *out, enum receipt_form *ret_form,
                      struct err *e)
{
    if (file.size > RECEIPT_FILE_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "receipt.size", "a receipt of %zu bytes, limit %u", file.size,
                       RECEIPT_FILE_BYTES_MAX);
    if (starts_with(file, "c2sp.org/")) {
        *ret_form = RECEIPT_FORM_TEXT;
        buf_put(out, file.data, file.size);
        return 0;
    }
    if (starts_with(file, receipt_compact_magic)) {
        *ret_form = RECEIPT_FORM_COMPACT;
        return receipt_from_compact(file, policy, out, e);
    }
    if (starts_with(file, receipt_qr_prefix)) {
        *ret_form = RECEIPT_FORM_QR;
        return read_qr(file, policy, out, e);
    }
    if (starts_with(file, "<")) {
        *ret_form = RECEIPT_FORM_PAGE;
        return read_page(file, out, e);
    }
    return err_set(e, ERR_INVALID, "receipt.form",
                   "%zu bytes that are no receipt: neither a tlog-proof text, its short form, the text of its QR code "
                   "nor a saved page",
                   file.size);
}

int receipt_file_check_exact(struct bytes file, enum receipt_form form, struct bytes text, const struct policy *policy,
                             struct err *e)
{
    struct buf given = {0}, made = {0};
    int rc = receipt_check_exact(text, policy, e);
    if (rc != 0 || form == RECEIPT_FORM_TEXT || form == RECEIPT_FORM_PAGE)
        return rc;
    if (form == RECEIPT_FORM_COMPACT)
        buf_put(&given, file.data, file.size);
    else
        rc = receipt_from_qr_text(without_end(file), &given, e);
    if (rc == 0)
        rc = receipt_to_compact(text, policy, 0, &made, e);
    if (rc == 0 && !bytes_equal(buf_bytes(&given), buf_bytes(&made)))
        rc = err_set(
            e, ERR_VERIFY, "receipt.not-exact",
            "the receipt has a cosignature of a witness that the policy does not know: it was changed, or is newer "
            "than the policy");
    buf_close(&given);
    buf_close(&made);
    return rc;
}
