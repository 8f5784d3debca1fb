/* One run of the configured scanner over a file: a child process that gets the content on its standard input (never a file of
 * it on the disk) and says by its exit status what it thinks: 0 clean, 1 infected, anything else, a signal or no end in time:
 * unknown. This is what clamdscan and its like do. Loop thread only.
 */
#ifndef TB_NODE_FILE_SCAN_H
#define TB_NODE_FILE_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "node/app.h"
#include "node/loop.h"

#define FILE_SCAN_ARGS_MAX 16

struct file_scan;

/* @why: "" or the reason for APP_SCAN_UNKNOWN. Called once, last of all. */
typedef void (*file_scan_cb)(void *ctx, enum app_scan result, const char *why);

/* Starts @argv (NULL at the end; argv[0] with its path). A program that cannot be started is APP_SCAN_UNKNOWN, too, told from the loop. */
struct file_scan *file_scan_start(struct loop *loop, const char *const *argv, uint32_t timeout_ms, file_scan_cb cb,
                                  void *ctx);
/* Gives it @size bytes; @fed when they were taken (or nobody wants them any more), from the loop. @data stays the caller's until
 * then. One at a time. */
void file_scan_feed(struct file_scan *s, const uint8_t *data, size_t size, void (*fed)(void *ctx));
/* That was all. */
void file_scan_end(struct file_scan *s);
/* Ends the program; the result is APP_SCAN_UNKNOWN. */
void file_scan_kill(struct file_scan *s);

#endif
