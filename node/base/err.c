/* Errors: one table of codes, one struct with the text (see err.h). Libc only, no state, any thread. */
#include "node/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "node/base/utf8.h"

static PRINTF_LIKE(3, 0) void format(char *out, size_t size, const char *fmt, va_list args)
{
    (void)vsnprintf(out, size, fmt, args); /* cut, then mended below: a cut message is still a message */
    utf8_trim_partial(out);
}

int err_set(struct err *e, int code, const char *id, const char *fmt, ...)
{
    if (e == NULL)
        return code;

    va_list args;
    va_start(args, fmt);
    char message[sizeof e->message]; /* @fmt's arguments may point into *e */
    format(message, sizeof message, fmt, args);
    va_end(args);

    e->code = code;
    (void)snprintf(e->id, sizeof e->id, "%s", id);
    memcpy(e->message, message, sizeof message);
    e->hint[0] = '\0';
    return code;
}

int err_set_errno(struct err *e, int code, const char *id, int errnum, const char *fmt, ...)
{
    if (errnum == ENOSPC || errnum == EDQUOT)
        code = ERR_FULL;
    if (e == NULL)
        return code;

    char what[256];
    va_list args;
    va_start(args, fmt);
    format(what, sizeof what, fmt, args);
    va_end(args);

    char reason[64];
    return err_set(e, code, id, "%s: %s", what, strerror_r(errnum, reason, sizeof reason));
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    if (e == NULL)
        return ERR_INTERNAL;

    char context[160];
    va_list args;
    va_start(args, fmt);
    format(context, sizeof context, fmt, args);
    va_end(args);

    char joined[sizeof e->message];
    (void)snprintf(joined, sizeof joined, "%s: %s", context, e->message); /* cut is fine */
    utf8_trim_partial(joined);
    memcpy(e->message, joined, sizeof joined);
    return e->code;
}

void err_hint(struct err *e, const char *fmt, ...)
{
    if (e == NULL)
        return;

    va_list args;
    va_start(args, fmt);
    format(e->hint, sizeof e->hint, fmt, args);
    va_end(args);
}

const char *err_name(int code)
{
    switch (code) {
    case ERR_OK:
        return "ok";
#define X(name, value, text, http, exit)                                                                               \
    case name:                                                                                                         \
        return text;
        ERR_CODES(X)
#undef X
    default:
        return "internal";
    }
}

int err_http_status(int code)
{
    switch (code) {
    case ERR_OK:
        return 200;
#define X(name, value, text, http, exit)                                                                               \
    case name:                                                                                                         \
        return http;
        ERR_CODES(X)
#undef X
    default:
        return 500;
    }
}

int err_exit_code(int code)
{
    switch (code) {
    case ERR_OK:
        return 0;
#define X(name, value, text, http, exit)                                                                               \
    case name:                                                                                                         \
        return exit;
        ERR_CODES(X)
#undef X
    default:
        return 9;
    }
}
