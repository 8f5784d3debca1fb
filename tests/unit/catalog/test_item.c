/* Goal: an item is read into the right members, its canonical bytes are the same for the same content and read back
 * on a peer, and every rule of the schema refuses by path and value. Method: one full item; a table of single edits
 * to it (find, replace, expected message); random bytes cut from it. */
#include "catalog/item.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <yyjson.h>

#include "catalog/document.h"
#include "catalog/item_rules.h"
#include "catalog/service.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"

#define NODE 510000u

/* Every field once, in another order than the canonical one. */
static const char full[] =
    "{ \"name\": \"孤儿认定\", \"code\": \"11510000TEMP00021820007KSTB0066\",\n"
    " \"basic_code\": \"0007KSTB0066\", \"reference\": \"KSTB-066\", \"type\": \"07\", \"handling\": \"承诺件\","
    " \"level\": 2, \"division\": 510100, \"version\": 3, \"status\": \"在用\", \"valid_from\": \"2024-01-01\","
    " \"valid_to\": \"2026-12-31\", \"subject\": [\"其他组织\", \"自然人\"], \"modes\": [\"异地代收代办\"],"
    " \"department\": {\"uscc\": \"11510000TEMP000218\", \"name\": \"四川省民政厅\", \"uscc_waived\": false,"
    "  \"nature\": \"受委托组织\", \"entrusted_by\": \"民政部\", \"duty\": [\"审查\", \"决定\"]},"
    " \"supporting\": [\"四川省残疾人联合会\"], \"legal_basis\": [\"甲\", \"乙\"], \"scenario\": \"一\\n二\","
    " \"conditions\": \"\\u201c\\\"\\\\\\u201d\", \"special_procedures\": ["
    "  {\"kind\": \"听证\", \"days\": 20, \"unit\": \"working\"}, {\"kind\": \"其他\", \"text\": \"公示\"}],"
    " \"local_code\": \"L1\", \"local_basic_code\": \"LB1\", \"handling_code\": \"H1\","
    " \"aliases\": [\"别名\"], \"life_events\": [\"扶残助困\", \"出生\"], \"channels\": [\"快递\", \"窗口\"],"
    " \"power\": {\"source\": \"上级委托\", \"list\": \"清单第7行\"}, \"guidance\": \"民政部\", \"quota\": \"无\","
    " \"intermediary\": \"无中介\", \"bookable\": true, \"in_hall\": true, \"self_service\": true,"
    " \"legal_review\": true, \"retention\": \"30年\", \"reach\": {\"scope\": \"全国\", \"text\": \"各窗口\"},"
    " \"visits\": {\"count\": 1, \"reason\": \"核验身份\"},"
    " \"deferral\": {\"allowed\": true, \"basis\": \"办法\", \"text\": \"承诺书\","
    "   \"limit\": {\"n\": 10, \"unit\": \"working\", \"text\": \"自受理\"}},"
    " \"promise\": {\"allowed\": true, \"basis\": \"42号\", \"materials\": [\"M2\"], \"text\": \"属实\"},"
    " \"faq\": [{\"question\": \"谁可以申请?\", \"answer\": \"监护人\\n或机构\"}],"
    " \"limits\": {\"legal\": {\"n\": 60, \"unit\": \"working\", \"text\": \"条例9\"}, \"promised\": {\"unit\": "
    "\"working\", \"n\": 36},"
    "  \"stages\": [{\"stage\": \"受理\", \"side\": \"receiving\", \"days\": 3, \"unit\": \"working\", \"at\": "
    "\"乡镇\","
    "   \"text\": \"录入\", \"office\": \"民政办\", \"phone\": \"028-0\", \"special\": true}, {\"stage\": \"核发\", "
    "\"side\": \"deciding\", \"at\": \"民政部门\"}]},"
    " \"materials\": [{\"code\": \"M1\", \"name\": \"户口簿\", \"form\": \"either\", \"necessity\": \"required\","
    "   \"source\": \"authority\", \"trust_level\": \"B\", \"originals\": 1, \"copies\": 2, \"sensitive\": true,"
    "   \"standard\": \"清晰\", \"basis\": \"规定\", \"source_mark\": {\"text\": \"书\", \"certainty\": \"seen\"},"
    "   \"kind\": \"证件证书证明\", \"licence\": \"居民户口簿\", \"source_text\": \"公安\", \"in_person\": true},"
    "  {\"code\": \"M3\", \"name\": \"照片\", \"form\": \"either\", \"necessity\": \"deferrable\","
    "   \"source\": \"applicant\", \"later\": {\"n\": 5, \"unit\": \"working\"}, \"specification\": \"两寸\","
    "   \"fill_in\": \"背面写名\", \"blank_form\": \"b.pdf\", \"sample\": \"s.pdf\"},"
    "  {\"code\": \"M2\", \"name\": \"证明\", \"form\": \"paper\", \"necessity\": \"conditional\", \"when\": "
    "\"无共享\","
    "   \"source\": \"applicant\"}],"
    " \"result\": {\"type\": \"批文\", \"name\": \"认定书\", \"sample\": \"r.pdf\"},"
    " \"fee\": {\"charged\": true, \"basis\": \"条例\", \"online\": true, \"items\": [{\"name\": \"工本费\","
    "   \"standard\": \"10元\", \"basis\": \"通知\", \"reducible\": true, \"reduction_basis\": \"低保免收\"}]},"
    " \"delivery\": {\"pickup\": true, \"post\": true, \"online\": false, \"takes_post\": true, \"postage\": "
    "\"applicant\", \"text\": "
    "\"到付\"},"
    " \"contact\": {\"phone\": \"0\", \"address\": \"一号\", \"hours\": \"工作日\", \"complaint\": \"12345\"},"
    " \"remedies\": {\"review\": \"市政府\", \"litigation\": \"法院\"},"
    " \"source\": {\"text\": \"测试\", \"certainty\": \"unverified\"} }";

