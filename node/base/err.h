/* The one error type of the program (see node/README.md, "Errors").
 *
 * Three kinds of failure are never mixed: a programmer's error aborts (xassert), an operating error (disk, net, peer,
 * input) is returned as a negative code with its text here, a domain refusal is a normal result value of node/cases.
 * The text is set once, where the fact is known, and names the value and the limit; callers only add context with
 * err_wrap(). A text never holds personal data, keys or payloads.
 */
#ifndef TB_BASE_ERR_H
#define TB_BASE_ERR_H

#include <stdarg.h>

#define WARN_UNUSED __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* name, value, wire name (the `code` of an HTTP error body), HTTP status, exit code of the CLI */
#define ERR_CODES(X)                                                                                                   \
    X(ERR_INVALID, -1, "invalid", 400, 2)             /* input that breaks a rule; the text names value and rule */    \
    X(ERR_LIMIT, -2, "too_large", 413, 2)             /* input over a limit; the text names value and limit */         \
    X(ERR_NOT_FOUND, -3, "not_found", 404, 3)         /* no such case, item, peer, file */                             \
    X(ERR_CONFLICT, -4, "conflict", 409, 4)           /* state does not allow it, or same key with other content */    \
    X(ERR_DENIED, -5, "denied", 403, 5)               /* not this node's or role's act */                              \
    X(ERR_AUTH, -6, "unauthorized", 401, 5)           /* no or wrong credential */                                     \
    X(ERR_IO, -7, "io", 500, 6)                       /* file, socket */                                               \
    X(ERR_FULL, -8, "disk_full", 507, 6)              /* no room to make it durable */                                 \
    X(ERR_CORRUPT, -9, "corrupt", 500, 7)             /* own stored data fails a check */                              \
    X(ERR_VERIFY, -10, "verification_failed", 422, 7) /* signature, hash or proof fails */                             \
    X(ERR_BUSY, -11, "busy", 503, 8)                  /* a queue or quota is full; try again */                        \
    X(ERR_TIMEOUT, -12, "timeout", 504, 8)            /* it took too long; it may still happen */                      \
    X(ERR_UNSUPPORTED, -13, "unsupported", 415, 2)    /* version, suite, media type, method */                         \
    X(ERR_CLOSED, -14, "closing", 503, 8)             /* shutting down, or the link went away */                       \
    X(ERR_INTERNAL, -15, "internal", 500, 9)          /* should not happen; report it */

enum err_code {
    ERR_OK = 0,
#define X(name, value, text, http, exit) name = value,
    ERR_CODES(X)
#undef X
};

struct err {
    int code;          /* enum err_code */
    char id[48];       /* stable id, "area.what-is-wrong", documented in node/ERRORS.md; "" if unset */
    char message[320]; /* one sentence: what is wrong, the value, the limit */
    char hint[192];    /* what the reader can do; "" if nothing to say */
};

/* Sets @code, @id and the formatted message, clears the hint. @e may be NULL. Returns @code, so that a caller can
 * write `return err_set(…)`. A message that does not fit is cut at a UTF-8 boundary. Any thread. */
int err_set(struct err *e, int code, const char *id, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Same, adds ": " and strerror(@errnum). ENOSPC and EDQUOT turn @code into ERR_FULL. */
int err_set_errno(struct err *e, int code, const char *id, int errnum, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* Puts "context: " before the message. Returns e->code (or @code_if_null when @e is NULL). */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Sets the hint. */
void err_hint(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The table above, by code. Unknown codes map to ERR_INTERNAL's row; 0 maps to "ok", 200, 0. */
const char *err_name(int code);
int err_http_status(int code);
int err_exit_code(int code);

#endif
