/* Lines for the operator, on standard error.
 *
 *   2026-11-24T01:02:03.456Z warn peer[510000] peer.lost connection lost: certificate expired 2026-11-20; retrying in 4 s
 *
 * Time, level, module[subject], stable message id (node/ERRORS.md), text. Levels by what the reader does: error = act
 * now; warn = degraded, we go on and the line says how; info = one line per change of state; debug = needs the source.
 * Only the shell logs; pure and library code returns `struct err`. Never payloads, personal data or keys. Control
 * characters in the text are escaped. Any thread; one write(2) per line.
 */
#ifndef TB_BASE_LOG_H
#define TB_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "node/base/err.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);
/* "error", "warn", "info", "debug"; 0 or ERR_INVALID. */
int log_parse_level(const char *text, enum log_level *ret) WARN_UNUSED;

/* @subject may be NULL. */
void log_line(enum log_level level, const char *module, const char *subject, const char *id, const char *fmt, ...)
    PRINTF_LIKE(5, 6);

#define log_error(module, subject, id, ...) log_line(LOG_LEVEL_ERROR, module, subject, id, __VA_ARGS__)
#define log_warn(module, subject, id, ...) log_line(LOG_LEVEL_WARN, module, subject, id, __VA_ARGS__)
#define log_info(module, subject, id, ...) log_line(LOG_LEVEL_INFO, module, subject, id, __VA_ARGS__)
#define log_debug(module, subject, id, ...) log_line(LOG_LEVEL_DEBUG, module, subject, id, __VA_ARGS__)

/* Token bucket of one call site: at most @burst lines at once, refilled every @every_ms. log_limit_pass() says whether
 * the line may go out and how many were dropped since the last one that did. */
struct log_limit {
    uint64_t last_ms;
    uint32_t tokens;
    uint32_t dropped;
    bool started;
};
bool log_limit_pass(struct log_limit *l, uint64_t mono_ms, uint32_t burst, uint32_t every_ms, uint32_t *ret_dropped);

#endif