#define USCC "11510000TEMP000218"
#define CODE USCC "20007KSTB0066"

static char *replace(const char *text, const char *find, const char *with)
{
    const char *at = strstr(text, find);
    if (at == NULL)
        print_error("not found: %s\n", find);
    assert_non_null(at);
    struct buf b = {0};
    buf_put(&b, text, (size_t)(at - text));
    buf_put_string(&b, with);
    buf_put_string(&b, at + strlen(find));
    char *copy = xstrdup(buf_cstr(&b));
    buf_close(&b);
    return copy;
}

/* Reads @text as an item of NODE; the first problem is in @ret_problems->list[0]. */
static struct catalog_item *read_item(const char *text, struct shape_problems *ret_problems)
{
    struct err e;
    yyjson_doc *doc = NULL;
    int rc = document_parse(bytes_of_string(text), "t.json", 10000, &doc, &e);
    if (rc != 0)
        print_error("%s\n", e.message);
    assert_int_equal(rc, 0);
    *ret_problems = (struct shape_problems){.count = 0};
    struct shape_walk walk = {.document = "t.json", .problems = ret_problems, .path = "items[3]"};
    struct catalog_item *item = catalog_item_read(&walk, yyjson_doc_get_root(doc), NODE);
    assert_string_equal(walk.path, "items[3]");
    yyjson_doc_free(doc);
    return item;
}

static struct catalog_item *read_full(void)
{
    struct shape_problems problems;
    struct catalog_item *item = read_item(full, &problems);
    if (item == NULL)
        print_error("%s\n", problems.list[0].message);
    assert_non_null(item);
    return item;
}

static void test_members(void **state)
{
    (void)state;
    struct catalog_item *item = read_full();
    assert_string_equal(item->code, CODE);
    assert_string_equal(item->basic_code, "0007KSTB0066");
    assert_string_equal(item->reference, "KSTB-066");
    assert_string_equal(item->name, "孤儿认定");
    assert_int_equal(item->type, CATALOG_TYPE_CONFIRMATION);
    assert_int_equal(item->handling, CATALOG_HANDLING_PROMISED);
    assert_int_equal(item->level, 2);
    assert_int_equal(item->division, 510100);
    assert_int_equal(item->version, 3);
    assert_int_equal(item->status, CATALOG_STATUS_IN_USE);
    assert_int_equal(item->valid_from, 20240101);
    assert_int_equal(item->valid_to, 20261231);
    assert_int_equal(item->subject, 1u << CATALOG_SUBJECT_PERSON | 1u << CATALOG_SUBJECT_OTHER);
    assert_int_equal(item->modes, 1u << CATALOG_MODE_FORWARDED);
    assert_string_equal(item->department->name, "四川省民政厅");
    assert_string_equal(item->department->uscc, USCC);
    assert_int_equal(item->supporting.count, 1);
    assert_int_equal(item->legal_basis.count, 2);
    assert_string_equal(item->legal_basis.at[1], "乙");
    assert_string_equal(item->scenario, "一\n二");
    assert_string_equal(item->conditions, "“\"\\”");
    assert_int_equal(item->special_procedures.count, 2);
    assert_int_equal(item->special_procedures.at[0].kind, CATALOG_SPECIAL_HEARING);
    assert_int_equal(item->special_procedures.at[0].days, 20);
    assert_int_equal(item->special_procedures.at[1].days, SHAPE_ABSENT);
    assert_string_equal(item->special_procedures.at[1].text, "公示");
    assert_string_equal(item->result->name, "认定书");
    assert_int_equal(item->result->type, CATALOG_RESULT_APPROVAL);
    assert_true(item->fee->is_charged);
    assert_true(item->delivery->post && item->delivery->pickup && !item->delivery->online);
    assert_int_equal(item->delivery->postage, CATALOG_PAYER_APPLICANT);
    assert_string_equal(item->contact->hours, "工作日");
    assert_string_equal(item->remedies->litigation, "法院");
    assert_int_equal(item->source->certainty, CATALOG_CERTAINTY_UNVERIFIED);
    assert_int_equal(item->service, service_code(CODE));
    catalog_item_destroy(item);
    catalog_item_destroy(NULL);
}

