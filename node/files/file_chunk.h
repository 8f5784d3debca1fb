/* Chunks of a file: how content becomes sealed bytes, and how these get a name (FORMATS.md, "Files"). Pure but for the
 * random salts; any thread.
 *
 *   content ─ 1 MiB each ─► file_chunk_seal() under the file's key ─► sealed chunks ─► leaf hashes ─► file_id()
 *
 * The id is made from sealed bytes, so it tells nobody what the content is, and each chunk can be checked by who has no key.
 * A file's key is wrapped under the key of each case that holds the file: it dies with the last of them.
 */
#ifndef TB_FILES_FILE_CHUNK_H
#define TB_FILES_FILE_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "certs/crypto.h"
#include "federation/ledger/merkle.h"
#include "node/base/limits.h"

#define FILE_ID_SIZE 32
#define FILE_KEY_SIZE CRYPTO_KEY_SIZE
#define FILE_SALT_SIZE 16
#define FILE_CHUNK_OVERHEAD (FILE_SALT_SIZE + CRYPTO_TAG_SIZE)
#define FILE_SEALED_BYTES_MAX (FILE_CHUNK_BYTES + FILE_CHUNK_OVERHEAD)
#define FILE_WRAP_SIZE (FILE_KEY_SIZE + CRYPTO_TAG_SIZE)

/* Chunks of @size bytes of content, which are 1..FILE_BYTES_MAX. */
uint32_t file_chunk_count(uint64_t size);
/* Bytes of content in chunk @index (below the count), and sealed. */
size_t file_chunk_size(uint64_t size, uint32_t index);
size_t file_chunk_sealed_size(uint64_t size, uint32_t index);

/* @plain is the whole chunk @index of a file of @size bytes; @out gets file_chunk_sealed_size() bytes: salt, ciphertext, tag. */
void file_chunk_seal(const uint8_t key[FILE_KEY_SIZE], uint64_t size, uint32_t index, struct bytes plain, uint8_t *out);
/* False when it does not open; then @out (file_chunk_size() bytes) is wiped. */
bool file_chunk_open(const uint8_t key[FILE_KEY_SIZE], uint64_t size, uint32_t index, struct bytes sealed,
                     uint8_t *out);

/* The name of a file: its size and the Merkle root over its sealed chunks. @hashes: merkle_leaf_hash() of each. */
void file_id(uint64_t size, const struct merkle_hash *hashes, uint32_t count, uint8_t out[FILE_ID_SIZE]);

/* The file's key under a case's key. The same input gives the same bytes. */
void file_key_wrap(const uint8_t case_key[CRYPTO_KEY_SIZE], const uint8_t id[FILE_ID_SIZE],
                   const uint8_t file_key[FILE_KEY_SIZE], uint8_t out[FILE_WRAP_SIZE]);
bool file_key_unwrap(const uint8_t case_key[CRYPTO_KEY_SIZE], const uint8_t id[FILE_ID_SIZE],
                     const uint8_t wrap[FILE_WRAP_SIZE], uint8_t out[FILE_KEY_SIZE]);

#endif
