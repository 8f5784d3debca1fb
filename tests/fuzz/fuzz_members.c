/* The member list: nothing but a list under the federation's key is taken, and what is taken is in order. */
#include <string.h>

#include "federation/members.h"
#include "node/base/xassert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct note_verifier key;
    if (key.key_id == 0) { /* seed of 32 bytes of 7: the corpus was signed with it */
        const uint8_t seed[CRYPTO_ED25519_KEY_SIZE] = {7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
                                                       7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7};
        uint8_t public_key[CRYPTO_ED25519_KEY_SIZE];
        struct crypto_signer *signer = crypto_signer_create(seed);
        crypto_signer_public(signer, public_key);
        crypto_signer_destroy(signer);
        int rc = note_verifier_init("tongban.example", NOTE_TYPE_ED25519, public_key, &key, NULL);
        xassert(rc == 0);
    }
    struct members m;
    struct err e = {0};
    if (members_parse(bytes_of(data, size), &key, &m, &e) == 0) {
        for (size_t i = 1; i < m.count; i++)
            xassert(m.list[i - 1].code < m.list[i].code);
        xassert(strcmp(m.federation, "tongban.example") == 0);
        members_close(&m);
    } else {
        xassert(e.code < 0 && e.message[0] != '\0');
    }
    return 0;
}