static void test_elements(void **state)
{
    (void)state;
    struct catalog_item *item = read_full();
    assert_string_equal(item->local_code, "L1");
    assert_string_equal(item->local_basic_code, "LB1");
    assert_string_equal(item->handling_code, "H1");
    assert_string_equal(item->aliases.at[0], "别名");
    assert_string_equal(item->life_events.at[1], "出生");
    assert_int_equal(item->channels, 1u << CATALOG_CHANNEL_WINDOW | 1u << CATALOG_CHANNEL_POST);
    assert_int_equal(item->power->source, CATALOG_POWER_ENTRUSTED_ABOVE);
    assert_string_equal(item->power->list, "清单第7行");
    assert_string_equal(item->guidance, "民政部");
    assert_string_equal(item->quota, "无");
    assert_string_equal(item->intermediary, "无中介");
    assert_true(item->is_bookable && item->is_in_hall && item->is_self_service && item->needs_legal_review);
    assert_int_equal(item->retention, CATALOG_RETENTION_30);
    assert_int_equal(item->reach->scope, CATALOG_REACH_NATION);
    assert_string_equal(item->reach->text, "各窗口");
    assert_int_equal(item->visits->count, 1);
    assert_string_equal(item->visits->reason, "核验身份");
    assert_true(item->deferral->is_allowed);
    assert_int_equal(item->deferral->limit->n, 10);
    assert_string_equal(item->deferral->basis, "办法");
    assert_true(item->promise->is_allowed);
    assert_string_equal(item->promise->materials.at[0], "M2");
    assert_string_equal(item->promise->text, "属实");
    assert_string_equal(item->faq.at[0].answer, "监护人\n或机构");
    assert_int_equal(item->department->nature, CATALOG_NATURE_ENTRUSTED);
    assert_string_equal(item->department->entrusted_by, "民政部");
    assert_int_equal(item->department->duty.count, 2);
    assert_string_equal(item->limits->legal->text, "条例9");
    assert_string_equal(item->limits->stages.at[0].office, "民政办");
    assert_string_equal(item->limits->stages.at[0].phone, "028-0");
    assert_true(item->limits->stages.at[0].has_special);
    assert_string_equal(item->result->sample, "r.pdf");
    assert_true(item->fee->is_online);
    assert_string_equal(item->fee->items.at[0].standard, "10元");
    assert_true(item->fee->items.at[0].is_reducible);
    assert_true(item->delivery->takes_post);
    assert_string_equal(item->contact->complaint, "12345");
    catalog_item_destroy(item);
}

