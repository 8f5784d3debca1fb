/* The printable receipt (see receipt_html.h). Happy path: open the proof, take its facts, put them as a table, the words on what
 * is proven, the code, the proof. Failure modes: a receipt that does not open gives no page; one too long for a QR code
 * gives a page with the file's text only. Every value is escaped. Pure, any thread. */
#include "node/receipt/receipt_html.h"

#include <inttypes.h>
#include <string.h>

#include "federation/ledger/receipt.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"
#include "node/receipt/receipt_facts.h"
#include "node/receipt/receipt_file.h"
#include "node/receipt/receipt_page.h"
#include "node/receipt/receipt_qr.h"

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"zh-CN\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>办件凭证 Case receipt</title>\n";

static const char style[] =
    "<style>\n@page{size:A4;margin:12mm 14mm}\n"
    "body{max-width:182mm;margin:0 auto;color:#111;background:#fff;"
    "font:9.5pt/1.4 \"Noto Sans CJK SC\",\"Source Han Sans SC\",\"Microsoft YaHei\",\"PingFang SC\",sans-serif}\n"
    "header{border-bottom:.6mm solid #8c1d18;padding-bottom:1.5mm;margin-bottom:2.5mm}\n"
    "h1{font-size:21pt;line-height:1.15;margin:0;color:#8c1d18}h1 "
    ".en{display:block;line-height:1.3;font-size:9pt}code{font-size:9pt}\n"
    "h2{font-size:10.5pt;margin:3mm 0 .8mm;border-bottom:.25mm solid #999}\n"
    ".en{color:#555;font-size:7.5pt;font-weight:normal}p{margin:.8mm 0}ul{margin:.8mm "
    "0;padding-left:4.5mm}li{margin:.4mm 0}\n"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.7mm 1.5mm .7mm 0;"
    "border-bottom:.2mm solid "
    "#ccc;overflow-wrap:anywhere}th{width:30mm;font-weight:normal;color:#444;line-height:1.2}\n"
    ".open{border:.5mm solid #b00;padding:1.5mm 2.5mm;margin:2mm 0;color:#b00;font-weight:bold}\n"
    ".top,.words{display:grid;grid-template-columns:1fr 1fr;gap:6mm}.top{grid-template-columns:1fr 82mm}\n"
    "figure{margin:0;break-inside:avoid}svg{width:82mm;height:82mm;display:block}figcaption{font-size:8.5pt}\n"
    ".whole{break-before:page}\n"
    "pre{font:6.5pt/1.25 monospace;white-space:pre-wrap;overflow-wrap:anywhere;border:.2mm solid #ccc;padding:2mm}\n"
    "@media(max-width:640px){.top,.words{grid-template-columns:1fr}}\n"
    "</style>\n</head>\n<body>\n";

/* ---- escaping ---- */

/* For text and for attributes in quotes. What moves the reading direction or is no UTF-8 becomes U+FFFD. */
void receipt_html_put_text(struct buf *out, const char *text)
{
    size_t size = strlen(text);
    for (size_t at = 0; at < size;) {
        uint32_t rune = 0;
        size_t n = utf8_decode(text + at, size - at, &rune);
        if (n == 0 || rune < 0x20 || rune == 0x7f || utf8_is_unsafe(rune))
            buf_put_string(out, "\xef\xbf\xbd");
        else if (rune == '&')
            buf_put_string(out, "&amp;");
        else if (rune == '<')
            buf_put_string(out, "&lt;");
        else if (rune == '>')
            buf_put_string(out, "&gt;");
        else if (rune == '"')
            buf_put_string(out, "&quot;");
        else if (rune == '\'')
            buf_put_string(out, "&#39;");
        else
            buf_put(out, text + at, n);
        at += n > 0 ? n : 1;
    }
}

static void put_both(struct buf *out, const char *open, const struct receipt_line *line, const char *close)
{
    buf_put_string(out, open);
    receipt_html_put_text(out, line->zh);
    buf_put_string(out, "<br><span class=\"en\">");
    receipt_html_put_text(out, line->en);
    buf_printf(out, "</span>%s\n", close);
}

/* One row of a table; none for a value that is not there. */
static void put_row(struct buf *out, const char *zh, const char *en, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    buf_printf(out, "<tr><th>%s <span class=\"en\">%s</span></th><td>", zh, en);
    receipt_html_put_text(out, value);
    buf_put_string(out, "</td></tr>\n");
}

/* ---- parts ---- */

static const char *named(struct arena *mem, const char *name, uint32_t code)
{
    if (code == 0)
        return name;
    return name != NULL ? arena_printf(mem, "%s (%u)", name, code) : arena_printf(mem, "%u", code);
}

static const char *decision_text(struct arena *mem, const struct receipt_facts *f)
{
    return f->decision == NULL ? NULL : arena_printf(mem, "%s (%s)", f->decision_zh, f->decision);
}

