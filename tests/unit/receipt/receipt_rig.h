/* Ledgers, witnesses, a policy and receipts for the tests of node/receipt and federation/ledger/receipt.h. Included once per test
 * program. Paths are made of any hashes, whose root is signed: a tree of 2^32 entries costs nothing. */
#ifndef TB_TESTS_RECEIPT_RECEIPT_RIG_H
#define TB_TESTS_RECEIPT_RECEIPT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "federation/ledger/receipt.h"
#include "node/base/xassert.h"
#include "node/cases/event.h"

#define RIG_WITNESSES 63
#define RIG_TIME 1790000000u
#define RIG_ITEM "11510000TEMP00013D20007KSTB0052"
#define RIG_LOG "510000.tongban.example/log/1"

struct rig {
    struct crypto_signer *crypto[1 + RIG_WITNESSES];
    struct note_signer log, witnesses[RIG_WITNESSES], foreign;
    struct arena mem;
    struct policy policy;
};

/* What a receipt is made of; rig_receipt() puts it together. */
struct rig_shape {
    uint64_t index, size;
    uint16_t event;    /* 0 = accept */
    size_t cosigned;   /* the first so many witnesses */
    uint64_t step_s;   /* between their times */
    bool with_foreign; /* a line of a witness that no policy knows */
    size_t leaf_bytes; /* at least; 0 = as it comes */
};

static inline void rig_signer(struct rig *r, size_t at, const char *name, uint8_t type, struct note_signer *ret)
{
    uint8_t seed[CRYPTO_ED25519_KEY_SIZE] = {(uint8_t)(at + 1), 7};
    r->crypto[at] = crypto_signer_create(seed);
    assert_int_equal(note_signer_init(name, type, r->crypto[at], ret, NULL), 0);
}

/* The policy of @lines behind the log and the witnesses "w0", "w1", …. */
static inline void rig_policy(struct rig *r, size_t witnesses, const char *lines, struct policy *ret)
{
    struct buf text = {0};
    struct err e = {0};
    buf_put_string(&text, "log ");
    note_verifier_format(&r->log.key, &text);
    for (size_t i = 0; i < witnesses; i++) {
        buf_printf(&text, "\nwitness w%zu ", i);
        note_verifier_format(&r->witnesses[i].key, &text);
    }
    buf_printf(&text, "\n%s\n", lines);
    if (policy_parse(arena_bytes(&r->mem, buf_bytes(&text)), &r->mem, ret, &e) != 0)
        fail_msg("%s", e.message);
    buf_close(&text);
}

static inline int rig_open(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    char name[48];
    rig_signer(r, 0, RIG_LOG, NOTE_TYPE_ED25519, &r->log);
    for (size_t i = 0; i < RIG_WITNESSES; i++) {
        (void)snprintf(name, sizeof name, "%zu.tongban.example/witness", 110000 + i);
        rig_signer(r, 1 + i, name, NOTE_TYPE_COSIGNATURE, &r->witnesses[i]);
    }
    r->foreign = r->witnesses[RIG_WITNESSES - 1];
    rig_policy(r, 4, "group g 3 w0 w1 w2 w3\nquorum g", &r->policy);
    *state = r;
    return 0;
}

static inline int rig_close(void **state)
{
    struct rig *r = *state;
    for (size_t i = 0; i < array_count(r->crypto); i++)
        crypto_signer_destroy(r->crypto[i]);
    arena_close(&r->mem);
    free(r);
    return 0;
}