static void test_lists(void **state)
{
    (void)state;
    struct catalog_item *item = read_full();
    assert_int_equal(item->limits->legal->n, 60);
    assert_int_equal(item->limits->promised->n, 36);
    assert_int_equal(item->limits->stages.count, 2);
    const struct catalog_stage *stages = item->limits->stages.at;
    assert_string_equal(stages[0].stage, "受理");
    assert_int_equal(stages[0].side, CATALOG_SIDE_RECEIVING);
    assert_int_equal(stages[0].days, 3);
    assert_int_equal(stages[0].unit, CATALOG_UNIT_WORKING);
    assert_string_equal(stages[0].text, "录入");
    assert_int_equal(stages[1].side, CATALOG_SIDE_DECIDING);
    assert_int_equal(stages[1].days, SHAPE_ABSENT);
    assert_int_equal(stages[1].unit, -1);
    assert_null(stages[1].text);

    assert_int_equal(item->materials.count, 3);
    const struct catalog_material *m = item->materials.at;
    assert_string_equal(m[0].code, "M1");
    assert_int_equal(m[0].form, CATALOG_FORM_EITHER);
    assert_int_equal(m[0].necessity, CATALOG_NECESSITY_REQUIRED);
    assert_int_equal(m[0].origin, CATALOG_ORIGIN_AUTHORITY);
    assert_int_equal(m[0].trust_level, CATALOG_TRUST_B);
    assert_int_equal(m[0].originals, 1);
    assert_int_equal(m[0].copies, 2);
    assert_true(m[0].is_sensitive);
    assert_string_equal(m[0].source_mark->text, "书");
    assert_int_equal(m[2].trust_level, -1);
    assert_int_equal(m[2].originals, SHAPE_ABSENT);
    assert_null(m[2].source_mark);
    assert_string_equal(m[2].when, "无共享");
    catalog_item_destroy(item);
}

static void test_least_item(void **state)
{
    (void)state;
    static const char least[] =
        "{\"code\":\"511A0138000000\",\"department\":{\"name\":\"甲\"},\"level\":4,\"modes\":[],"
        "\"name\":\"乙\",\"source\":{\"certainty\":\"seen\",\"text\":\"丙\"},\"status\":\"暂停\","
        "\"subject\":[\"自然人\"],\"type\":\"20\"}";
    struct shape_problems problems;
    struct catalog_item *item = read_item(least, &problems);
    assert_non_null(item);
    assert_int_equal(item->division, NODE);
    assert_int_equal(item->modes, 0);
    assert_int_equal(item->handling, -1);
    assert_int_equal(item->version, SHAPE_ABSENT);
    assert_null(item->limits);
    assert_null(item->basic_code);
    assert_true(bytes_equal(item->canonical, bytes_of_string(least))); /* it was written canonically */
    catalog_item_destroy(item);
}

