/* limits: what this machine can do alone, under every figure of the other measurements.
 *
 *   limits [SECONDS]        of each measurement (1)
 *
 * Prints `limits.WHAT metric value` lines: a 4 KiB write with fdatasync, by one and by two writers (the two nodes of a measurement)
 * under /tmp, where the nodes live; a 1 KiB round trip and a stream over TCP on loopback; Ed25519 and SHA-256 as the product
 * calls them, on one core.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "certs/crypto.h"
#include "node/base/clock.h"
#include "node/base/xassert.h"

#define SAMPLES_MAX 1000000u
#define WRITERS_MAX 2u

static uint32_t samples[SAMPLES_MAX];
static uint64_t run_us = 1000000;

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void report(const char *what, size_t count, uint64_t elapsed_us)
{
    qsort(samples, count, sizeof samples[0], by_value);
    printf("%s per_s %.0f\n%s p50_us %u\n%s p99_us %u\n", what, (double)count * 1e6 / (double)elapsed_us, what,
           samples[count / 2], what, samples[count * 99 / 100]);
    (void)fflush(stdout);
}

/* ---- disk ---- */

/* Writes and syncs for run_us; times into samples from @at on. */
static size_t sync_loop(int fd, size_t at)
{
    static uint8_t block[4096];
    size_t count = 0;
    for (uint64_t start = clock_mono_us(), now = start; now - start < run_us && at + count < SAMPLES_MAX;) {
        ssize_t n = write(fd, block, sizeof block);
        xassert(n == (ssize_t)sizeof block);
        int rc = fdatasync(fd);
        xassert(rc == 0);
        uint64_t done = clock_mono_us();
        samples[at + count++] = (uint32_t)(done - now);
        now = done;
    }
    return count;
}

static int scratch(void)
{
    char path[] = "/tmp/tongban-limits-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    xassert(fd >= 0);
    (void)unlink(path); /* the file lives as long as the descriptor */
    return fd;
}

/* Each writer is a process with a file of its own; the times come back through pipes. */
static void disk(const char *what, size_t writers)
{
    int pipes[WRITERS_MAX][2];
    size_t count = 0;
    uint64_t start = clock_mono_us();
    for (size_t i = 0; i < writers; i++) {
        int rc = pipe2(pipes[i], O_CLOEXEC);
        xassert(rc == 0);
        pid_t pid = fork();
        xassert(pid >= 0);
        if (pid == 0) {
            FILE *f = fdopen(pipes[i][1], "w");
            xassert(f != NULL);
            size_t n = sync_loop(scratch(), 0);
            (void)fwrite(samples, sizeof samples[0], n, f);
            (void)fclose(f);
            _exit(0);
        }
        close(pipes[i][1]);
    }
    for (size_t i = 0; i < writers; i++) {
        FILE *f = fdopen(pipes[i][0], "r");
        xassert(f != NULL);
        count += fread(samples + count, sizeof samples[0], SAMPLES_MAX - count, f);
        (void)fclose(f);
    }
    report(what, count, clock_mono_us() - start);
    while (wait(NULL) > 0)
        ;
}

/* ---- loopback ---- */

static int listener(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = bind(fd, (struct sockaddr *)&address, sizeof address);
    xassert(rc == 0);
    rc = listen(fd, 1);
    xassert(rc == 0);
    rc = getsockname(fd, (struct sockaddr *)&address, &size);
    xassert(rc == 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static int dial(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = connect(fd, (struct sockaddr *)&address, sizeof address);
    xassert(rc == 0);
    rc = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    xassert(rc == 0);
    return fd;
}

static bool read_all(int fd, uint8_t *out, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = read(fd, out + at, size - at);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

/* The other side of a connection, in a process of its own: answers each KiB with a KiB, or only reads. */
static void other_side(int listening, bool answers)
{
    static uint8_t in[1 << 16];
    int one = 1, fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (answers) {
        while (read_all(fd, in, 1024) && write(fd, in, 1024) == 1024)
            ;
    } else {
        while (read(fd, in, sizeof in) > 0)
            ;
    }
    _exit(0);
}

static void loopback(const char *what, bool answers)
{
    static uint8_t block[1 << 16];
    uint16_t port;
    int listening = listener(&port);
    pid_t pid = fork();
    xassert(pid >= 0);
    if (pid == 0)
        other_side(listening, answers);
    close(listening);
    int fd = dial(port);
    uint64_t start = clock_mono_us(), now = start, bytes = 0;
    size_t count = 0;
    while (now - start < run_us && count < SAMPLES_MAX) {
        ssize_t n = write(fd, block, answers ? 1024 : sizeof block);
        xassert(n > 0);
        bool ok = !answers || read_all(fd, block, 1024);
        xassert(ok);
        bytes += (uint64_t)n;
        uint64_t done = clock_mono_us();
        samples[count++] = (uint32_t)(done - now);
        now = done;
    }
    close(fd);
    (void)waitpid(pid, NULL, 0);
    if (answers)
        report(what, count, now - start);
    else
        printf("%s mb_per_s %.0f\n", what, (double)bytes / (double)(now - start));
}

/* ---- signatures and hashes ---- */

static void crypto(void)
{
    static uint8_t seed[CRYPTO_ED25519_KEY_SIZE], public_key[CRYPTO_ED25519_KEY_SIZE], sig[CRYPTO_ED25519_SIG_SIZE];
    static uint8_t block[1024];
    struct crypto_signer *signer = crypto_signer_create(seed);
    struct bytes message = bytes_of(block, sizeof block);
    crypto_signer_public(signer, public_key);
    uint64_t start, count;
    for (start = clock_mono_us(), count = 0; clock_mono_us() - start < run_us; count++)
        crypto_sign(signer, message, sig);
    printf("limits.ed25519 sign_per_s %.0f\n", (double)count * 1e6 / (double)(clock_mono_us() - start));
    for (start = clock_mono_us(), count = 0; clock_mono_us() - start < run_us; count++) {
        bool ok = crypto_verify(public_key, message, sig);
        xassert(ok);
    }
    printf("limits.ed25519 verify_per_s %.0f\n", (double)count * 1e6 / (double)(clock_mono_us() - start));
    for (start = clock_mono_us(), count = 0; clock_mono_us() - start < run_us; count++)
        crypto_sha256(&message, 1, seed);
    printf("limits.sha256 mb_per_s %.0f\n", (double)(count * 1024) / (double)(clock_mono_us() - start));
    crypto_signer_destroy(signer);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        run_us = (uint64_t)(strtod(argv[1], NULL) * 1e6);
    disk("limits.fdatasync.c1", 1);
    disk("limits.fdatasync.c2", 2);
    loopback("limits.tcp.roundtrip", true);
    loopback("limits.tcp.stream", false);
    crypto();
    return 0;
}
