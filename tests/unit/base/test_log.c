/* Operator's log: form of a line, levels, escaping, and the limit of one call site. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/base/log.h"

static char line[4096];

/* Runs one log call with standard error going to a pipe; the text is in `line` afterwards. */
#define CAPTURE(call)                                                                                                  \
    do {                                                                                                               \
        int ends[2], saved = dup(STDERR_FILENO);                                                                       \
        assert_int_equal(pipe(ends), 0);                                                                               \
        assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);                                                 \
        call;                                                                                                          \
        assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);                                                   \
        close(ends[1]);                                                                                                \
        close(saved);                                                                                                  \
        ssize_t size = read(ends[0], line, sizeof line - 1);                                                           \
        assert_true(size >= 0);                                                                                        \
        line[size] = '\0';                                                                                             \
        close(ends[0]);                                                                                                \
    } while (0)

static void test_form(void **state)
{
    (void)state;
    CAPTURE(log_warn("peer", "510000", "peer.lost", "connection lost; retrying in %d s", 4));
    assert_int_equal(line[4], '-'); /* 2026-11-24T01:02:03.456Z */
    assert_int_equal(line[23], 'Z');
    assert_string_equal(line + 24, " warn peer[510000] peer.lost connection lost; retrying in 4 s\n");
    CAPTURE(log_error("store", NULL, "store.full", "no room"));
    assert_string_equal(line + 24, " error store store.full no room\n");
}

static void test_levels(void **state)
{
    (void)state;
    enum log_level level = LOG_LEVEL_DEBUG;
    assert_int_equal(log_parse_level("warn", &level), 0);
    assert_int_equal(level, LOG_LEVEL_WARN);
    assert_int_equal(log_parse_level("WARN", &level), ERR_INVALID);
    assert_int_equal(log_parse_level("", &level), ERR_INVALID);
    assert_int_equal(level, LOG_LEVEL_WARN);
    log_set_level(level);
    CAPTURE(log_info("m", NULL, "a.b", "not shown"));
    assert_string_equal(line, "");
    CAPTURE(log_warn("m", NULL, "a.b", "shown"));
    assert_string_not_equal(line, "");
    log_set_level(LOG_LEVEL_DEBUG);
    CAPTURE(log_debug("m", NULL, "a.b", "shown"));
    assert_string_not_equal(line, "");
    log_set_level(LOG_LEVEL_INFO);
}

/* Text from outside can neither forge a line nor send escape codes to the terminal. */
static void test_escaping(void **state)
{
    (void)state;
    CAPTURE(log_info("m", NULL, "a.b", "%s", "x\n2026 error fake\x1b[31m\x7f\xff\xe9\x80\x9a\t"));
    assert_string_equal(line + 24, " info m a.b x\\x0a2026 error fake\\x1b[31m\\x7f\\xff\xe9\x80\x9a\\x09\n");
    /* C1 controls, line separators and direction overrides: \u0085, \u009b, \u2028, \u202e */
    CAPTURE(log_info("m", NULL, "a.b", "%s", "\xc2\x85\xc2\x9b\xe2\x80\xa8\xe2\x80\xae\xc3\xa9"));
    assert_string_equal(line + 24, " info m a.b \\u0085\\u009b\\u2028\\u202e\xc3\xa9\n");
}

static void test_long_line(void **state)
{
    (void)state;
    char text[3000];
    memset(text, '\x01', sizeof text - 1); /* each becomes four characters */
    text[sizeof text - 1] = '\0';
    CAPTURE(log_info("m", NULL, "a.b", "%s", text));
    size_t size = strlen(line);
    assert_true(size > 1000 && size < 1500);
    assert_int_equal(line[size - 1], '\n');
    assert_ptr_equal(strchr(line, '\n'), line + size - 1);
}

static void test_limit(void **state)
{
    (void)state;
    struct log_limit limit = {0};
    uint32_t dropped = 99;
    uint64_t now = 5000000;
    for (int i = 0; i < 3; i++) { /* the burst */
        assert_true(log_limit_pass(&limit, now, 3, 1000, &dropped));
        assert_int_equal(dropped, 0);
    }
    for (int i = 0; i < 50; i++)
        assert_false(log_limit_pass(&limit, now + 999, 3, 1000, &dropped));
    assert_true(log_limit_pass(&limit, now + 1000, 3, 1000, &dropped)); /* one is back, and tells what was dropped */
    assert_int_equal(dropped, 50);
    assert_false(log_limit_pass(&limit, now + 1001, 3, 1000, &dropped));
    now += 1000000; /* a long silence gives back the burst, not more */
    for (int i = 0; i < 3; i++)
        assert_true(log_limit_pass(&limit, now, 3, 1000, &dropped));
    assert_false(log_limit_pass(&limit, now, 3, 1000, &dropped));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),      cmocka_unit_test(test_levels), cmocka_unit_test(test_escaping),
        cmocka_unit_test(test_long_line), cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
