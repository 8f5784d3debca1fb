/* node/log_copier: when the log is copied, how often, and what becomes of it when the disk refuses or a reader keeps it. The store is this
 * file's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

#include <cmocka.h>

#include "node/base/xassert.h"
#include "node/log_copier.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the rest */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint32_t pages;   /* of the log */
static uint32_t adds[8]; /* what each copy finds, 0 after that */
static unsigned copies, finishes, open_logs;
static bool open_fails, copy_fails, is_held; /* held: a copy waits */

int store_log_open(struct store *s, struct store_log **ret, struct err *e)
{
    (void)s;
    if (open_fails)
        return err_set(e, ERR_IO, "store.io", "the disk refuses");
    open_logs++;
    *ret = (struct store_log *)&pages;
    return 0;
}

void store_log_close(struct store_log *l)
{
    assert_ptr_equal(l, &pages);
    open_logs--;
}

uint32_t store_log_pages(const struct store *s)
{
    (void)s;
    return pages; /* the writer's, which is this test's thread */
}

int store_log_copy(struct store_log *l, uint32_t *ret_pages, struct err *e)
{
    (void)l;
    pthread_mutex_lock(&lock);
    while (is_held)
        pthread_cond_wait(&changed, &lock);
    *ret_pages = copies < array_count(adds) ? adds[copies] : 0;
    copies++;
    int rc = copy_fails ? err_set(e, ERR_FULL, "store.full", "no space") : 0;
    pthread_mutex_unlock(&lock);
    return rc;
}

int store_log_finish(struct store *s, struct err *e)
{
    (void)s;
    finishes++;
    return copy_fails ? err_set(e, ERR_FULL, "store.full", "no space") : 0;
}

static int setup(void **state)
{
    static const uint32_t none[array_count(adds)];
    (void)state;
    memcpy(adds, none, sizeof adds);
    pages = 0;
    copies = finishes = open_logs = 0;
    open_fails = copy_fails = is_held = false;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return open_logs == 0 ? 0 : -1;
}

static void look(struct log_copier *c, uint32_t now)
{
    pages = now;
    log_copier_look(c);
}

/* As the writer's commits do, until the rest has been copied @times times. */
static void look_until_finished(struct log_copier *c, unsigned times)
{
    while (finishes < times)
        log_copier_look(c);
}

static void hold(bool wanted)
{
    pthread_mutex_lock(&lock);
    is_held = wanted;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static unsigned copied(void)
{
    pthread_mutex_lock(&lock);
    unsigned ret = copies;
    pthread_mutex_unlock(&lock);
    return ret;
}

static void copies_a_long_log_until_little_is_left(void **state)
{
    (void)state;
    struct log_copier *c = log_copier_start(NULL);
    adds[0] = STORE_LOG_PAGES;
    adds[1] = 101; /* a hundred are little */
    adds[2] = 100;
    look(c, STORE_LOG_PAGES - 1);
    look(c, STORE_LOG_PAGES);
    look_until_finished(c, 1);
    assert_int_equal(copied(), 3);
    log_copier_stop(c);
    assert_int_equal(finishes, 1);
}

static void a_short_log_is_left_alone(void **state)
{
    (void)state;
    struct log_copier *c = log_copier_start(NULL);
    for (uint32_t n = 0; n < STORE_LOG_PAGES; n++)
        look(c, n);
    log_copier_stop(c); /* after which nothing is at work */
    assert_int_equal(copies, 0);
    assert_int_equal(finishes, 0);
}

static void the_writer_does_not_wait(void **state)
{
    (void)state;
    struct log_copier *c = log_copier_start(NULL);
    hold(true);
    for (uint32_t n = 0; n < 1000; n++)
        look(c, STORE_LOG_PAGES + n);
    assert_int_equal(finishes, 0);
    hold(false);
    look_until_finished(c, 1);
    log_copier_stop(c);
}

static void a_slow_disk_is_not_chased_for_ever(void **state)
{
    (void)state;
    struct log_copier *c = log_copier_start(NULL);
    for (size_t i = 0; i < array_count(adds); i++)
        adds[i] = 5000;
    look(c, STORE_LOG_PAGES);
    look_until_finished(c, 1);
    assert_int_equal(copied(), 4);
    log_copier_stop(c);
}

static void begins_again_with_the_log(void **state)
{
    (void)state;
    struct log_copier *c = log_copier_start(NULL);
    look(c, STORE_LOG_PAGES);
    look_until_finished(c, 1);
    look(c, 3);
    for (uint32_t n = 3; n < STORE_LOG_PAGES; n++)
        look(c, n);
    assert_int_equal(copied(), 1);
    look(c, STORE_LOG_PAGES);
    look_until_finished(c, 2);
    log_copier_stop(c);
    assert_int_equal(copies, 2);
}

/* A reader is in the way, or the disk refuses: not with every commit, but soon. */
static void a_log_that_stays_is_tried_again(void **state)
{
    (void)state;
    for (int fails = 0; fails <= 1; fails++) {
        assert_int_equal(setup(NULL), 0);
        copy_fails = fails == 1;
        struct log_copier *c = log_copier_start(NULL);
        look(c, STORE_LOG_PAGES);
        look_until_finished(c, 1);
        for (uint32_t n = 0; n < 256; n++)
            look(c, STORE_LOG_PAGES + n);
        assert_int_equal(copied(), 1);
        look(c, STORE_LOG_PAGES + 256);
        look_until_finished(c, 2);
        assert_int_equal(copied(), 2);
        log_copier_stop(c);
    }
}

static void without_a_connection_there_is_none(void **state)
{
    (void)state;
    open_fails = true;
    struct log_copier *c = log_copier_start(NULL);
    assert_null(c);
    look(c, 5 * STORE_LOG_PAGES);
    log_copier_stop(c);
    assert_int_equal(copies + finishes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(copies_a_long_log_until_little_is_left),
        TEST(a_short_log_is_left_alone),
        TEST(the_writer_does_not_wait),
        TEST(a_slow_disk_is_not_chased_for_ever),
        TEST(begins_again_with_the_log),
        TEST(a_log_that_stays_is_tried_again),
        TEST(without_a_connection_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
