/* The printable page and the facts behind it: what is said for which receipt, escaping, names from a member list, and the forms
 * that are read back. */
#include "tests/unit/receipt/receipt_rig.h"

#include "node/receipt/receipt_facts.h"
#include "node/receipt/receipt_file.h"
#include "node/receipt/receipt_html.h"
#include "node/receipt/receipt_qr.h"

static void has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no '%s' in:\n%s", part, text);
}

static void has_not(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("'%s' in:\n%s", part, text);
}

/* The page of a receipt of @shape; @page's proof is set here. The caller closes @html. */
static void print_page(struct rig *r, const struct rig_shape *shape, struct receipt_page page, struct buf *html)
{
    struct buf text = {0};
    struct err e = {0};
    rig_receipt(r, shape, &text);
    page.proof = buf_bytes(&text);
    page.policy = page.policy != NULL ? page.policy : &r->policy;
    if (receipt_html(&page, html, &e) != 0)
        fail_msg("%s", e.message);
    buf_close(&text);
}

static void test_acts(void **state)
{
    static const struct {
        uint16_t event;
        const char *zh, *en;
    } rows[] = {{CASE_EVENT_SUBMIT, "<h1>收件凭证<br>", "Receipt for an application<"},
                {CASE_EVENT_ACCEPT, "<h1>受理凭证<br>", "Receipt for the acceptance of an application<"},
                {CASE_EVENT_DECIDE, "<h1>决定凭证<br>", "Receipt for a decision<"},
                {CASE_EVENT_DELIVER, "<h1>送达凭证<br>", "Receipt for &#39;deliver&#39;<"},
                {600, "<h1>账本记录凭证<br>", "event_600"}};
    for (size_t i = 0; i < array_count(rows); i++) {
        struct rig_shape shape = {.index = 6, .size = 11, .cosigned = 3, .step_s = 60, .event = rows[i].event};
        struct buf html = {0};
        print_page(*state, &shape, (struct receipt_page){0}, &html);
        const char *text = buf_cstr(&html);
        has(text, rows[i].zh);
        has(text, rows[i].en);
        has(text, "0102030405060708090a0b0c0d0e0f10");
        has(text, "2026-09-21 22:13:15"); /* the author's time */
        has(text, "2026-09-21 22:15:20"); /* the third witness */
        has_not(text, "class=\"open\"");
        if (rows[i].event == CASE_EVENT_SUBMIT) {
            has(text, ">" RIG_ITEM "<");
            has(text, ">510000<"); /* the deciding node */
        }
        if (rows[i].event == CASE_EVENT_DECIDE)
            has(text, "准予 (grant)");
        else
            has_not(text, "准予");
        buf_close(&html);
    }
}

static void test_nothing_from_elsewhere(void **state)
{
    static const char *const banned[] = {"<script", "src=", "href=", "url(", "@import", "<link", "<iframe", "https:"};
    struct rig_shape shape = {.index = 6, .size = 11, .cosigned = 3};
    struct buf html = {0};
    print_page(*state, &shape, (struct receipt_page){0}, &html);
    for (size_t i = 0; i < array_count(banned); i++)
        has_not(buf_cstr(&html), banned[i]);
    has(buf_cstr(&html), "size:A4");
    has(buf_cstr(&html), "default-src 'none'");
    buf_close(&html);
}

static void test_not_final(void **state)
{
    struct rig_shape shape = {.index = 6, .size = 11, .cosigned = 2};
    struct buf html = {0};
    struct policy alone;
    print_page(*state, &shape, (struct receipt_page){0}, &html);
    has(buf_cstr(&html), "<p class=\"open\">独立见证：尚未达到要求（2 个已会签，要求 3 / 4）");
    has_not(buf_cstr(&html), "<th>见证时间");
    buf_reset(&html);
    rig_policy(*state, 0, "quorum none", &alone);
    print_page(*state, &shape, (struct receipt_page){.policy = &alone}, &html);
    has_not(buf_cstr(&html), "class=\"open\"");
    has(buf_cstr(&html), "策略不要求见证，这只是账本所有者自己的说法");
    buf_close(&html);
}

