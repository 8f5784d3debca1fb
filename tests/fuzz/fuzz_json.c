/* The JSON edge of the API, and what is made of its output: parsing is strict, the canonical form is a fixed point, and a
 * masked payload never shows an identity number that the payload had. */
#include <stdlib.h>
#include <string.h>

#include "node/base/xassert.h"
#include "node/http/json.h"
#include "node/mask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena mem = ARENA_INIT;
    yyjson_val *root, *again;
    struct err e = {0};
    if (json_parse(&mem, bytes_of(data, size), &root, &e) == 0) {
        struct bytes canonical = json_canonical(&mem, root);
        int rc = json_parse(&mem, canonical, &again, &e);
        xassert(rc == 0);
        xassert(bytes_equal(json_canonical(&mem, again), canonical));
        struct bytes masked = mask_payload(canonical, &mem);
        xassert(masked.size == 0 || json_parse(&mem, masked, &again, &e) == 0);
    } else {
        xassert(e.code < 0 && e.message[0] != '\0' && e.id[0] != '\0');
    }
    arena_close(&mem);
    return 0;
}
