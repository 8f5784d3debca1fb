/* Requests to a witness: every body gets one verdict; what is cosigned is not smaller than what was, and the same request once
 * more is told the size. */
#include <string.h>

#include "federation/witness/witness.h"
#include "node/base/xassert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The logs of the corpus, and what may have been cosigned of them. */
static const char *const vkeys[] = {
    "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562+5202289b+"
    "Af/cLU2Y5BJNP+r3iMDC+av9eWCD0fBJVDfzAux5zxAP",
    "node.p11.gov-interop.example/log/2026+7e90520c+AVu29E8PZ65U7QI8Ke3/s37OXtaISvLXxEw/SVYLmr/d",
};
static const struct {
    size_t log;
    uint64_t size;
    const char *root;
} states[] = {
    {0, 1, "KgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
    {0, 3, "RcCI1Nk56ZcSmIEfIn0SleqtV7uvrlXNccFx595Iwl0="},
    {1, 7, "mMl/C6MXXNCLAx3QhLncTmSbZNGijm6mlGRlAxc6tYc="},
    {1, 13, "wMEonwBgX419h4C59CZMc2zPuEzpFwjCsn5kJr/H2Kg="},
};
static struct note_verifier logs[2];
static struct note_signer signer;

static void set_up(void)
{
    static const uint8_t seed[CRYPTO_ED25519_KEY_SIZE] = {7};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < array_count(logs); i++)
        rc = note_verifier_parse(bytes_of_string(vkeys[i]), &logs[i], NULL);
    xassert(rc == 0);
    rc = note_signer_init("w.example", NOTE_TYPE_COSIGNATURE, crypto_signer_create(seed), &signer, NULL);
    xassert(rc == 0);
}

static void judge(struct bytes body, const struct note_verifier *log, const struct witness_state *kept, bool has_origin)
{
    struct witness_verdict v, again;
    struct buf out = {0};
    witness_judge(body, log, kept, &v);
    xassert(has_origin || v.status == WITNESS_MALFORMED);
    xassert(v.status != WITNESS_OK || (log != NULL && v.next.size >= kept->size && !v.is_contradiction));
    xassert((v.note.size > 0) == (v.status == WITNESS_OK || v.is_contradiction));
    witness_answer(&v, kept, &signer, 1764000000, &out);
    xassert(out.size >= 2 && memchr(out.data, '\n', out.size) == out.data + out.size - 1); /* one line */
    buf_close(&out);
    if (v.status == WITNESS_OK) {
        witness_judge(body, log, &v.next, &again);
        xassert(again.status == (kept->size == v.next.size ? WITNESS_OK : WITNESS_CONFLICT) && !again.is_contradiction);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes body = bytes_of(data, size);
    char origin[ORIGIN_NAME_BYTES_MAX + 1];
    struct witness_state kept = {.size = 0};
    if (signer.crypto == NULL)
        set_up();
    bool has_origin = witness_peek(body, origin, NULL) == 0;
    merkle_empty_root(&kept.root);
    judge(body, NULL, &kept, has_origin);
    for (size_t i = 0; i < array_count(logs); i++)
        judge(body, &logs[i], &kept, has_origin);
    for (size_t i = 0; i < array_count(states); i++) {
        size_t root_size;
        kept.size = states[i].size;
        int rc = base64_decode(states[i].root, strlen(states[i].root), kept.root.b, sizeof kept.root.b, &root_size);
        xassert(rc == 0);
        judge(body, &logs[states[i].log], &kept, has_origin);
    }
    return 0;
}