static inline void rig_leaf(const struct rig_shape *s, struct buf *out)
{
    static const uint8_t lead[] = {0, 7, 200, 48}, grant[] = {1}, filler[LEAF_ATTR_BYTES_MAX];
    uint8_t service[CRYPTO_HASH_SIZE];
    struct leaf l = {.kind = LEAF_KIND_EVENT,
                     .suite = LEAF_SUITE_SHA256_ED25519_AES256GCM,
                     .origin = 510000,
                     .index = s->index,
                     .hlc = ((uint64_t)RIG_TIME * 1000 - 5000) << 16,
                     .event_type = s->event != 0 ? s->event : CASE_EVENT_ACCEPT,
                     .role = CASE_ROLE_DECIDER,
                     .rules_version = 1,
                     .recipient_count = 1,
                     .recipients = {{440000, 3}},
                     .key_epoch = 1};
    crypto_sha256_one(RIG_ITEM, strlen(RIG_ITEM), service);
    l.service = get_be32(service);
    for (size_t i = 0; i < LEAF_CASE_ID_SIZE; i++)
        l.case_id[i] = (uint8_t)(i + 1);
    if (l.event_type == CASE_EVENT_SUBMIT) {
        l.attrs[l.attr_count++] = (struct leaf_attr){CASE_ATTR_LEAD, bytes_of(lead, sizeof lead)};
        l.attrs[l.attr_count++] = (struct leaf_attr){CASE_ATTR_ITEM_CODE, bytes_of_string(RIG_ITEM)};
    } else if (l.event_type == CASE_EVENT_DECIDE) {
        l.attrs[l.attr_count++] = (struct leaf_attr){CASE_ATTR_DECISION, bytes_of(grant, sizeof grant)};
    }
    assert_int_equal(leaf_encode(&l, out, NULL), 0);
    if (s->leaf_bytes > out->size + 4) {
        l.attrs[l.attr_count++] = (struct leaf_attr){999, bytes_of(filler, s->leaf_bytes - out->size - 4)};
        buf_reset(out);
        assert_int_equal(leaf_encode(&l, out, NULL), 0);
    }
}

/* MTH from leaf and path by RFC 6962's recursion, from the root down: the sibling of the whole comes last. */
static inline void rig_root(uint64_t index, uint64_t size, const struct merkle_hash *leaf, struct merkle_proof *path,
                            struct merkle_hash *ret)
{
    if (size == 1) {
        *ret = *leaf;
        return;
    }
    uint64_t k = 1;
    while (k * 2 < size)
        k *= 2;
    struct merkle_hash below;
    rig_root(index < k ? index : index - k, index < k ? k : size - k, leaf, path, &below);
    struct merkle_hash *sibling = &path->hash[path->count++];
    memset(sibling->b, (int)(path->count + 1), sizeof sibling->b);
    if (index < k)
        merkle_node_hash(&below, sibling, ret);
    else
        merkle_node_hash(sibling, &below, ret);
}

/* The tlog-proof text. */
static inline void rig_receipt(struct rig *r, const struct rig_shape *s, struct buf *out)
{
    struct buf leaf = {0}, note = {0}, body = {0};
    struct merkle_hash hash;
    struct checkpoint head = {.origin = RIG_LOG, .size = s->size};
    struct proof p = {.has_extra = true, .index = s->index};
    rig_leaf(s, &leaf);
    leaf_hash(buf_bytes(&leaf), &hash);
    rig_root(s->index, s->size, &hash, &p.inclusion, &head.root);
    assert_int_equal(checkpoint_format(&head, &body, NULL), 0);
    assert_int_equal(checkpoint_sign(&head, &r->log, &note, NULL), 0);
    for (size_t i = 0; i < s->cosigned; i++)
        assert_int_equal(checkpoint_cosign(buf_bytes(&body), &r->witnesses[i], RIG_TIME + i * s->step_s, &note, NULL),
                         0);
    if (s->with_foreign)
        assert_int_equal(checkpoint_cosign(buf_bytes(&body), &r->foreign, RIG_TIME, &note, NULL), 0);
    p.extra = buf_bytes(&leaf);
    p.checkpoint = buf_bytes(&note);
    assert_int_equal(proof_format(&p, out, NULL), 0);
    buf_close(&leaf);
    buf_close(&note);
    buf_close(&body);
}

#endif