static void put_proven_table(struct buf *out, struct arena *mem, const struct receipt_facts *f)
{
    const char *keeper = f->node_name != NULL ? named(mem, f->node_name, f->node_code) : f->origin;
    buf_put_string(out, "<table>\n");
    put_row(out, "行为", "act", arena_printf(mem, "%s (%s)", f->act_zh, f->act));
    put_row(out, "决定", "decision", decision_text(mem, f));
    put_row(out, "理由代码", "reason code", f->reason_code);
    put_row(out, "办件标识", "case", f->case_id);
    put_row(out, "办件编码", "case number", f->number);
    put_row(out, "事项编码", "service item", f->item_code);
    put_row(out, "作出单位", "recorded by", keeper);
    put_row(out, "办理单位", "deciding node", named(mem, f->lead_name, f->lead_code));
    put_row(out, "账本及序号", "ledger and entry", arena_printf(mem, "%s #%" PRIu64, f->origin, f->index));
    put_row(out, "见证时间（北京时间）", "witnessed at (UTC+8)",
            f->quorum_s == 0 ? NULL : receipt_facts_time(mem, f->quorum_s));
    put_row(out, "自述时间（北京时间）", "keeper's own time (UTC+8)", receipt_facts_time(mem, f->author_ms / 1000));
    for (size_t i = 0; i < f->witness_count; i++)
        put_row(out, "见证方", "witness",
                arena_printf(mem, "%s · %s", named(mem, f->witnesses[i].name, f->witnesses[i].code),
                             receipt_facts_time(mem, f->witnesses[i].time_s)));
    buf_put_string(out, "</table>\n");
}

/* Whether the entry is about this item, as far as its service code says. */
static bool is_item_of(const struct receipt_facts *f, const char *item_code)
{
    uint8_t hash[CRYPTO_HASH_SIZE];
    if (item_code == NULL || item_code[0] == '\0')
        return false;
    crypto_sha256_one(item_code, strlen(item_code), hash);
    return get_be32(hash) == f->service;
}

static void put_registered(struct buf *out, const struct receipt_page *page, const struct receipt_facts *f)
{
    const char *code = f->item_code == NULL && is_item_of(f, page->item_code) ? page->item_code : NULL;
    bool goes_with =
        code != NULL || (f->item_code != NULL && page->item_code != NULL && strcmp(f->item_code, page->item_code) == 0);
    const char *name = goes_with ? page->item_name : NULL;
    const char *number = f->number == NULL ? page->number : NULL;
    if (code == NULL && (name == NULL || name[0] == '\0') && (number == NULL || number[0] == '\0'))
        return;
    buf_put_string(
        out, "<h2>登记信息（不属于证明内容） <span class=\"en\">As registered; not part of the proof</span></h2>\n"
             "<table>\n");
    put_row(out, "办件编码", "case number", number);
    put_row(out, "事项编码", "service item", code);
    put_row(out, "事项名称", "name of the item", name);
    buf_put_string(out, "</table>\n");
}

static void put_lines(struct buf *out, const char *title, const struct receipt_line *lines, size_t count)
{
    buf_printf(out, "<div><h2>%s</h2>\n<ul>\n", title);
    for (size_t i = 0; i < count; i++)
        put_both(out, "<li>", &lines[i], "</li>");
    buf_put_string(out, "</ul></div>\n");
}

static int put_code(struct buf *out, const struct receipt_page *page, struct err *e)
{
    struct buf text = {0};
    struct err why = {0};
    int rc = receipt_to_qr_text(page->proof, page->policy, &text, &why);
    if (rc == 0) {
        buf_put_string(out, "<figure>");
        rc = receipt_qr_svg(buf_bytes(&text), out, e);
        buf_put_string(
            out,
            "<figcaption>码中是完整凭证，核验无需联网。 <span class=\"en\">The code holds the whole receipt; it is "
            "verified offline.</span></figcaption></figure>\n");
    } else if (rc == ERR_LIMIT || rc == ERR_CONFLICT) {
        const struct receipt_line line = {
            "本凭证放不进二维码，请保存本页或下方文本。",
            "This receipt does not fit into a QR code: keep this page or the text below."};
        put_both(out, "<figure>", &line, "</figure>");
        rc = 0;
    } else if (e != NULL) {
        *e = why;
    }
    buf_close(&text);
    return rc;
}

static void put_proof(struct buf *out, struct bytes proof)
{
    buf_put_string(
        out,
        "<section class=\"whole\"><h2>凭证文本 <span class=\"en\">The receipt itself</span></h2>\n" RECEIPT_FILE_PRE);
    receipt_file_put_pre(proof, out);
    buf_put_string(out, "</pre></section>\n</body>\n</html>\n");
}

