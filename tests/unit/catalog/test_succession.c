/* Goal: abolished divisions lead to those that took their place, by the rule and from the year that are true. Method: a sample
 * written down from the notices before the table was read, every code of the shipped tables, small bad files. */
#include "catalog/succession.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "tests/lib/temp_file.h"

#define DATA TEST_SOURCE_DIR "/catalog/data/"

static struct region_table *table;

static int load_table(void **state)
{
    (void)state;
    struct err e;
    int rc = region_table_load(DATA "divisions.tsv", DATA "divisions_historic.tsv", &table, &e);
    if (rc == 0)
        rc = region_changes_load(table, DATA "divisions_successors.tsv", &e);
    if (rc != 0)
        print_error("%s\n", e.message);
    return rc;
}

static int close_table(void **state)
{
    (void)state;
    region_table_destroy(table);
    return 0;
}

static const struct {
    uint32_t code, successor, year; /* of the first change */
    enum region_choice choice;      /* of the first change */
    size_t hops;
} sample[] = {
    {510124, 510117, 2016, REGION_ONLY, 1},  /* 郫县, 郫都区 */
    {510122, 510116, 2015, REGION_ONLY, 1},  /* 双流县, 双流区 */
    {510125, 510114, 2001, REGION_ONLY, 1},  /* 新都县, 新都区 */
    {510123, 510115, 2002, REGION_ONLY, 1},  /* 温江县, 温江区 */
    {510102, 510104, 1990, REGION_MOST, 1},  /* 成都市东城区, 锦江区 */
    {510103, 510100, 1990, REGION_WHOLE, 1}, /* 成都市西城区: 青羊区 took just half */
    {513902, 510185, 2000, REGION_ONLY, 2},  /* 简阳市 of 资阳地区, of 资阳市, of 成都市 */
    {513901, 512002, 2000, REGION_ONLY, 1},  /* 资阳市, 雁江区 */
    {512301, 500102, 1995, REGION_SAME, 2},  /* 涪陵市: 枳城区 and 李渡区, in 1997 涪陵区 of Chongqing */
    {512221, 500101, 1992, REGION_SAME, 2},  /* 万县: three districts of 万县市, in 1997 one, 万州区 since 1998 */
    {510222, 500113, 1994, REGION_MOST, 2},  /* 巴县, 巴南区 of Sichuan, of Chongqing */
    {510221, 500115, 1997, REGION_ONLY, 2},  /* 长寿县 of Sichuan, of Chongqing, 长寿区 */
    {500381, 500116, 2006, REGION_ONLY, 1},  /* 江津市, 江津区 */
    {500222, 500110, 2011, REGION_ONLY, 1},  /* 綦江县, 綦江区 with the code of 万盛区 */
    {500234, 500154, 2016, REGION_ONLY, 1},  /* 开县, 开州区 */
    {371200, 370100, 2018, REGION_ONLY, 1},  /* 莱芜市: to 济南市 */
    {371202, 370116, 2018, REGION_ONLY, 1},  /* 莱城区, 莱芜区 of 济南市 */
    {371203, 370117, 2018, REGION_ONLY, 1},  /* 钢城区 */
    {370981, 370116, 1992, REGION_MOST, 2},  /* 莱芜市 of 泰安市, 莱城区 */
    {370684, 370614, 2020, REGION_ONLY, 1},  /* 蓬莱市, 蓬莱区 */
    {370634, 370614, 2020, REGION_ONLY, 1},  /* 长岛县, the same */
    {370282, 370215, 2017, REGION_ONLY, 1},  /* 即墨市, 即墨区 */
    {370284, 370211, 2012, REGION_ONLY, 1},  /* 胶南市, 黄岛区 */
    {370205, 370203, 2012, REGION_ONLY, 1},  /* 青岛市四方区, 市北区 */
    {370181, 370114, 2016, REGION_ONLY, 1},  /* 章丘市, 章丘区 */
    {110228, 110118, 2015, REGION_ONLY, 1},  /* 密云县, 密云区 */
    {110103, 110101, 2010, REGION_ONLY, 1},  /* 崇文区, 东城区 */
    {110104, 110102, 2010, REGION_ONLY, 1},  /* 宣武区, 西城区 */
    {120107, 120116, 2009, REGION_ONLY, 1},  /* 塘沽区, 滨海新区 */
    {120225, 120119, 2016, REGION_ONLY, 1},  /* 蓟县, 蓟州区 */
    {310103, 310101, 2011, REGION_ONLY, 1},  /* 卢湾区, 黄浦区 */
    {310108, 310106, 2015, REGION_ONLY, 1},  /* 闸北区, 静安区 */
    {310119, 310115, 2009, REGION_ONLY, 1},  /* 南汇区, 浦东新区 */
    {310230, 310151, 2016, REGION_ONLY, 1},  /* 崇明县, 崇明区 */
    {310221, 310112, 1992, REGION_MOST, 1},  /* 上海县, 闵行区 */
    {330103, 330105, 2021, REGION_ONLY, 1},  /* 下城区, 拱墅区 */
    {330104, 330102, 2021, REGION_MOST, 1},  /* 江干区, 上城区; a small part is 钱塘区 */
    {330125, 330110, 1994, REGION_ONLY, 2},  /* 余杭县, 余杭市, 余杭区 */
    {330184, 330110, 2001, REGION_ONLY, 1},  /* 余杭市 */
    {330621, 330603, 2013, REGION_MOST, 1},  /* 绍兴县, 柯桥区 */
    {330204, 330212, 2016, REGION_ONLY, 1},  /* 宁波市江东区, 鄞州区 */
    {320122, 320111, 2002, REGION_ONLY, 1},  /* 江浦县, 浦口区 */
    {320123, 320116, 2002, REGION_ONLY, 1},  /* 六合县, 六合区 */
    {320103, 320104, 2013, REGION_ONLY, 1},  /* 白下区, 秦淮区 */
    {320107, 320106, 2013, REGION_ONLY, 1},  /* 下关区, 鼓楼区 */
    {320502, 320508, 2012, REGION_ONLY, 1},  /* 沧浪区, 姑苏区 */
    {320586, 320506, 2000, REGION_MOST, 1},  /* 吴县市, 吴中区; the smaller part is 相城区 */
    {341400, 340100, 2011, REGION_MOST, 1},  /* 巢湖市 (prefecture): to 合肥市, 芜湖市, 马鞍山市 */
    {341402, 340181, 2011, REGION_ONLY, 1},  /* 居巢区, 巢湖市 */
    {341422, 340281, 2011, REGION_ONLY, 2},  /* 无为县 of 巢湖市, of 芜湖市, 无为市 */
    {440126, 440113, 1992, REGION_ONLY, 2},  /* 番禺县, 番禺市, 番禺区 */
    {440107, 440103, 2005, REGION_ONLY, 1},  /* 芳村区, 荔湾区 */
    {440321, 440306, 1992, REGION_NAME, 1},  /* 宝安县: 宝安区, 龙岗区 */
    {469003, 460400, 2015, REGION_ONLY, 1},  /* 儋州市, a city without counties since */
    {469004, 460107, 2002, REGION_NAME, 1},  /* 琼山市: four districts of 海口市, one of them 琼山区 */
    {460102, 460108, 2002, REGION_MOST, 1},  /* 海口市振东区, 美兰区 */
    {441000, 460100, 1988, REGION_ONLY, 1},  /* 海口市 of Guangdong */
    {430124, 430182, 2017, REGION_ONLY, 1},  /* 宁乡县, 宁乡市 */
    {450122, 450110, 2015, REGION_ONLY, 1},  /* 武鸣县, 武鸣区 */
    {610125, 610118, 2016, REGION_ONLY, 1},  /* 户县, 鄠邑区 */
    {652101, 650402, 2015, REGION_ONLY, 1},  /* 吐鲁番市, 高昌区 */
    {652303, 650109, 2007, REGION_ONLY, 1},  /* 米泉市, 米东区 of 乌鲁木齐市 */
    {130103, 130100, 2014, REGION_WHOLE, 1}, /* 石家庄市桥东区: half 长安区, half 桥西区 */
    {130122, 130110, 1994, REGION_ONLY, 2},  /* 获鹿县, 鹿泉市, 鹿泉区 */
    {350427, 350405, 2021, REGION_ONLY, 1},  /* 沙县, 沙县区 */
    {350402, 350404, 2021, REGION_ONLY, 1},  /* 梅列区, 三元区 */
    {522101, 520302, 1997, REGION_ONLY, 1},  /* 遵义市, 红花岗区 */
};

