/* What tests around node/ledger share: a folder of their own, the key of node LEDGER_RIG_SELF, a loop, and a ledger in it.
 *
 * A fixture has a struct ledger_rig in it, as `base`. setup: ledger_rig_init() with its callbacks, ledger_rig_open();
 * teardown: what uses the ledger, ledger_rig_close_ledger(), what the loop still holds, ledger_rig_close().
 */
#ifndef TB_TESTS_UNIT_NODE_LEDGER_RIG_H
#define TB_TESTS_UNIT_NODE_LEDGER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <dirent.h>

#include "node/base/xassert.h"
#include "node/ledger.h"

#define LEDGER_RIG_SELF 510000u
#define LEDGER_RIG_ORIGIN "510000.test/log/1"

struct ledger_rig {
    char dir[64];
    struct crypto_signer *key;
    struct note_signer signer;
    struct loop *loop;
    struct ledger_config config;
    struct ledger *ledger; /* NULL = closed */
};

/* Callbacks for fixtures that do not care. */
static inline void ledger_rig_on_sealed(void *ctx)
{
    (void)ctx;
}

static inline void ledger_rig_on_state(void *ctx, const struct err *e)
{
    (void)ctx;
    if (e != NULL)
        fail_msg("stopped: %s", e->message);
}

static inline void ledger_rig_on_reload(void *ctx, const struct store_ledger_state *state)
{
    (void)ctx;
    (void)state;
}

/* @callbacks: on_sealed, on_state, on_reload (NULL: those above) and ctx; the rest is filled in here. -1 has been told. */
static inline int ledger_rig_init(struct ledger_rig *r, const struct ledger_config *callbacks)
{
    const uint8_t seed[CRYPTO_ED25519_KEY_SIZE] = {1, 2, 3};
    struct err e = {0};
    (void)snprintf(r->dir, sizeof r->dir, "/tmp/tongban-ledger-XXXXXX");
    if (mkdtemp(r->dir) == NULL) {
        print_error("cannot make %s\n", r->dir);
        return -1;
    }
    r->key = crypto_signer_create(seed);
    if (note_signer_init(LEDGER_RIG_ORIGIN, NOTE_TYPE_ED25519, r->key, &r->signer, &e) != 0 ||
        loop_create(&r->loop, &e) != 0) {
        print_error("%s\n", e.message);
        return -1;
    }
    r->config = *callbacks;
    r->config.dir = r->dir;
    r->config.self = LEDGER_RIG_SELF;
    r->config.signer = &r->signer;
    r->config.loop = r->loop;
    if (r->config.on_sealed == NULL)
        r->config.on_sealed = ledger_rig_on_sealed;
    if (r->config.on_state == NULL)
        r->config.on_state = ledger_rig_on_state;
    if (r->config.on_reload == NULL)
        r->config.on_reload = ledger_rig_on_reload;
    return 0;
}

/* -1 has been told. */
static inline int ledger_rig_open(struct ledger_rig *r)
{
    struct err e = {0};
    int rc = ledger_open(&r->config, &r->ledger, &e);
    if (rc != 0)
        print_error("%s\n", e.message);
    return rc == 0 ? 0 : -1;
}

static inline void ledger_rig_close_ledger(struct ledger_rig *r)
{
    ledger_close(r->ledger);
    r->ledger = NULL;
}

/* The folder with all that is in it. */
static inline void ledger_rig_remove(const char *dir)
{
    DIR *d = opendir(dir);
    for (const struct dirent *x; d != NULL && (x = readdir(d)) != NULL;) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%s", dir, x->d_name);
        (void)unlink(path); /* "." and ".." stay */
    }
    if (d != NULL)
        (void)closedir(d);
    assert_int_equal(rmdir(dir), 0);
}

/* After the ledger was closed, and everything that the loop holds was destroyed. */
static inline void ledger_rig_close(struct ledger_rig *r)
{
    xassert(r->ledger == NULL);
    loop_destroy(r->loop);
    crypto_signer_destroy(r->key);
    ledger_rig_remove(r->dir);
}

#endif
