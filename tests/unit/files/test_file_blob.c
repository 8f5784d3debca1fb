/* A file on the disk: upload, fetch, what a crash leaves, wrong bytes, no room. */
#include "node/files/file_blob.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "node/base/xassert.h"
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#define SIZE ((uint64_t)2 * FILE_CHUNK_BYTES + 300)
#define COUNT 3u

static const uint8_t key[FILE_KEY_SIZE] = {5};
static char dir[64];
static uint8_t *scratch, *plain;

/* What the disk refuses; the functions stand in front of libc's. */
static struct {
    bool sync, folder_sync, statvfs;
    int allocate;  /* errno; 0: it does not refuse */
    uint64_t room; /* what is said to be free, in blocks of one byte; 0: the truth */
} fault;

int fsync(int fd)
{
    struct stat st;
    bool is_folder = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    if (is_folder ? fault.folder_sync : fault.sync) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    if (fault.allocate != 0) {
        errno = fault.allocate;
        return -1;
    }
    return (int)syscall(SYS_fallocate, fd, mode, offset, size);
}

int fstatvfs(int fd, struct statvfs *ret)
{
    if (fault.statvfs) {
        errno = EIO;
        return -1;
    }
    union {
        void *data;
        int (*function)(int, struct statvfs *);
    } real = {.data = dlsym(RTLD_NEXT, "fstatvfs")};
    assert_non_null(real.data);
    int rc = real.function(fd, ret);
    if (fault.room > 0) {
        ret->f_frsize = 1;
        ret->f_bavail = fault.room;
    }
    return rc;
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/tongban-blob-XXXXXX");
    assert_non_null(mkdtemp(dir));
    scratch = xmalloc(FILE_SEALED_BYTES_MAX);
    plain = xmalloc(FILE_CHUNK_BYTES);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(scratch);
    free(plain);
    return rmdir(dir); /* each test has removed what it made */
}