static void test_sample(void **state)
{
    (void)state;
    int failed = 0;
    for (size_t i = 0; i < array_count(sample); i++) {
        struct succession how;
        const struct region *r = succession_find(table, sample[i].code, &how);
        bool is_right = r != NULL && r->code == sample[i].successor && how.rule == SUCCESSION_TABLE &&
                        how.hop_count == sample[i].hops && how.hops[0]->until == sample[i].year &&
                        how.hops[0]->choice == sample[i].choice;
        if (!is_right)
            print_error("%u: %u %s by rule %d, %zu changes, the first in %u, choice %d\n", sample[i].code,
                        r == NULL ? 0 : r->code, r == NULL ? "" : r->full_name, (int)how.rule, how.hop_count,
                        how.hop_count == 0 ? 0u : how.hops[0]->until,
                        how.hop_count == 0 ? -1 : (int)how.hops[0]->choice);
        failed += !is_right;
    }
    assert_int_equal(failed, 0);
}

static void test_without_table(void **state)
{
    (void)state;
    static const struct {
        uint32_t code, successor;
        enum succession_rule rule;
    } rows[] = {
        {510104, 510104, SUCCESSION_CURRENT}, {510000, 510000, SUCCESSION_CURRENT},
        {210212, 210212, SUCCESSION_CURRENT}, /* 旅顺口区 kept its code through all changes of 大连市 */
        {330110, 330110, SUCCESSION_CURRENT}, /* 余杭区: 临平区 left it in 2021, the code stayed */
        {130101, 130100, SUCCESSION_ABOVE},   /* 市辖区 is a step of the code */
        {371201, 370100, SUCCESSION_ABOVE},   /* and 莱芜市, above this one, is part of 济南市 */
        {110200, 110000, SUCCESSION_ABOVE},   {519999, 510000, SUCCESSION_ABOVE},
        {999999, 0, SUCCESSION_NONE},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct succession how;
        const struct region *r = succession_find(table, rows[i].code, &how);
        assert_int_equal(r == NULL ? 0 : r->code, rows[i].successor);
        assert_int_equal(how.rule, rows[i].rule);
    }

    /* without the table of changes by the proper name, where that tells */
    struct err e;
    struct region_table *t = NULL;
    struct succession how;
    assert_int_equal(region_table_load(DATA "divisions.tsv", DATA "divisions_historic.tsv", &t, &e), 0);
    assert_int_equal(succession_find(t, 510125, &how)->code, 510114); /* 新都县, 新都区 */
    assert_int_equal(how.rule, SUCCESSION_NAME);
    assert_int_equal(succession_find(t, 510124, &how)->code, 510100); /* 郫县 is 郫都区 today: the name does not tell */
    assert_int_equal(how.rule, SUCCESSION_ABOVE);
    region_table_destroy(t);
}