static void test_registered(void **state)
{
    struct rig_shape shape = {.index = 6, .size = 11, .cosigned = 3, .event = CASE_EVENT_DECIDE};
    struct receipt_page page = {.number = "N-1", .item_code = RIG_ITEM, .item_name = "户口迁移"};
    struct buf html = {0};
    print_page(*state, &shape, page, &html);
    has(buf_cstr(&html), "登记信息（不属于证明内容）");
    has(buf_cstr(&html), ">N-1<");
    has(buf_cstr(&html), ">" RIG_ITEM "<");
    has(buf_cstr(&html), ">户口迁移<");
    buf_reset(&html);
    page.item_code = "ANOTHER"; /* the entry is not about that one */
    print_page(*state, &shape, page, &html);
    has_not(buf_cstr(&html), "ANOTHER");
    has_not(buf_cstr(&html), "户口迁移");
    has(buf_cstr(&html), ">N-1<");
    buf_reset(&html);
    page.number = "";
    print_page(*state, &shape, page, &html);
    has_not(buf_cstr(&html), "登记信息");
    buf_close(&html);
}

/* Values that are HTML, or turn the direction of reading; a proof with such a name is read back as it was. */
static void test_escaping(void **state)
{
    static const char bad[] = "<b>&\"'\xe2\x80\xae</pre>";
    struct rig *r = *state;
    struct rig_shape shape = {.index = 6, .size = 11, .cosigned = 3, .event = CASE_EVENT_DECIDE};
    struct rig hostile = *r;
    struct policy_witness witnesses[4];
    struct buf html = {0}, text = {0}, back = {0};
    enum receipt_form form;
    char name[64];
    (void)snprintf(name, sizeof name, "w%s%s", bad, bad);
    assert_int_equal(note_signer_init(name, NOTE_TYPE_COSIGNATURE, r->crypto[1], &hostile.witnesses[0], NULL), 0);
    memcpy(witnesses, r->policy.witnesses, sizeof witnesses);
    witnesses[0].key = hostile.witnesses[0].key;
    witnesses[0].name = bad;
    hostile.policy.witnesses = witnesses;
    print_page(&hostile, &shape, (struct receipt_page){.item_code = RIG_ITEM, .item_name = bad, .number = bad}, &html);
    has_not(buf_cstr(&html), "<b>");
    has(buf_cstr(&html), ">&lt;b&gt;&amp;&quot;&#39;\xef\xbf\xbd&lt;/pre&gt;<"); /* name of the item, and number */
    has(buf_cstr(&html), ">&lt;b&gt;&amp;&quot;&#39;\xef\xbf\xbd&lt;/pre&gt; · 2026-"); /* a witness */
    rig_receipt(&hostile, &shape, &text);
    assert_int_equal(receipt_file_read(buf_bytes(&html), &hostile.policy, &back, &form, NULL), 0);
    assert_int_equal(form, RECEIPT_FORM_PAGE);
    assert_true(bytes_equal(buf_bytes(&text), buf_bytes(&back)));
    buf_close(&html);
    buf_close(&text);
    buf_close(&back);
}

/* A page that was printed must be made anew byte by byte as long as its layout is known. This fails when layout 1 changes: then give
 * the new one another number (receipt_page.h) and keep the old. */
static void test_layout_is_kept(void **state)
{
    struct rig *r = *state;
    struct rig_shape shape = {.index = 6, .size = 11, .cosigned = 3, .step_s = 60, .event = CASE_EVENT_DECIDE};
    struct member list[] = {{.code = 440000, .name = "广东省", .witness = r->witnesses[1].key},
                            {.code = 510000, .name = "四川省", .key = r->log.key, .witness = r->witnesses[7].key}};
    struct members members = {.list = list, .count = 2};
    struct receipt_page page = {.members = &members, .number = "N-1", .item_code = RIG_ITEM, .item_name = "户口迁移"};
    struct buf html = {0};
    uint8_t hash[CRYPTO_HASH_SIZE];
    char hex[2 * CRYPTO_HASH_SIZE + 1];
    print_page(r, &shape, page, &html);
    crypto_sha256_one(html.data, html.size, hash);
    hex_encode(hash, sizeof hash, hex);
    assert_string_equal(hex, "f6ac3088414824cdff0435f25ed27f89de8644a6a9b6c5d1458fa8241e0fae5c");
    buf_close(&html);
}

static void test_refused(void **state)
{
    struct rig *r = *state;
    struct rig_shape shape = {.index = 6, .size = 11, .cosigned = 3};
    struct buf text = {0}, html = {0};
    struct err e = {0};
    rig_receipt(r, &shape, &text);
    text.data[60] ^= 1; /* in the leaf */
    const struct receipt_page page = {.proof = buf_bytes(&text), .policy = &r->policy};
    assert_true(receipt_html(&page, &html, &e) < 0);
    assert_int_equal(html.size, 0);
    buf_close(&text);
    buf_close(&html);
}

