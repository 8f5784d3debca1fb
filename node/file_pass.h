/* One pass over the content of a file that stands whole on the disk: each sealed chunk is read and opened on a worker, hashed, looked at
 * for its type, and fed to the scanner when there is one. Memory: one chunk sealed and one open, whatever the size of the file.
 *
 *   file_pass_start() -> chunk after chunk -> the end of the scanner -> cb, once, last of all
 *
 * Loop thread only.
 */
#ifndef TB_NODE_FILE_PASS_H
#define TB_NODE_FILE_PASS_H

#include "node/file_scan.h"
#include "node/files/file_blob.h"
#include "node/files/file_type.h"

struct file_pass;

struct file_pass_config {
    struct loop *loop;            /* borrowed, as all that follows, until the callback */
    const struct file_blob *blob; /* all of its chunks are there */
    const uint8_t *key;           /* FILE_KEY_SIZE bytes */
    const char *const *scanner;   /* argv, NULL at the end; NULL = none */
    uint32_t scanner_ms;
};

struct file_pass_result {
    uint8_t sha256[CRYPTO_HASH_SIZE]; /* of all the content; like probe only when it was read to its end */
    struct file_type_probe probe;
    enum app_scan scan; /* APP_SCAN_OFF without a scanner; APP_SCAN_INFECTED may come before the end of the content */
    const char *why;    /* "" or the reason for APP_SCAN_UNKNOWN; lives until the callback returns */
};

/* @e: ERR_CORRUPT file.chunk-sealed and those of file_blob_get(); ERR_CLOSED material.closing after file_pass_stop(). Then the result
 * means nothing. */
typedef void (*file_pass_cb)(void *ctx, const struct file_pass_result *result, const struct err *e);

struct file_pass *file_pass_start(const struct file_pass_config *config, file_pass_cb cb, void *ctx);
/* Ends it soon. */
void file_pass_stop(struct file_pass *p);

#endif