/* Every abolished code leads to a division of today, by the table but for steps of the code; nothing goes round in circles. */
static void test_every_code(void **state)
{
    (void)state;
    size_t by_rule[SUCCESSION_ABOVE + 1] = {0}, by_choice[REGION_CHOICE_COUNT] = {0}, hops_max = 0, above_city = 0;
    for (size_t i = 0; i < region_count(table); i++) {
        const struct region *old = region_at(table, i);
        struct succession how;
        const struct region *r = succession_find(table, old->code, &how);
        assert_non_null(r);
        assert_true(r->is_current && (old->is_current || !r->is_pseudo));
        by_rule[how.rule]++;
        if (how.rule == SUCCESSION_ABOVE)
            assert_true(old->is_pseudo);
        if (how.rule != SUCCESSION_TABLE)
            continue;
        enum region_choice worst = REGION_ONLY;
        for (size_t n = 0; n < how.hop_count; n++) {
            worst = max_of(worst, how.hops[n]->choice);
            assert_true(n == 0 || how.hops[n]->until > how.hops[n - 1]->until);
        }
        by_choice[worst]++;
        hops_max = max_of(hops_max, how.hop_count);
        above_city += worst == REGION_WHOLE && old->level == REGION_COUNTY && r->level == REGION_PROVINCE;
    }
    print_message("%zu by the table, %zu above; %zu only, %zu same, %zu most, %zu name, %zu whole\n",
                  by_rule[SUCCESSION_TABLE], by_rule[SUCCESSION_ABOVE], by_choice[REGION_ONLY], by_choice[REGION_SAME],
                  by_choice[REGION_MOST], by_choice[REGION_NAME], by_choice[REGION_WHOLE]);
    assert_int_equal(by_rule[SUCCESSION_CURRENT], 3351);
    assert_int_equal(by_rule[SUCCESSION_TABLE], 3237);
    assert_int_equal(by_rule[SUCCESSION_NAME], 0);
    assert_int_equal(by_rule[SUCCESSION_ABOVE], 229);
    assert_int_equal(above_city, 1); /* 碧土县 542135, half in 昌都市 and half in 林芝市 */
    assert_int_equal(hops_max, 6);
}

static int load_text(const char *text, struct err *e)
{
    char path[64];
    struct err other;
    struct region_table *t = NULL;
    assert_int_equal(region_table_load(DATA "divisions.tsv", DATA "divisions_historic.tsv", &t, &other), 0);
    temp_file_write(path, text);
    int rc = region_changes_load(t, path, e);
    unlink(path);
    if (rc != 0)
        assert_non_null(strstr(e->message, path));
    region_table_destroy(t);
    return rc;
}