static void test_no_room_for_a_code(void **state)
{
    struct rig_shape shape = {.index = 6, .size = 11, .cosigned = 3, .leaf_bytes = 2800};
    struct buf html = {0}, back = {0};
    struct arena mem = ARENA_INIT;
    struct receipt receipt;
    enum receipt_form form;
    struct rig *r = *state;
    print_page(r, &shape, (struct receipt_page){0}, &html);
    has(buf_cstr(&html), "本凭证放不进二维码");
    has_not(buf_cstr(&html), "<svg");
    assert_int_equal(receipt_file_read(buf_bytes(&html), &r->policy, &back, &form, NULL), 0);
    assert_int_equal(receipt_verify(buf_bytes(&back), &r->policy, &mem, &receipt, NULL), 0);
    buf_close(&html);
    buf_close(&back);
    arena_close(&mem);
}

static void test_codes(void **state)
{
    struct buf text = {0}, svg = {0};
    struct err e = {0};
    (void)state;
    for (size_t i = 0; i < 4296; i++)
        buf_put_u8(&text, 'A');
    assert_int_equal(receipt_qr_svg(buf_bytes(&text), &svg, &e), 0);
    has(buf_cstr(&svg), "viewBox=\"0 0 185 185\""); /* version 40: 177 modules and the margin */
    buf_reset(&svg);
    assert_int_equal(receipt_qr_svg(bytes_of(text.data, 1000), &svg, &e), 0);
    has(buf_cstr(&svg), "viewBox=\"0 0 109 109\""); /* 21-M */
    buf_reset(&svg);
    assert_int_equal(receipt_qr_svg(bytes_of(text.data, 2000), &svg, &e), 0);
    has(buf_cstr(&svg), "viewBox=\"0 0 133 133\""); /* 27-L, where M would take version 30 */
    buf_put_u8(&text, 'A');
    buf_reset(&svg);
    assert_int_equal(receipt_qr_svg(buf_bytes(&text), &svg, &e), ERR_LIMIT);
    assert_string_equal(e.id, "receipt.qr-size");
    assert_int_equal(svg.size, 0);
    buf_close(&text);
    buf_close(&svg);
}

static void test_forms_refused(void **state)
{
    static const struct {
        const char *file, *id;
    } rows[] = {
        {"", "receipt.form"},
        {"hello", "receipt.form"},
        {"tbr", "receipt.form"},
        {"TBR", "receipt.version"},
        {"TB1:", "receipt.compact"},
        {"TB1:aa", "receipt.base45"},
        {"TB1:BB8\n\n", "receipt.base45"},
        {"<html>", "receipt.page"},
        {"<html>" RECEIPT_FILE_PRE "x", "receipt.page"},
        {"<html>" RECEIPT_FILE_PRE "x<b></pre>", "receipt.page"},
        {"<html>" RECEIPT_FILE_PRE "x&quot;</pre>", "receipt.page"},
        {"<html>" RECEIPT_FILE_PRE "x></pre>", "receipt.page"},
        {"<html>" RECEIPT_FILE_PRE "x</pre>" RECEIPT_FILE_PRE "y</pre>", "receipt.page"},
        {"<html>" RECEIPT_FILE_PRE "x" RECEIPT_FILE_PRE "y</pre>", "receipt.page"},
    };
    struct rig *r = *state;
    enum receipt_form form;
    struct err e = {0};
    struct buf out = {0};
    for (size_t i = 0; i < array_count(rows); i++) {
        assert_true(receipt_file_read(bytes_of_string(rows[i].file), &r->policy, &out, &form, &e) < 0);
        assert_string_equal(e.id, rows[i].id);
        buf_reset(&out);
    }
    assert_int_equal(receipt_file_read(bytes_of_string("<p>" RECEIPT_FILE_PRE "a&amp;lt;&lt;&gt;</pre>"), &r->policy,
                                       &out, &form, &e),
                     0);
    assert_string_equal(buf_cstr(&out), "a&lt;<>");
    uint8_t *large = calloc(1, RECEIPT_FILE_BYTES_MAX + 1);
    assert_int_equal(receipt_file_read(bytes_of(large, RECEIPT_FILE_BYTES_MAX + 1), &r->policy, &out, &form, &e),
                     ERR_LIMIT);
    assert_string_equal(e.id, "receipt.size");
    free(large);
    buf_close(&out);
}

