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
        {"{\"reason\":\"510104190507290029的电话13800001234\",\"note\":{\"a\":\"张三\"}}",
         "{\"reason\":\"510104********0029的电话*******1234\",\"note\":{\"a\":\"***\"}}"},
        {"{\"materials\":[{\"code\":\"m1\",\"name\":\"张三.pdf\",\"sha256\":\"ab\",\"size\":3,\"who\":\"张三\"},"
         "\"张三\"]}",
         "{\"materials\":[{\"code\":\"m1\",\"sha256\":\"ab\",\"size\":3,\"name\":\"张*\"}]}"},
        {"{\"lacking\":[{\"code\":\"M6\",\"name\":\"照片\",\"form\":\"paper\",\"days\":5,\"who\":\"张三\"}]}",
         "{\"lacking\":[{\"code\":\"M6\",\"name\":\"照片\",\"form\":\"paper\",\"days\":5}]}"},
        {"{\"agent\":{\"name\":\"王五\",\"id_number\":\"H12345678\",\"authorisation\":{\"scope\":\"代李小满\"}},"
         "\"guardian\":{\"relation\":\"parent\",\"consent\":true},\"sensitive\":[\"under_14\"],\"mode\":{\"x\":"
         "\"张三\"}}",
         "{\"agent\":{\"name\":\"王*\",\"id_number\":\"H******78\",\"authorisation\":\"***\"},"
         "\"guardian\":{\"relation\":\"parent\",\"consent\":true},\"sensitive\":[\"under_14\"],\"mode\":[]}"},
        {"{\"applicant\":{\"kind\":\"李小满\",\"id_type\":\"510104190507290029\"}}",
         "{\"applicant\":{\"kind\":\"***\",\"id_type\":\"***\"}}"},
        {"{\"applicant\":\"李小满 510104190507290029\"}", "{\"applicant\":\"***\"}"},
        {"{\"applicant\":{\"name\":[\"李小满\"],\"id_number\":510104190507290029}}",
         "{\"applicant\":{\"name\":\"*\",\"id_number\":\"********\"}}"},
        {"{\"carrier\":\"EMS 13800001234\",\"tracking\":\"EA123456789CN\"}",
         "{\"carrier\":\"EMS *******1234\",\"tracking\":\"*******89CN\"}"},
        {"{\"carrier\":[\"张三\"],\"tracking\":\"1234567\"}", "{\"carrier\":\"***\",\"tracking\":\"***\"}"},
        {"{\"means\":\"phone\",\"told_on\":\"2026-11-28\",\"amount_fen\":2000}",
         "{\"means\":\"phone\",\"told_on\":\"2026-11-28\",\"amount_fen\":2000}"},
        {"{\"basis\":\"行政许可法第四十五条\"}", "{\"basis\":\"行政许可法第四十五条\"}"},
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
