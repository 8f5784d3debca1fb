/* Uploads: files on their way in from the local API. Each has a file under DIR/files/upload with its sealed chunks and one beside it
 * that says what it is, sealed under the case's key; both survive a restart, and go when nobody comes for a week.
 *
 *   begin -> put (chunk after chunk, each sealed on a worker) -> finish: one pass over everything reads it back, hashes the
 *   content, looks at its type and feeds the scanner; then the file gets its name and is durable
 *
 * Memory: one chunk per upload at work, whatever the size of the file. One operation of an upload at a time. Loop thread only;
 * what blocks runs on workers.
 */
#ifndef TB_NODE_UPLOADS_H
#define TB_NODE_UPLOADS_H

#include "node/app.h"
#include "node/files/file_chunk.h"
#include "node/files/file_type.h"
#include "node/loop.h"

struct uploads;
struct upload;

struct uploads_config {
    struct loop *loop;
    const char *dir;            /* of the finished files; borrowed for life, like scanner */
    const char *const *scanner; /* argv, NULL at the end; NULL = none */
    uint32_t scanner_ms;
};

/* Throws away what is too old. */
int uploads_create(const struct uploads_config *config, struct uploads **ret, struct err *e) WARN_UNUSED;
/* No operation is under way; after uploads_stop() that comes soon. */
bool uploads_is_idle(const struct uploads *u);
void uploads_stop(struct uploads *u);
void uploads_destroy(struct uploads *u); /* when idle; NULL is fine */

struct upload_spec {
    uint8_t case_id[CASE_ID_SIZE];
    uint64_t size;
    const struct file_type *type;
    uint8_t trust; /* 'A'..'D' */
    bool has_sha256;
    uint8_t sha256[CRYPTO_HASH_SIZE]; /* of the content, as the client says */
    char name[FILE_NAME_BYTES_MAX + 1];
    char code[CASE_MATERIAL_CODE_SIZE];
};

/* What is known of an upload. Borrowed until the next call. */
struct upload_state {
    uint8_t id[APP_UPLOAD_ID_SIZE];
    struct upload_spec spec;
    uint64_t offset; /* bytes of content that are there */
    /* after upload_finish() */
    uint8_t file[FILE_ID_SIZE];
    uint8_t key[FILE_KEY_SIZE];
    uint8_t sha256[CRYPTO_HASH_SIZE];
    enum app_scan scan;
};
const struct upload_state *upload_state(const struct upload *up);

/* ERR_FULL, ERR_BUSY (FILE_UPLOADS_MAX), ERR_IO. An upload of the same content to the same case is gone on with. */
int uploads_begin(struct uploads *u, const struct upload_spec *spec, const uint8_t case_key[CRYPTO_KEY_SIZE],
                  struct upload **ret, struct err *e) WARN_UNUSED;
/* Which case an upload belongs to: its key opens it. ERR_NOT_FOUND material.no-upload. */
int uploads_case_of(struct uploads *u, const uint8_t id[APP_UPLOAD_ID_SIZE], uint8_t ret_case_id[CASE_ID_SIZE],
                    struct err *e) WARN_UNUSED;
int uploads_open(struct uploads *u, const uint8_t id[APP_UPLOAD_ID_SIZE], const uint8_t case_key[CRYPTO_KEY_SIZE],
                 struct upload **ret, struct err *e) WARN_UNUSED;

/* The callbacks run once, from the loop; @up lives until they return. ERR_BUSY material.upload-busy: another operation is
 * under way. */
typedef void (*upload_cb)(void *ctx, struct upload *up, const struct err *e);
/* Finds out how far it has come (after a restart: reads what is there). */
void upload_settle(struct upload *up, upload_cb cb, void *ctx);
/* The next chunk: @data is taken. ERR_CONFLICT material.offset when it is not the next, ERR_INVALID for another size than a chunk's. */
void upload_put(struct upload *up, uint64_t offset, uint8_t *data, size_t size, upload_cb cb, void *ctx);
/* ERR_CONFLICT material.unfinished; ERR_VERIFY material.sha256; ERR_UNSUPPORTED file.type-content; ERR_DENIED
 * material.infected (the last three end the upload). On success the file is durable under its id. */
void upload_finish(struct upload *up, upload_cb cb, void *ctx);
/* Forgets it and what is left of it on the disk. Not while an operation is under way: false. */
bool uploads_forget(struct uploads *u, const uint8_t id[APP_UPLOAD_ID_SIZE]);
/* Those of a case whose content is erased. */
void uploads_drop_case(struct uploads *u, const uint8_t case_id[CASE_ID_SIZE]);

#endif