/* ---- facts ---- */

static int facts(struct rig *r, const struct rig_shape *shape, const struct members *members, struct arena *mem,
                 struct receipt_facts *ret, struct err *e)
{
    struct buf text = {0};
    struct receipt receipt;
    rig_receipt(r, shape, &text);
    int rc = receipt_open(arena_bytes(mem, buf_bytes(&text)), &r->policy, mem, &receipt, e);
    assert_int_equal(rc, 0);
    buf_close(&text);
    return receipt_facts_of(&receipt, &r->policy, members, mem, ret, e);
}

static void test_times(void **state)
{
    struct rig_shape shape = {.index = 6, .size = 11, .cosigned = 4, .step_s = 60};
    struct arena mem = ARENA_INIT;
    struct receipt_facts f;
    struct err e;
    assert_int_equal(facts(*state, &shape, NULL, &mem, &f, &e), 0);
    assert_int_equal(f.first_s, RIG_TIME);
    assert_int_equal(f.quorum_s, RIG_TIME + 120); /* the third of three needed; the fourth changes nothing */
    assert_int_equal(f.author_ms, (uint64_t)RIG_TIME * 1000 - 5000);
    assert_int_equal(f.needed, 3);
    assert_int_equal(f.of, 4);
    assert_string_equal(f.origin, RIG_LOG);
    assert_null(f.node_name);
    assert_string_equal(receipt_facts_time(&mem, 0), "1970-01-01 08:00:00");
    assert_string_equal(receipt_facts_time(&mem, INT64_MAX), "9223372036854775807 s");
    arena_close(&mem);
}

static void test_members(void **state)
{
    struct rig *r = *state;
    struct rig_shape shape = {.index = 6, .size = 11, .cosigned = 3, .event = CASE_EVENT_SUBMIT};
    struct member list[] = {{.code = 440000, .name = "广东省", .witness = r->witnesses[1].key},
                            {.code = 510000, .name = "四川省", .key = r->log.key, .witness = r->witnesses[7].key}};
    struct members members = {.list = list, .count = 2};
    struct arena mem = ARENA_INIT;
    struct receipt_facts f;
    struct err e = {0};
    assert_int_equal(facts(r, &shape, &members, &mem, &f, &e), 0);
    assert_string_equal(f.node_name, "四川省");
    assert_int_equal(f.node_code, 510000);
    assert_string_equal(f.lead_name, "四川省");
    size_t named = 0;
    for (size_t i = 0; i < f.witness_count; i++)
        named += f.witnesses[i].code == 440000 && strcmp(f.witnesses[i].name, "广东省") == 0;
    assert_int_equal(named, 1);
    for (size_t i = 0; i < f.witness_count; i++)
        assert_false(f.witnesses[i].is_own);
    list[1].witness = r->witnesses[0].key; /* the ledger's keeper cosigns itself */
    assert_int_equal(facts(r, &shape, &members, &mem, &f, &e), 0);
    for (size_t i = 0; i < f.witness_count; i++)
        assert_true(f.witnesses[i].is_own == (f.witnesses[i].code == 510000));
    has(f.not_proven[0].zh, "独立性：见证方之一就是账本所有者自己");

    list[1].key.public_key[0] ^= 1;
    assert_int_equal(facts(r, &shape, &members, &mem, &f, &e), ERR_VERIFY);
    assert_string_equal(e.id, "receipt.member-key");
    list[1].key.public_key[0] ^= 1;
    list[1].code = 520000;
    assert_int_equal(facts(r, &shape, &members, &mem, &f, &e), ERR_VERIFY);
    assert_string_equal(e.id, "receipt.author");
    members.count = 1; /* a ledger that is not on the list: named by its origin */
    assert_int_equal(facts(r, &shape, &members, &mem, &f, &e), 0);
    assert_null(f.node_name);
    arena_close(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acts),      cmocka_unit_test(test_nothing_from_elsewhere),
        cmocka_unit_test(test_not_final), cmocka_unit_test(test_registered),
        cmocka_unit_test(test_escaping),  cmocka_unit_test(test_layout_is_kept),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_no_room_for_a_code),
        cmocka_unit_test(test_codes),     cmocka_unit_test(test_forms_refused),
        cmocka_unit_test(test_times),     cmocka_unit_test(test_members),
    };
    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
