/* Whole files in a folder of their own: round trip, limits, what is no regular file, exclusive writing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/base/file.h"

static char folder[] = "/tmp/tongban-file-XXXXXX";
static char path[64];
static bool folders_fail; /* the disk refuses to make folders durable */

/* Stands in front of libc's. */
int fsync(int fd)
{
    struct stat st;
    if (folders_fail && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder); /* fails when a test left a (temporary) file behind */
}

static const char *in_folder(const char *name)
{
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void assert_content(const char *file, const char *expected, size_t size)
{
    struct buf b;
    assert_int_equal(file_read(file, 1 << 20, &b, NULL), 0);
    assert_int_equal(b.size, size);
    if (size > 0)
        assert_memory_equal(b.data, expected, size);
    buf_close(&b);
}

static void test_round_trip(void **state)
{
    (void)state;
    const char *file = in_folder("a");
    struct stat st;
    assert_int_equal(file_write(file, bytes_of("one\0two", 7), 0600, false, NULL), 0);
    assert_content(file, "one\0two", 7);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(file_write(file, bytes_of(NULL, 0), 0644, false, NULL), 0); /* replaced as a whole */
    assert_content(file, "", 0);
    assert_int_equal(unlink(file), 0);
}

static void test_limit(void **state)
{
    (void)state;
    const char *file = in_folder("b");
    size_t size = 50000;
    char *content = calloc(1, size);
    struct buf b;
    struct err e;
    assert_non_null(content);
    assert_int_equal(file_write(file, bytes_of(content, size), 0600, false, NULL), 0);
    assert_int_equal(file_read(file, size, &b, NULL), 0);
    assert_int_equal(b.size, size);
    buf_close(&b);
    assert_int_equal(file_read(file, size - 1, &b, &e), ERR_LIMIT);
    assert_string_equal(e.id, "file.too-large");
    assert_int_equal(b.size, 0);
    assert_int_equal(unlink(file), 0);
    free(content);
}

static void test_not_a_file(void **state)
{
    (void)state;
    struct buf b;
    struct err e;
    assert_int_equal(file_read(in_folder("absent"), 10, &b, &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.message, "absent"));
    assert_int_equal(file_read(folder, 10, &b, &e), ERR_INVALID);
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_int_equal(file_read(in_folder("pipe"), 10, &b, &e), ERR_INVALID); /* and does not wait for a writer */
    assert_string_equal(e.id, "file.not-regular");
    assert_int_equal(unlink(in_folder("pipe")), 0);
    assert_int_equal(file_write(in_folder("no/such/folder"), bytes_of("x", 1), 0600, false, &e), ERR_IO);
    assert_string_equal(e.id, "file.create");
    assert_int_equal(file_read("/proc/self/mem", 10, &b, &e), ERR_IO); /* nothing is mapped at 0 */
    assert_string_equal(e.id, "file.read");
    buf_close(&b);
}

static void test_exclusive(void **state)
{
    (void)state;
    const char *file = in_folder("c");
    struct err e;
    assert_int_equal(file_write(file, bytes_of("first", 5), 0600, true, NULL), 0);
    assert_int_equal(file_write(file, bytes_of("second", 6), 0600, true, &e), ERR_CONFLICT);
    assert_string_equal(e.id, "file.exists");
    assert_content(file, "first", 5);
    assert_int_equal(unlink(file), 0);
}

static void test_make_dir(void **state)
{
    (void)state;
    struct err e;
    const char *dir = in_folder("d");
    assert_int_equal(file_make_dir(dir, 0700, NULL), 0);
    assert_int_equal(file_make_dir(dir, 0700, NULL), 0); /* there already */
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(file_write(dir, bytes_of("x", 1), 0600, false, NULL), 0);
    assert_int_equal(file_make_dir(dir, 0700, &e), ERR_IO); /* a file is in the way */
    assert_string_equal(e.id, "file.mkdir");
    assert_int_equal(unlink(dir), 0);
    e.id[0] = '\0';
    assert_int_equal(file_make_dir(in_folder("no/such"), 0700, &e), ERR_IO);
    assert_string_equal(e.id, "file.mkdir");
}

static void test_closed(void **state)
{
    (void)state;
    struct err e;
    const char *file = in_folder("f");
    assert_int_equal(file_check_closed(file, S_IRWXO, NULL), 0); /* not there */
    assert_int_equal(file_write(file, bytes_of("x", 1), 0660, false, NULL), 0);
    assert_int_equal(chmod(file, 0660), 0);
    assert_int_equal(file_check_closed(file, S_IROTH | S_IWOTH, NULL), 0);
    assert_int_equal(chmod(file, 0664), 0);
    assert_int_equal(file_check_closed(file, S_IWOTH, NULL), 0);
    assert_int_equal(file_check_closed(file, S_IROTH | S_IWOTH, &e), ERR_DENIED);
    assert_non_null(strstr(e.message, "read"));
    assert_int_equal(chmod(file, 0602), 0);
    assert_int_equal(file_check_closed(file, S_IWOTH, &e), ERR_DENIED);
    assert_non_null(strstr(e.message, "change"));
    assert_non_null(strstr(e.message, "0602"));
    assert_int_equal(unlink(file), 0);
}

/* What cannot be replaced stays as it was; what was replaced and may not outlast a power cut is told. No temporary file is left (tear_down). */
static void test_refusing_disk(void **state)
{
    (void)state;
    struct err e = {0};
    const char *file = in_folder("a");
    assert_int_equal(mkdir(file, 0700), 0);
    assert_int_equal(file_write(file, bytes_of("new", 3), 0600, false, &e), ERR_IO);
    assert_string_equal(e.id, "file.rename");
    assert_non_null(strstr(e.message, file));
    assert_int_equal(rmdir(file), 0);

    assert_int_equal(file_write(file, bytes_of("old", 3), 0600, false, NULL), 0);
    folders_fail = true;
    assert_int_equal(file_write(file, bytes_of("new", 3), 0600, false, &e), ERR_IO);
    assert_string_equal(e.id, "file.sync");
    assert_non_null(strstr(e.message, file));
    folders_fail = false;
    assert_content(file, "new", 3); /* whole: which of the two is there after a power cut, nobody knows */
    assert_int_equal(unlink(file), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusing_disk), cmocka_unit_test(test_round_trip), cmocka_unit_test(test_limit),
        cmocka_unit_test(test_not_a_file),    cmocka_unit_test(test_exclusive),  cmocka_unit_test(test_make_dir),
        cmocka_unit_test(test_closed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
