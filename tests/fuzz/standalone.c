/* Runs a fuzz target without libFuzzer: every corpus file given (or found in a folder given), then mutations of them from a
 * fixed seed, so that every build of the tests exercises every decoder the same way on every machine.
 *
 * usage: fuzz_x FILE|FOLDER...      exit 0, or abort in the target (the input is then written to standard error in hex) */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/file.h"
#include "node/base/prng.h"
#include "node/base/xassert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEEDS_MAX 256
#define SEED_BYTES_MAX (1u << 20)
#define MUTATIONS 4000

static struct buf seeds[SEEDS_MAX];
static size_t seed_count;
static struct buf input; /* what the target is looking at */

static void print_input(int signal_number)
{
    static const char digits[] = "0123456789abcdef";
    static const char head[] = "\nfuzz input that failed, in hex:\n";
    (void)!write(STDERR_FILENO, head, sizeof head - 1); /* nothing can be done about a failing stderr here */
    for (size_t i = 0; i < input.size && i < 65536; i++) {
        char pair[2] = {digits[input.data[i] >> 4], digits[input.data[i] & 15]};
        (void)!write(STDERR_FILENO, pair, sizeof pair);
    }
    (void)!write(STDERR_FILENO, "\n", 1);
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

/* From memory of exactly its size, so that AddressSanitizer sees one byte too many. */
static void run(void)
{
    uint8_t *exact = xmalloc(input.size == 0 ? 1 : input.size);
    if (input.size > 0)
        memcpy(exact, input.data, input.size);
    (void)LLVMFuzzerTestOneInput(exact, input.size); /* always 0 */
    free(exact);
}

static void add_file(const char *path)
{
    struct err e;
    xassert(seed_count < SEEDS_MAX);
    if (file_read(path, SEED_BYTES_MAX, &seeds[seed_count], &e) < 0) {
        fprintf(stderr, "%s: %s\n", path, e.message);
        exit(1);
    }
    seed_count++;
}

static void add_path(const char *path)
{
    struct stat st;
    struct dirent **names;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        add_file(path);
        return;
    }
    int count = scandir(path, &names, NULL, alphasort); /* sorted: the same order everywhere */
    for (int i = 0; i < count; i++) {
        char full[4096];
        (void)snprintf(full, sizeof full, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            add_file(full);
        free(names[i]);
    }
    if (count >= 0)
        free(names);
}

static void replace(size_t at, size_t removed, const void *data, size_t size)
{
    struct buf next;
    buf_init(&next, 2 * SEED_BYTES_MAX);
    buf_put(&next, input.data, at);
    buf_put(&next, data, size);
    buf_put(&next, input.data + at + removed, input.size - at - removed);
    buf_close(&input);
    input = next;
}

static void mutate(struct prng *prng)
{
    static const uint8_t edges[] = {0, 1, 0x7f, 0x80, 0xff, '\n', ' ', '=', '+', '0', '9'};
    size_t at = input.size == 0 ? 0 : prng_below(prng, input.size);
    size_t left = input.size - at;
    size_t chunk = left == 0 ? 0 : 1 + prng_below(prng, left < 64 ? left : 64);
    uint8_t byte = edges[prng_below(prng, sizeof edges)];
    const struct buf *other = &seeds[prng_below(prng, seed_count)];
    switch (prng_below(prng, 7)) {
    case 0:
        if (left > 0)
            input.data[at] ^= (uint8_t)(1u << prng_below(prng, 8));
        break;
    case 1:
        replace(at, left > 0, &byte, 1);
        break;
    case 2:
        replace(at, 0, &byte, 1);
        break;
    case 3:
        replace(at, chunk, NULL, 0);
        break;
    case 4: { /* a piece twice */
        uint8_t piece[64];
        memcpy(piece, left == 0 ? edges : input.data + at, left == 0 ? 0 : chunk);
        replace(at, 0, piece, chunk);
        break;
    }
    case 5: /* the end of another seed */
        if (other->size > 0) {
            size_t from = prng_below(prng, other->size);
            replace(at, left, other->data + from, other->size - from);
        }
        break;
    default:
        replace(at, left, NULL, 0);
        break;
    }
}

int main(int argc, char **argv)
{
    struct prng prng;
    prng_init(&prng, 20261124);
    (void)signal(SIGABRT, print_input);
    (void)signal(SIGSEGV, print_input);
    for (int i = 1; i < argc; i++)
        add_path(argv[i]);
    if (seed_count == 0) {
        fprintf(stderr, "usage: %s FILE|FOLDER...  (no corpus found)\n", argv[0]);
        return 2;
    }

    for (size_t i = 0; i < seed_count; i++) {
        replace(0, input.size, seeds[i].data, seeds[i].size);
        run();
    }
    for (int i = 0; i < MUTATIONS; i++) {
        const struct buf *seed = &seeds[prng_below(&prng, seed_count)];
        replace(0, input.size, seed->data, seed->size);
        for (uint64_t steps = 1 + prng_below(&prng, 4); steps > 0; steps--)
            mutate(&prng);
        run();
    }
    for (size_t i = 0; i < seed_count; i++)
        buf_close(&seeds[i]);
    buf_close(&input);
    return 0;
}