static const char *path_of(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static struct bytes seal(uint32_t index)
{
    size_t size = file_chunk_size(SIZE, index);
    memset(plain, (int)('a' + index), size);
    file_chunk_seal(key, SIZE, index, bytes_of(plain, size), scratch);
    return bytes_of(scratch, size + FILE_CHUNK_OVERHEAD);
}

static struct file_blob *make(const char *name)
{
    struct file_blob *b;
    assert_int_equal(file_blob_create(path_of(name), SIZE, NULL, NULL, &b, NULL), 0);
    return b;
}

static struct file_blob *reopen(const char *path, bool writable)
{
    struct file_blob *b;
    struct err e = {0};
    if (file_blob_open(path, writable, &b, &e) != 0)
        fail_msg("%s", e.message);
    return b;
}

static unsigned there(const struct file_blob *b)
{
    unsigned bits = 0;
    uint8_t *mine = xmalloc(FILE_SEALED_BYTES_MAX);
    for (uint32_t i = 0; i < b->count; i++)
        bits |= (unsigned)file_blob_is_there(b, i, mine) << i;
    free(mine);
    return bits;
}

/* An upload with a break after the first chunk; then everything as it was. */
static void test_upload(void **state)
{
    (void)state;
    char final[FILE_BLOB_PATH_SIZE];
    struct file_blob *b = make("u.part");
    assert_int_equal(there(b), 0);
    assert_int_equal(file_blob_put(b, 0, seal(0), NULL), 0);
    file_blob_close(b);
    b = reopen(path_of("u.part"), true);
    assert_int_equal(there(b), 1);
    assert_false(b->is_fixed);
    assert_int_equal(file_blob_put(b, 1, seal(1), NULL), 0);
    assert_int_equal(file_blob_put(b, 2, seal(2), NULL), 0);
    assert_int_equal(file_blob_finish(b, dir, NULL), 0);
    file_blob_path(dir, b->id, final);
    file_blob_close(b);
    assert_int_equal(access(path_of("u.part"), F_OK), -1);
    b = reopen(final, false);
    assert_int_equal(there(b), 7);
    for (uint32_t i = 0; i < COUNT; i++) {
        size_t size = file_chunk_sealed_size(SIZE, i);
        assert_int_equal(file_blob_get(b, i, scratch, NULL), 0);
        assert_true(file_chunk_open(key, SIZE, i, bytes_of(scratch, size), plain));
        assert_int_equal(plain[0], 'a' + i);
        assert_int_equal(plain[size - FILE_CHUNK_OVERHEAD - 1], 'a' + i);
    }
    file_blob_close(b);
    assert_int_equal(unlink(final), 0);
}

static void flip(const char *path, off_t at)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* A copy whose hashes are known takes only the right bytes, in any order; torn and damaged chunks are found. */
static void test_fetch(void **state)
{
    (void)state;
    char source[FILE_BLOB_PATH_SIZE], copy[128];
    struct err e = {0};
    struct file_blob *b = make("s.part"), *f;
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(file_blob_put(b, i, seal(i), NULL), 0);
    assert_int_equal(file_blob_finish(b, dir, NULL), 0);
    file_blob_path(dir, b->id, source);
    (void)snprintf(copy, sizeof copy, "%s", path_of("f.part"));
    assert_int_equal(file_blob_create(copy, SIZE, b->id, b->hashes, &f, NULL), 0);
    assert_int_equal(file_blob_get(b, 2, scratch, NULL), 0);
    size_t last = file_chunk_sealed_size(SIZE, 2), full = file_chunk_sealed_size(SIZE, 0);
    assert_int_equal(file_blob_put(f, 0, bytes_of(scratch, last), &e), ERR_VERIFY);
    assert_string_equal(e.id, "file.chunk-size");
    assert_int_equal(file_blob_put(f, 2, bytes_of(scratch, last), NULL), 0);
    assert_int_equal(file_blob_get(b, 1, scratch, NULL), 0);
    assert_int_equal(file_blob_put(f, 0, bytes_of(scratch, full), &e), ERR_VERIFY);
    assert_string_equal(e.id, "file.chunk-hash");
    assert_int_equal(file_blob_put(f, 1, bytes_of(scratch, full), NULL), 0);
    assert_int_equal(there(f), 6);
    file_blob_close(f);

    flip(copy, 4096 + 1 * (off_t)FILE_SEALED_BYTES_MAX + 1000); /* as a torn write leaves it */
    f = reopen(copy, true);
    assert_true(f->is_fixed);
    assert_int_equal(there(f), 4);
    assert_int_equal(file_blob_get(f, 1, scratch, &e), ERR_CORRUPT);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(file_blob_get(b, i, scratch, NULL), 0);
        assert_int_equal(file_blob_put(f, i, bytes_of(scratch, full), NULL), 0);
    }
    assert_int_equal(there(f), 7);
    assert_int_equal(file_blob_finish(f, dir, NULL), 0); /* over the same bytes */
    file_blob_close(f);
    file_blob_close(b);
    f = reopen(source, false);
    assert_int_equal(there(f), 7);
    file_blob_close(f);
    flip(source, 64 + 5);
    assert_int_equal(file_blob_open(source, false, &f, &e), ERR_CORRUPT);
    assert_string_equal(e.id, "file.hashes");
    flip(source, 64 + 5);
    flip(source, 12);
    assert_int_equal(file_blob_open(source, false, &f, &e), ERR_CORRUPT);
    assert_string_equal(e.id, "file.head");
    assert_int_equal(unlink(source), 0);
}

static void test_refusals(void **state)
{
    (void)state;
    struct err e = {0};
    struct file_blob *b = make("x.part"), *other;
    assert_int_equal(file_blob_create(path_of("x.part"), SIZE, NULL, NULL, &other, &e), ERR_CONFLICT);
    assert_string_equal(e.id, "file.exists");
    file_blob_close(b);
    assert_int_equal(truncate(path_of("x.part"), 30), 0);
    assert_int_equal(file_blob_open(path_of("x.part"), false, &other, &e), ERR_CORRUPT);
    assert_int_equal(unlink(path_of("x.part")), 0);
    assert_int_equal(file_blob_open(path_of("x.part"), false, &other, &e), ERR_NOT_FOUND);
    assert_string_equal(e.id, "file.absent");
    assert_int_equal(file_blob_create("/nonexistent/x", SIZE, NULL, NULL, &other, &e), ERR_IO);
    assert_string_equal(e.id, "file.create");
}