/* The bytes that a peer reads: the same item, the same bytes again; other bytes of the same content are refused. */
static void test_canonical(void **state)
{
    (void)state;
    struct err e;
    struct catalog_item *item = read_full();
    struct catalog_item *again = NULL;
    assert_int_equal(catalog_item_parse(item->canonical, NODE, "entry 7 of 510000", &again, &e), 0);
    assert_true(bytes_equal(item->canonical, again->canonical));
    assert_string_equal(again->scenario, "一\n二");
    catalog_item_destroy(again);

    static const char start[] = "{\"aliases\":[\"别名\"],\"basic_code\":\"0007KSTB0066\",\"bookable\":true,";
    assert_memory_equal(item->canonical.data, start, sizeof start - 1);
    char *text = strndup((const char *)item->canonical.data, item->canonical.size);
    assert_non_null(strstr(text, "\"scenario\":\"一\\n二\""));
    assert_non_null(strstr(text, "\"subject\":[\"自然人\",\"其他组织\"]"));

    static const struct {
        const char *find, *with, *id;
    } rows[] = {
        {"{\"aliases\"", "{ \"aliases\"", "catalog.item-not-canonical"},
        {"\"level\":2,", "", "catalog.field-missing"},
        {"\"subject\":[\"自然人\",\"其他组织\"]", "\"subject\":[\"其他组织\",\"自然人\"]",
         "catalog.item-not-canonical"},
        {"一\\n二", "一\\u000a二", "catalog.item-not-canonical"},
        {"“", "\\u201c", "catalog.item-not-canonical"},
        {"\"division\":510100", "\"division\":440100", "catalog.division"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        char *edited = replace(text, rows[i].find, rows[i].with);
        again = NULL;
        assert_int_equal(catalog_item_parse(bytes_of_string(edited), NODE, "entry 7", &again, &e), ERR_INVALID);
        assert_string_equal(e.id, rows[i].id);
        assert_int_equal(strncmp(e.message, "entry 7: ", 9), 0);
        assert_null(again);
        free(edited);
    }
    assert_int_equal(catalog_item_parse(item->canonical, 440000, "entry 7", &again, &e), ERR_INVALID);
    assert_string_equal(e.id, "catalog.division");
    free(text);
    catalog_item_destroy(item);
}

/* long: one table of refusals */
static void test_bad_fields(void **state)
{
    (void)state;
    static const struct {
        const char *find, *with; /* one edit of the full item */
        const char *id;
        const char *message; /* part of it, after "t.json: items[3]" */
    } rows[] = {
        {"\"unit\": \"working\", \"n\": 36", "\"unit\": \"weeks\", \"n\": 36", "catalog.field-value",
         ".limits.promised.unit: 'weeks' is not one of working, natural"},
        {"\"n\": 36", "\"n\": 61", "catalog.limit-over-law", ".limits.promised.n: 61 is more than the legal limit 60"},
        {"\"n\": 36", "\"n\": 3651", "catalog.field-value", ".limits.promised.n: 3651 is not from 0 to 3650"},
        {"\"n\": 36", "\"n\": -1", "catalog.field-value", ".limits.promised.n: -1 is not"},
        {"\"n\": 36", "\"n\": 36.0", "catalog.field-type", ".limits.promised.n: 36 is not a whole number"},
        {"\"n\": 36", "\"n\": \"36\"", "catalog.field-type", ".limits.promised.n: '36' is not a whole number"},
        {"\"n\": 36", "\"n\": 18446744073709551615", "catalog.field-value", ".limits.promised.n: 18446744073709551615"},
        {", \"n\": 36", "", "catalog.field-missing", ".limits.promised: field 'n' is missing"},
        {"\"days\": 3, ", "", "catalog.stage-unit", ".limits.stages[0].unit: 'days' and 'unit' go together, 'days'"},
        {"\"days\": 3, \"unit\": \"working\"", "\"days\": 3", "catalog.stage-unit", ".limits.stages[0].days:"},
        {"\"side\": \"deciding\"", "\"side\": \"both\"", "catalog.field-value", ".limits.stages[1].side: 'both'"},
        {"\"phone\": \"0\"", "\"fax\": \"0\"", "catalog.field-unknown", ".contact: field 'fax' is not known"},
        {"\"level\": 2", "\"level\": 2, \"level\": 2", "catalog.field-duplicate", ": field 'level' is there twice"},
        {"\"level\": 2", "\"level\": null", "catalog.field-type", ".level: null is not a whole number"},
        {"\"level\": 2", "\"level\": 7", "catalog.field-value", ".level: 7 is not from 1 to 6"},
        {"\"level\": 2", "\"level\": 3", "catalog.item-code", ".code: '" CODE "' has level '2' at position 19"},
        {"\"name\": \"孤儿认定\"", "\"name\": \"\"", "catalog.field-size", ".name: '' has 0 bytes, from 1 to 300"},
        {"\"name\": \"孤儿认定\"", "\"name\": [\"x\"]", "catalog.field-type", ".name: array is not a text"},
        {"孤儿认定", "孤儿\\n认定", "catalog.field-value", ".name: '孤儿?认定' has a control character"},
        {"孤儿认定", "孤儿\\u0000认定", "catalog.field-value", ".name: '孤儿?认定' has a control character"},
        {"孤儿认定", " 孤儿", "catalog.field-value", ".name: ' 孤儿' has a control character, or a blank"},
        {"一\\n二", "一\\t二", "catalog.field-value", ".scenario: '一?二'"},
        {"\"type\": \"07\"", "\"type\": \"11\"", "catalog.field-value", ".type: '11' is not one of 01, 02"},
        {"\"type\": \"07\"", "\"type\": 7", "catalog.field-type", ".type: 7 is not one of 01, 02"},
        {"\"其他组织\", \"自然人\"", "", "catalog.field-size", ".subject: 0 words, from 1 to 7"},
        {"\"其他组织\", \"自然人\"", "\"自然人\", \"自然人\"", "catalog.field-value",
         ".subject: '自然人' is there twice"},
        {"\"其他组织\"", "1", "catalog.field-type", ".subject: 1 is not one of 自然人"},
        {"[\"异地代收代办\"]", "\"异地代收代办\"", "catalog.field-type", ".modes: '异地代收代办' is not a list"},
        {"异地代收代办", "代办", "catalog.field-value",
         ".modes: '代办' is not one of 全程网办, 异地代收代办, 多地联办"},
        {"2024-01-01", "2024-02-30", "catalog.field-value", ".valid_from: '2024-02-30' is not a date"},
        {"2024-01-01", "2027-01-01", "catalog.validity", ".valid_to: 20261231 comes before valid_from 20270101"},
        {"\"division\": 510100", "\"division\": 330100", "catalog.division",
         ".division: 330100 does not lie in 510000"},
        {"\"basic_code\": \"0007", "\"basic_code\": \"0005", "catalog.item-code", "'basic_code' is '0005KSTB0066'"},
        {"\"basic_code\": \"0007KSTB0066\"", "\"basic_code\": \"0007KSTB006\"", "catalog.field-size", ".basic_code: "},
        {"\"code\": \"" CODE, "\"code\": \"" CODE "-1", "catalog.field-value", "has other characters than 0-9"},
        {"\"code\": \"" CODE, "\"code\": \"" CODE "1234567890", "catalog.field-size", "has 41 bytes, from 1 to 40"},
        {"\"code\": \"1151", "\"code\": \"1251", "catalog.item-code", "its first 18 must be department.uscc"},
        {"\"uscc\": \"1151", "\"uscc\": \"1150", "catalog.uscc-check", ".department.uscc: credit code"},
        {"\"uscc\": \"1151", "\"uscc\": \"115I", "catalog.uscc-form", "'I' may not stand at position 4"},
        {"\"uscc\": \"1151", "\"uscc\": \"115", "catalog.field-size", ".department.uscc"},
        {"\"uscc\": \"" USCC "\", ", "", "catalog.item-code", "department.uscc, which is 'missing'"},
        {"\"code\": \"M2\"", "\"code\": \"M1\"", "catalog.material-duplicate",
         ".materials[2].code: 'M1' is that of materials[0]"},
        {", \"when\": \"无共享\"", "", "catalog.material-when", ".materials[2].when: a conditional material"},
        {"\"sensitive\": true", "\"sensitive\": 1", "catalog.field-type",
         ".materials[0].sensitive: 1 is not true or false"},
        {"\"certainty\": \"seen\"", "\"certainty\": \"sure\"", "catalog.field-value",
         ".materials[0].source_mark.certainty"},
        {"{\"code\": \"M2\"", "7, {\"code\": \"M2\"", "catalog.field-type", ".materials[2]: 7 is not an object"},
        {", \"basis\": \"条例\"", "", "catalog.fee", ".fee.basis: a fee needs its basis"},
        {"{\"text\": \"测试\", \"certainty\": \"unverified\"}", "\"测试\"", "catalog.field-type",
         ".source: '测试' is not an object"},
        {",\n \"basic_code\"", ",\n \"basis\\u0007code\"", "catalog.field-unknown",
         ": field 'basis?code' is not known"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct shape_problems problems;
        char *text = replace(full, rows[i].find, rows[i].with);
        struct catalog_item *item = read_item(text, &problems);
        assert_null(item);
        assert_true(problems.count > 0);
        if (strcmp(problems.list[0].id, rows[i].id) != 0 || strstr(problems.list[0].message, rows[i].message) == NULL)
            print_error("row %zu: %s %s\n", i, problems.list[0].id, problems.list[0].message);
        assert_string_equal(problems.list[0].id, rows[i].id);
        assert_non_null(strstr(problems.list[0].message, rows[i].message));
        assert_int_equal(strncmp(problems.list[0].message, "t.json: items[3]", 16), 0);
        free(text);
    }
}

/* Every row of the table of rules, by the edit of the full item that breaks it; the refusal names the row's source. */
static void test_rules(void **state)
{
    (void)state;
    static const struct {
        const char *id, *source, *find, *with, *message;
    } rows[] = {
        {"catalog.limit-over-law", "行政许可法 42", "\"n\": 36", "\"n\": 61", "61 is more than the legal limit 60"},
        {"catalog.limit-unit", "行政许可法 82", "\"n\": 60, \"unit\": \"working\"", "\"n\": 60, \"unit\": \"natural\"",
         "a licence's legal limit is in working days"},
        {"catalog.limit-basis", "行政许可法 42", ", \"text\": \"条例9\"", "",
         "60 days are over the general limit of 45"},
        {"catalog.stage-unit", "own", "\"days\": 3, \"unit\": \"working\"", "\"days\": 3", "'unit' is missing"},
        {"catalog.special", "行政许可法 45", "\"kind\": \"其他\", \"text\": \"公示\"", "\"kind\": \"其他\"",
         "special_procedures[1].text"},
        {"catalog.special", "行政许可法 45", "\"days\": 20, \"unit\": \"working\"", "\"days\": 20",
         "special_procedures[0].days"},
        {"catalog.material-duplicate", "own", "\"code\": \"M3\"", "\"code\": \"M1\"", "'M1' is that of materials[0]"},
        {"catalog.material-when", "GB/T 39554 非必要时办理情形", ", \"when\": \"无共享\"", "", "materials[2].when"},
        {"catalog.deferrable", "容缺受理", "\"deferral\": {\"allowed\": true", "\"deferral\": {\"allowed\": false",
         "'M3' is deferrable"},
        {"catalog.deferrable", "容缺受理", "\"necessity\": \"deferrable\"", "\"necessity\": \"required\"",
         "'M3' may not come later"},
        {"catalog.deferral-limit", "容缺受理", "{\"n\": 10,", "{\"n\": 37,", "deferral.limit.n: 37 is more than"},
        {"catalog.deferral-limit", "容缺受理", "{\"n\": 5,", "{\"n\": 37,", "materials[1].later.n: 37 is more than"},
        {"catalog.promise", "国办发〔2020〕42号", "[\"M2\"]", "[\"M9\"]", "the item has no material 'M9'"},
        {"catalog.promise", "国办发〔2020〕42号", ", \"text\": \"属实\"", "", "promise.text"},
        {"catalog.fee", "行政许可法 58", ", \"basis\": \"条例\"", "", "a fee needs its basis in law"},
        {"catalog.fee", "行政许可法 58", "\"charged\": true", "\"charged\": false",
         "1 charges, but fee.charged is false"},
        {"catalog.fee", "行政许可法 58", ", \"reduction_basis\": \"低保免收\"", "", "fee.items[0].reduction_basis"},
        {"catalog.validity", "own", "2024-01-01", "2027-01-01", "20261231 comes before valid_from 20270101"},
        {"catalog.visits", "国办发〔2020〕35号", "[\"异地代收代办\"]", "[\"全程网办\"]", "1 visits of an item"},
        {"catalog.visits", "国办发〔2020〕35号", ", \"reason\": \"核验身份\"", "", "1 visits without the reason"},
        {"catalog.type-mode", "依申请", "\"type\": \"01\"", "\"type\": \"02\"", "cannot be applied for"},
        {"catalog.entrusted", "行政许可法 24", ", \"entrusted_by\": \"民政部\"", "", "acts for another body"},
    };
    char *licence = replace(full, "\"type\": \"07\"", "\"type\": \"01\""); /* the rules for licences show on one */
    bool tested[64] = {false};
    for (size_t i = 0; i < array_count(rows); i++) {
        const struct item_rule *rule = item_rule_find(rows[i].id);
        assert_non_null(rule);
        tested[rule - item_rules] = true;
        assert_string_equal(rule->source, rows[i].source);
        struct shape_problems problems;
        char *text = replace(licence, rows[i].find, rows[i].with);
        assert_null(read_item(text, &problems));
        if (strcmp(problems.list[0].id, rows[i].id) != 0 || strstr(problems.list[0].message, rows[i].message) == NULL)
            print_error("row %zu: %s %s\n", i, problems.list[0].id, problems.list[0].message);
        assert_string_equal(problems.list[0].id, rows[i].id);
        assert_non_null(strstr(problems.list[0].message, rows[i].message));
        assert_non_null(strstr(problems.list[0].message, rows[i].source));
        free(text);
    }
    for (size_t i = 0; i < item_rule_count; i++)
        if (!tested[i])
            fail_msg("no row of this test breaks the rule %s", item_rules[i].id);
    struct shape_problems problems;
    struct catalog_item *item = read_item(licence, &problems);
    if (item == NULL)
        print_error("%s\n", problems.list[0].message);
    assert_non_null(item);
    catalog_item_destroy(item);
    free(licence);
}

/* A credit code with a wrong check character may be waived, one with a wrong form may not. */
static void test_waived_uscc(void **state)
{
    (void)state;
    char wrong[] = USCC;
    wrong[17] = wrong[17] == '0' ? '1' : '0';
    char *text = replace(full, USCC, wrong); /* in the code */
    char *both = replace(text, USCC, wrong); /* and in the department */
    char *waived = replace(both, "\"uscc_waived\": false", "\"uscc_waived\": true");
    struct shape_problems problems;
    assert_null(read_item(both, &problems));
    assert_string_equal(problems.list[0].id, "catalog.uscc-check");
    assert_int_equal(problems.count, 1);
    struct catalog_item *item = read_item(waived, &problems);
    assert_non_null(item);
    catalog_item_destroy(item);
    free(text);
    free(both);
    free(waived);
}

static void test_collects_problems(void **state)
{
    (void)state;
    struct shape_problems problems;
    assert_null(read_item("{}", &problems));
    assert_int_equal(problems.count, 9); /* one for each field that must be there */
    struct err e;
    assert_int_equal(shape_problems_to_err(&problems, &e), ERR_INVALID);
    assert_string_equal(e.message, "t.json: items[3]: field 'code' is missing (and 8 more)");

    struct buf many = {0};
    buf_put_u8(&many, '{');
    for (int i = 0; i < 100; i++)
        buf_printf(&many, "%s\"x%d\":1", i == 0 ? "" : ",", i);
    buf_put_u8(&many, '}');
    assert_null(read_item(buf_cstr(&many), &problems));
    assert_int_equal(problems.count, SHAPE_PROBLEMS_MAX);
    assert_int_equal(shape_problems_to_err(&problems, &e), ERR_INVALID);
    assert_non_null(strstr(e.message, "(and 19 more at least)"));
    buf_close(&many);
}

static void test_sizes(void **state)
{
    (void)state;
    struct err e;
    struct catalog_item *item = NULL;
    size_t size = CATALOG_ITEM_BYTES_MAX + 1;
    char *large = xmalloc(size);
    memset(large, ' ', size);
    assert_int_equal(catalog_item_parse(bytes_of(large, size), NODE, "p", &item, &e), ERR_LIMIT);
    assert_string_equal(e.id, "catalog.item-size");
    memset(large, '[', size);
    assert_int_equal(catalog_item_parse(bytes_of(large, size - 1), NODE, "p", &item, &e), ERR_LIMIT);
    assert_string_equal(e.id, "catalog.json-depth");
    free(large);

    /* Texts within their bounds that make an item too large in all. */
    struct buf basis = {0};
    buf_put_string(&basis, "\"legal_basis\": [");
    for (int i = 0; i < 64; i++)
        buf_printf(&basis, "%s\"%01000d\"", i == 0 ? "" : ",", i);
    buf_put_string(&basis, "]");
    char *text = replace(full, "\"legal_basis\": [\"甲\", \"乙\"]", buf_cstr(&basis));
    struct shape_problems problems;
    item = read_item(text, &problems);
    assert_null(item);
    assert_string_equal(problems.list[0].id, "catalog.item-size");
    assert_int_equal(problems.list[0].code, ERR_LIMIT);
    free(text);
    buf_close(&basis);
}

/* Cut anywhere, the bytes of an item are refused. */
static void test_cut(void **state)
{
    (void)state;
    struct err e;
    struct catalog_item *item = read_full();
    for (size_t size = 0; size < item->canonical.size; size++) {
        struct catalog_item *again = NULL;
        int rc = catalog_item_parse(bytes_of(item->canonical.data, size), NODE, "cut", &again, &e);
        assert_int_equal(rc, ERR_INVALID);
        assert_null(again);
    }
    catalog_item_destroy(item);
}

static void test_open(void **state)
{
    (void)state;
    struct catalog_item *item = read_full();
    assert_false(catalog_item_is_open(item, 20231231));
    assert_true(catalog_item_is_open(item, 20240101));
    assert_true(catalog_item_is_open(item, 20261231));
    assert_false(catalog_item_is_open(item, 20270101));
    item->valid_to = 0;
    assert_true(catalog_item_is_open(item, 20270101));
    item->status = CATALOG_STATUS_PAUSED;
    assert_false(catalog_item_is_open(item, 20261124));
    catalog_item_destroy(item);
}

/* Canonical order is the order of the tables; a table out of order would change the bytes that peers compare. */
static void check_sorted(const struct shape *s)
{
    assert_true(s->field_count <= 64);
    for (size_t i = 0; i < s->field_count; i++) {
        if (i > 0)
            assert_true(strcmp(s->fields[i - 1].key, s->fields[i].key) < 0);
        if (s->fields[i].inner != NULL)
            check_sorted(s->fields[i].inner);
    }
}

static void test_tables(void **state)
{
    (void)state;
    check_sorted(&catalog_item_shape);
}

static void test_service_code(void **state)
{
    (void)state;
    assert_int_equal(service_code("abc"), 0xba7816bf); /* FIPS 180-4 example */
    assert_int_equal(service_code(""), 0xe3b0c442);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),      cmocka_unit_test(test_elements),
        cmocka_unit_test(test_rules),        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_least_item),   cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_bad_fields),   cmocka_unit_test(test_waived_uscc),
        cmocka_unit_test(test_sizes),        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_open),         cmocka_unit_test(test_tables),
        cmocka_unit_test(test_service_code), cmocka_unit_test(test_collects_problems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
