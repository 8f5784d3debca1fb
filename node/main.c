/* tongband: the daemon. Options, configuration, exit codes; everything else is node.c. */
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "certs/crypto.h"
#include "node/base/log.h"
#include "node/base/version.h"
#include "node/node.h"

static const char usage[] =
    "usage: tongband --config DIR/node.json [--check | --verify]\n"
    "\n"
    "Runs a Tongban (通办) node in the foreground; log lines go to standard error.\n"
    "\n"
    "  --config FILE  configuration of the node (made by `tongban node init`)\n"
    "  --check        check configuration, keys, certificates, member list and catalog, and exit\n"
    "  --verify       check every stored ledger entry against trees and signatures, and exit (node not running)\n"
    "  --adopt-head   go on although heads.db is lost: you state that ledger.db is the newest copy (once, by hand)\n"
    "  --version      print the version and exit\n"
    "  --help         this text\n"
    "\n"
    "SIGTERM stops; SIGHUP reads certificates, revocations and members again.\n"
    "example: tongband --config /var/lib/tongban/node.json\n";

enum mode { MODE_RUN, MODE_CHECK, MODE_VERIFY };

static int fail(const struct err *e)
{
    (void)fprintf(stderr, "tongband: %s (%s)\n", e->message, e->id);
    if (e->hint[0] != '\0')
        (void)fprintf(stderr, "hint: %s\n", e->hint);
    return err_exit_code(e->code);
}

/* A batch of a long backlog, or a chunk of a file, takes megabytes for a moment, again and again. Each of them mapped and given back
 * costs more than what is done with it (the kernel clears every page anew), so that such blocks are kept between two of them; the
 * node gives back what it does not use every few seconds (node.c), so that it does not stay as large as its largest moment. */
static void keep_blocks(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 16 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 16 << 20);
    (void)mallopt(M_ARENA_MAX, 2);
}

static int run(const char *path, enum mode mode, bool adopt_head)
{
    struct err e = {0};
    struct config config;
    if (config_load(path, &config, &e) != 0)
        return fail(&e);
    config.adopt_head = adopt_head;
    enum log_level level;
    if (log_parse_level(config.log, &level) == 0)
        log_set_level(level);

    struct node *node = NULL;
    int rc = mode == MODE_CHECK    ? node_check(&config, &e)
             : mode == MODE_VERIFY ? node_verify(&config, &e)
                                   : node_start(&config, &node, &e);
    if (rc == 0 && node != NULL)
        node_run(node);
    node_destroy(node);
    config_close(&config);
    if (rc == ERR_CLOSED)
        return 0; /* asked to stop before it had started */
    if (rc != 0)
        return fail(&e);
    if (mode == MODE_CHECK)
        (void)puts("ok");
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check", no_argument, NULL, 'k'},
                                            {"verify", no_argument, NULL, 'y'},
                                            {"adopt-head", no_argument, NULL, 'a'},
                                            {"version", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *path = NULL;
    enum mode mode = MODE_RUN;
    keep_blocks();
    crypto_init();
    bool adopt_head = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case 'k':
            mode = MODE_CHECK;
            break;
        case 'y':
            mode = MODE_VERIFY;
            break;
        case 'a':
            adopt_head = true;
            break;
        case 'v':
            (void)printf("tongband %s\n", tongban_version);
            return 0;
        case 'h':
            (void)fputs(usage, stdout);
            return 0;
        default:
            (void)fputs("tongband: see tongband --help\n", stderr);
            return 2;
        }
    }
    if (path == NULL || optind != argc) {
        (void)fprintf(stderr, "tongband: %s%s; see tongband --help\n",
                      path == NULL ? "--config FILE is missing" : "unexpected argument ",
                      path == NULL ? "" : argv[optind]);
        return 2;
    }
    (void)umask(0077);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is then a failed write like any other */
    return run(path, mode, adopt_head);
}