static void test_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *text, *id, *message; /* part of the message */
    } rows[] = {
        {"", "region.line", "no divisions"},
        {"510124\n", "region.line", "line 1: not the five fields"},
        {"510124\t1981\t2016\tonly\n", "region.line", "line 1: not the five fields"},
        {"510124\t1981\t2016\tonly\t510117\n\n", "region.line", "line 2: not the five fields"},
        {"51012x\t1981\t2016\tonly\t510117\n", "region.code", "line 1: '51012x' is not"},
        {"510124\t81\t2016\tonly\t510117\n", "region.change", "line 1: '81' to '2016' of 510124"},
        {"510124\t1981\t20016\tonly\t510117\n", "region.change", "'1981' to '20016'"},
        {"510124\t2016\t2016\tonly\t510117\n", "region.change", "'2016' to '2016'"},
        {"510124\t1981\t2016\tfirst\t510117\n", "region.change", "'first' of 510124 is not one of only"},
        {"510124\t1981\t2016\t\t510117\n", "region.change", "'' of 510124 is not one of only"},
        {"510124\t1981\t2016\tonly\t\n", "region.code", "successor '' of 510124"},
        {"510124\t1981\t2016\tonly\t510117,\n", "region.code", "successor '' of 510124"},
        {"510124\t1981\t2016\tonly\t510117\t\n", "region.code", "of 510124 is not a division code"},
        {"510124\t1981\t2016\tonly\t51011\n", "region.code", "line 1: successor '51011' of 510124"},
        {"510124\t1981\t2016\tonly\t510199\n", "region.successor",
         "line 1: successor 510199 of 510124 was no division in 2016"},
        {"510124\t1981\t2016\tonly\t510125\n", "region.successor",
         "successor 510125 of 510124 was no division in 2016"},
        {"510124\t1981\t2016\tonly\t510124\n", "region.successor",
         "successor 510124 of 510124 was no division in 2016"},
        {"510198\t1981\t2016\tonly\t510117\n", "region.change", "510198 is in no table"},
        {"510125\t1981\t2001\tonly\t510114\n510124\t1981\t2016\tonly\t510117\n", "region.order",
         "line 2: 510124 from 1981 on does not come after 510125 until 2001"},
        {"510124\t1981\t2016\tonly\t510117\n510124\t2015\t2017\tonly\t510117\n", "region.order",
         "line 2: 510124 from 2015"},
        /* a ring: whoever followed must have been in use in the year of the change, so that one link of it is refused */
        {"510122\t1981\t2001\tonly\t510124\n510124\t1981\t2001\tonly\t510122\n", "region.successor",
         "line 1: successor 510124 of 510122 was no division in 2001"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct err e;
        assert_int_equal(load_text(rows[i].text, &e), ERR_INVALID);
        if (strcmp(e.id, rows[i].id) != 0 || strstr(e.message, rows[i].message) == NULL)
            fail_msg("%s gives %s: %s", rows[i].text, e.id, e.message);
    }
    struct err e;
    assert_int_equal(load_text("510124\t1981\t2016\tonly\t510117", &e), 0); /* no newline at the end */
}

/* As many successors, and as many changes one after the other, as there may be; one more is refused. */
static void test_limits(void **state)
{
    (void)state;
    struct err e;
    for (unsigned extra = 0; extra < 2; extra++) {
        struct buf text = {0};
        buf_put_string(&text, "510124\t1981\t2016\tmost\t510117");
        for (unsigned i = 1; i < REGION_SUCCESSORS_MAX + extra; i++)
            buf_put_string(&text, ",510104");
        assert_int_equal(load_text(buf_cstr(&text), &e), extra == 0 ? 0 : ERR_LIMIT);
        buf_reset(&text);
        for (unsigned i = 0; i < REGION_HOPS_MAX + extra; i++)
            buf_printf(&text, "510124\t%u\t%u\tonly\t%s\n", 1981 + i, 1982 + i,
                       i + 1 < REGION_HOPS_MAX + extra ? "510124" : "510117");
        assert_int_equal(load_text(buf_cstr(&text), &e), extra == 0 ? 0 : ERR_LIMIT);
        buf_close(&text);
        if (extra > 0) {
            assert_string_equal(e.id, "region.successor");
            assert_non_null(strstr(e.message, "line 1: 510124 leads to a division of today by more than 16 changes"));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample),    cmocka_unit_test(test_without_table), cmocka_unit_test(test_every_code),
        cmocka_unit_test(test_bad_files), cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, load_table, close_table);
}