/* /proc has no room for anything; a small tmpfs would need a mount. RLIMIT_FSIZE stands for a disk that fills up. */
static void test_no_room(void **state)
{
    (void)state;
    struct err e = {0};
    struct file_blob *b;
    int rc = file_blob_create("/dev/shm/tongban-no-room", FILE_BYTES_MAX, NULL, NULL, &b, &e);
    if (rc == 0) { /* a machine with much memory: nothing to see here but that it is taken and given back */
        struct stat st;
        assert_int_equal(fstat(b->fd, &st), 0);
        assert_true((uint64_t)st.st_size >= FILE_BYTES_MAX);
        file_blob_close(b);
    } else {
        assert_int_equal(rc, ERR_FULL);
        assert_int_equal(access("/dev/shm/tongban-no-room", F_OK), -1);
    }
    (void)unlink("/dev/shm/tongban-no-room");
}

static void refuse_to_create(int code, const char *id)
{
    struct err e = {0};
    struct file_blob *b = NULL;
    assert_int_equal(file_blob_create(path_of("r.part"), SIZE, NULL, NULL, &b, &e), code);
    assert_string_equal(e.id, id);
    assert_null(b);
    assert_int_equal(access(path_of("r.part"), F_OK), -1); /* nothing was begun */
}

static void create_all_the_same(void)
{
    file_blob_close(make("r.part"));
    assert_int_equal(unlink(path_of("r.part")), 0);
}

/* Whether a file fits is known before its first byte. */
static void test_room(void **state)
{
    (void)state;
    const uint64_t wanted = 4096 + 2 * (uint64_t)FILE_SEALED_BYTES_MAX + file_chunk_sealed_size(SIZE, 2);
    fault.statvfs = true;
    refuse_to_create(ERR_IO, "file.room");
    fault.statvfs = false;
    fault.room = wanted + FILE_ROOM_BYTES_MIN - 1;
    refuse_to_create(ERR_FULL, "file.no-room");
    fault.room++;
    create_all_the_same();
    fault.room = 0;
    fault.allocate = EIO;
    refuse_to_create(ERR_IO, "file.room");
    fault.allocate = ENOSPC; /* somebody was quicker */
    refuse_to_create(ERR_FULL, "file.room");
    fault.allocate = EOPNOTSUPP; /* a file system that cannot promise room */
    create_all_the_same();
    fault.allocate = 0;
    create_all_the_same();
}

static void finish_refused(struct file_blob *b)
{
    struct err e = {0};
    assert_int_equal(file_blob_finish(b, dir, &e), ERR_IO);
    assert_string_equal(e.id, "file.sync");
}

/* A disk that refuses at the end, before or after the file got its name: once it works again, so does the same call. */
static void test_finish_again(void **state)
{
    (void)state;
    char final[FILE_BLOB_PATH_SIZE];
    struct file_blob *b = make("a.part");
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(file_blob_put(b, i, seal(i), NULL), 0);
    fault.sync = true;
    finish_refused(b);
    fault.sync = false;
    assert_int_equal(access(path_of("a.part"), F_OK), 0);
    file_blob_path(dir, b->id, final);
    assert_int_equal(access(final, F_OK), -1);
    fault.folder_sync = true;
    finish_refused(b);
    finish_refused(b);
    fault.folder_sync = false;
    assert_int_equal(file_blob_finish(b, dir, NULL), 0);
    file_blob_close(b);
    assert_int_equal(access(path_of("a.part"), F_OK), -1);
    b = reopen(final, false);
    assert_int_equal(there(b), 7);
    file_blob_close(b);
    assert_int_equal(unlink(final), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_upload),   cmocka_unit_test(test_fetch),
                                       cmocka_unit_test(test_refusals), cmocka_unit_test(test_no_room),
                                       cmocka_unit_test(test_room),     cmocka_unit_test(test_finish_again)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
