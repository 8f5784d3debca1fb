/* Chunks of a file (see file_chunk.h). */
#include "node/files/file_chunk.h"

#include <string.h>

#include "node/base/xassert.h"

#define INFO_CHUNK "tongban/file-chunk/1"
#define INFO_WRAP "tongban/file-key/1"
#define DOMAIN_ID "tongban/file-id/1\n"

uint32_t file_chunk_count(uint64_t size)
{
    xassert(size >= 1 && size <= FILE_BYTES_MAX);
    return (uint32_t)((size + FILE_CHUNK_BYTES - 1) / FILE_CHUNK_BYTES);
}

size_t file_chunk_size(uint64_t size, uint32_t index)
{
    uint64_t at = (uint64_t)index * FILE_CHUNK_BYTES;
    xassert(at < size);
    return (size_t)min_of(size - at, (uint64_t)FILE_CHUNK_BYTES);
}

size_t file_chunk_sealed_size(uint64_t size, uint32_t index)
{
    return file_chunk_size(size, index) + FILE_CHUNK_OVERHEAD;
}

/* A key for one message: a chunk that is sealed again, after a crash, has another salt. */
static void chunk_key(const uint8_t key[FILE_KEY_SIZE], const uint8_t salt[FILE_SALT_SIZE],
                      uint8_t out[CRYPTO_KEY_SIZE])
{
    crypto_hkdf(bytes_of(key, FILE_KEY_SIZE), bytes_of(salt, FILE_SALT_SIZE), bytes_of_string(INFO_CHUNK), out,
                CRYPTO_KEY_SIZE);
}

static struct bytes chunk_aad(uint64_t size, uint32_t index, uint8_t out[12])
{
    put_be64(out, size);
    put_be32(out + 8, index);
    return bytes_of(out, 12);
}

void file_chunk_seal(const uint8_t key[FILE_KEY_SIZE], uint64_t size, uint32_t index, struct bytes plain, uint8_t *out)
{
    uint8_t once[CRYPTO_KEY_SIZE], aad[12];
    xassert(plain.size == file_chunk_size(size, index));
    crypto_random(out, FILE_SALT_SIZE);
    chunk_key(key, out, once);
    crypto_seal_once(once, chunk_aad(size, index, aad), plain, out + FILE_SALT_SIZE);
    crypto_wipe(once, sizeof once);
}

bool file_chunk_open(const uint8_t key[FILE_KEY_SIZE], uint64_t size, uint32_t index, struct bytes sealed, uint8_t *out)
{
    uint8_t once[CRYPTO_KEY_SIZE], aad[12];
    if (sealed.size != file_chunk_sealed_size(size, index))
        return false;
    chunk_key(key, sealed.data, once);
    struct bytes message = bytes_of(sealed.data + FILE_SALT_SIZE, sealed.size - FILE_SALT_SIZE);
    bool ok = crypto_open_once(once, chunk_aad(size, index, aad), message, out);
    crypto_wipe(once, sizeof once);
    return ok;
}

void file_id(uint64_t size, const struct merkle_hash *hashes, uint32_t count, uint8_t out[FILE_ID_SIZE])
{
    /* Complete subtrees from left to right, as a compact range; folded from the right at the end. */
    struct merkle_hash stack[32], root;
    uint8_t be_size[8];
    unsigned depth = 0;
    xassert(count == file_chunk_count(size));
    for (uint32_t i = 0; i < count; i++) {
        stack[depth++] = hashes[i];
        for (uint32_t n = i + 1; (n & 1) == 0; n >>= 1) {
            depth--;
            merkle_node_hash(&stack[depth - 1], &stack[depth], &stack[depth - 1]);
        }
    }
    root = stack[--depth];
    while (depth > 0) {
        depth--;
        merkle_node_hash(&stack[depth], &root, &root);
    }
    put_be64(be_size, size);
    const struct bytes parts[] = {bytes_of_string(DOMAIN_ID), bytes_of(be_size, 8), bytes_of(root.b, sizeof root.b)};
    crypto_sha256(parts, array_count(parts), out);
}

static void wrap_key(const uint8_t case_key[CRYPTO_KEY_SIZE], const uint8_t id[FILE_ID_SIZE],
                     uint8_t out[CRYPTO_KEY_SIZE])
{
    crypto_hkdf(bytes_of(case_key, CRYPTO_KEY_SIZE), bytes_of(id, FILE_ID_SIZE), bytes_of_string(INFO_WRAP), out,
                CRYPTO_KEY_SIZE);
}

void file_key_wrap(const uint8_t case_key[CRYPTO_KEY_SIZE], const uint8_t id[FILE_ID_SIZE],
                   const uint8_t file_key[FILE_KEY_SIZE], uint8_t out[FILE_WRAP_SIZE])
{
    uint8_t once[CRYPTO_KEY_SIZE]; /* a file has one key: the message under it is always the same */
    wrap_key(case_key, id, once);
    crypto_seal_once(once, bytes_of(NULL, 0), bytes_of(file_key, FILE_KEY_SIZE), out);
    crypto_wipe(once, sizeof once);
}

bool file_key_unwrap(const uint8_t case_key[CRYPTO_KEY_SIZE], const uint8_t id[FILE_ID_SIZE],
                     const uint8_t wrap[FILE_WRAP_SIZE], uint8_t out[FILE_KEY_SIZE])
{
    uint8_t once[CRYPTO_KEY_SIZE];
    wrap_key(case_key, id, once);
    bool ok = crypto_open_once(once, bytes_of(NULL, 0), bytes_of(wrap, FILE_WRAP_SIZE), out);
    crypto_wipe(once, sizeof once);
    return ok;
}