static void put_how(struct buf *out)
{
    buf_put_string(out, "<h2>如何核验 <span class=\"en\">How to verify</span></h2>\n"
                        "<p>"
                        "扫描二维码得到的文字，或保存的本页，连同联邦公布的策略文件，在任何一台电脑上即可核验，无需联网"
                        "，也不必询问任何机关："
                        "<br><span class=\"en\">The text that a scanner reads from the code, or this page as saved, "
                        "with the policy file that the "
                        "federation publishes, is verified on any computer, without a network and without asking any "
                        "authority:</span><br>"
                        "<code>tongban receipt verify FILE --policy policy.txt</code></p>\n");
}

/* ---- the page ---- */

/* Members that are named on the page, in their order. */
static const struct member **pick_members(const struct receipt_page *page, const struct receipt *r,
                                          const struct receipt_facts *f, struct arena *mem, size_t *ret_count)
{
    const struct members *m = page->members;
    const struct member **wanted = arena_alloc(mem, ((m == NULL ? 0 : m->count) + 1) * sizeof(void *));
    *ret_count = 0;
    for (size_t i = 0; m != NULL && i < m->count; i++) {
        const struct member *one = &m->list[i];
        bool is_seen = one->code == f->lead_code || one->code == f->node_code;
        for (size_t k = 0; !is_seen && k < r->opened.cosigned_count; k++) {
            const struct note_verifier *key = &page->policy->witnesses[r->opened.cosigned[k].witness].key;
            is_seen = memcmp(one->witness.public_key, key->public_key, sizeof key->public_key) == 0;
        }
        if (is_seen)
            wanted[(*ret_count)++] = one;
    }
    return wanted;
}

static int put_page(const struct receipt_page *page, struct bytes data, const struct receipt *r, struct arena *mem,
                    struct buf *out, struct err *e)
{
    struct receipt_facts f;
    int rc = receipt_facts_of(r, page->policy, page->members, mem, &f, e);
    if (rc != 0)
        return rc;
    buf_put_string(out, head);
    buf_put_string(out, RECEIPT_PAGE_DATA);
    buf_put(out, data.data, data.size);
    buf_printf(out, "\">\n" RECEIPT_PAGE_DIGEST "%0*d\">\n", (int)RECEIPT_PAGE_DIGEST_SIZE, 0);
    buf_put_string(out, style);
    buf_put_string(out, "<header>通办 办件凭证 <span class=\"en\">Tongban case receipt</span>\n");
    put_both(out, "<h1>", &f.title, "</h1></header>");
    if (!f.is_final)
        put_both(out, "<p class=\"open\">", &f.not_proven[0], "</p>");
    buf_put_string(out, "<div class=\"top\"><div>\n");
    put_proven_table(out, mem, &f);
    put_registered(out, page, &f);
    buf_put_string(out, "</div>\n");
    rc = put_code(out, page, e);
    if (rc != 0)
        return rc;
    buf_put_string(out, "</div>\n<div class=\"words\">\n");
    put_lines(out, "本凭证证明 <span class=\"en\">What this receipt proves</span>", f.proven, f.proven_count);
    put_lines(out, "本凭证不证明 <span class=\"en\">What it does not prove</span>", f.not_proven, f.not_proven_count);
    buf_put_string(out, "</div>\n");
    put_how(out);
    put_proof(out, page->proof);
    receipt_page_seal(out);
    return 0;
}

/* What goes into the page's data is what it is made from, so that it can be made anew from them. */
static int make_page(const struct receipt_page *page, const struct receipt *r, struct arena *mem, struct buf *out,
                     struct err *e)
{
    struct receipt_facts f;
    struct receipt_page bound;
    struct buf data = {0};
    size_t count = 0;
    int rc = receipt_facts_of(r, page->policy, page->members, mem, &f, e);
    if (rc != 0)
        return rc;
    const struct member **wanted = pick_members(page, r, &f, mem, &count);
    receipt_page_put_data(page, wanted, count, &data);
    rc = receipt_page_parse_data(buf_bytes(&data), page->policy, mem, &bound, e);
    bound.proof = page->proof;
    if (rc == 0)
        rc = put_page(&bound, buf_bytes(&data), r, mem, out, e);
    buf_close(&data);
    return rc;
}

int receipt_html(const struct receipt_page *page, struct buf *out, struct err *e)
{
    struct arena mem = ARENA_INIT;
    struct receipt *r = arena_alloc(&mem, sizeof *r);
    struct buf html = {0};
    int rc = receipt_open(page->proof, page->policy, &mem, r, e);
    if (rc == 0)
        rc = make_page(page, r, &mem, &html, e);
    if (rc == 0)
        buf_put(out, html.data, html.size);
    buf_close(&html);
    arena_close(&mem);
    return rc;
}
