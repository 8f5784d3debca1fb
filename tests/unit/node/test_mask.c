/* node/mask: nothing personal passes unmasked, whatever field it hides in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "node/base/xassert.h"
#include "node/mask.h"

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"{\"item\":\"X1\",\"applicant\":{\"kind\":\"person\",\"name\":\"李小满\",\"id_type\":\"citizen_id\","
         "\"id_number\":\"510104190507290029\",\"phone\":\"13800001234\"}}",
         "{\"item\":\"X1\",\"applicant\":{\"kind\":\"person\",\"name\":\"李*\",\"id_type\":\"citizen_id\","
         "\"id_number\":\"510104********0029\",\"phone\":\"*******1234\"}}"},
        {"{\"applicant\":{\"name\":\"\",\"id_number\":\"12\",\"phone\":\"1234567\",\"address\":\"某路1号\"}}",
         "{\"applicant\":{\"name\":\"*\",\"id_number\":\"********\",\"phone\":\"***\",\"address\":\"***\"}}"},
        {"{\"form\":{\"child\":\"张三\",\"deep\":{\"a\":1}}}", "{\"form\":{\"child\":\"***\",\"deep\":\"***\"}}"},
        {"{\"surprise\":\"510104190507290029\",\"list\":[\"张三\"]}", "{\"surprise\":\"***\",\"list\":\"***\"}"},
        {"{\"reason\":\"材料不全\",\"materials\":[{\"code\":\"m1\"}]}",
         "{\"reason\":\"材料不全\",\"materials\":[{\"code\":\"m1\"}]}"},
        {"{\"applicant\":\"李小满 510104190507290029\"}", "{\"applicant\":\"***\"}"},
        {"{\"applicant\":{\"name\":[\"李小满\"],\"id_number\":510104190507290029}}",
         "{\"applicant\":{\"name\":\"*\",\"id_number\":\"********\"}}"},
        {"[]", ""},
        {"not json", ""},
        {"", ""},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct arena a = ARENA_INIT;
        struct bytes out = mask_payload(bytes_of_string(rows[i].in), &a);
        if (!bytes_equal(out, bytes_of_string(rows[i].out)))
            fail_msg("%s became %.*s", rows[i].in, (int)out.size, (const char *)out.data);
        arena_close(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
