/* Short number of a service (see service.h). */
#include "catalog/service.h"

#include <string.h>

#include "certs/crypto.h"
#include "node/base/bytes.h"

uint32_t service_code(const char *item_code)
{
    uint8_t hash[CRYPTO_HASH_SIZE];
    crypto_sha256_one(item_code, strlen(item_code), hash);
    return get_be32(hash);
}
