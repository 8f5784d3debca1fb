/* Operator's log (see log.h). The level is the only state, an atomic; a line is built on the stack and written once. */
#include "node/base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "node/base/clock.h"
#include "node/base/scrub.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

static atomic_int level_now = LOG_LEVEL_INFO;
static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
}

int log_parse_level(const char *text, enum log_level *ret)
{
    for (size_t i = 0; i < array_count(level_names); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *ret = (enum log_level)i;
            return 0;
        }
    }
    return ERR_INVALID;
}

/* Copies @in, writing control characters and broken UTF-8 as \xHH; a line stays one line. */
static size_t escape(const char *in, char *out, size_t size)
{
    size_t left = strlen(in), used = 0;
    while (left > 0 && used + 7 < size) {
        uint32_t rune = 0;
        size_t n = utf8_decode(in, left, &rune);
        if (n == 0 || rune < 0x20 || rune == 0x7f) {
            used += (size_t)snprintf(out + used, size - used, "\\x%02x", (unsigned char)*in);
            n = 1;
        } else if (utf8_is_unsafe(rune)) {
            used += (size_t)snprintf(out + used, size - used, "\\u%04x", rune);
            if (used >= size)
                used = size - 1;
        } else {
            memcpy(out + used, in, n);
            used += n;
        }
        in += n;
        left -= n;
    }
    out[used] = '\0';
    return used;
}

void log_line(enum log_level level, const char *module, const char *subject, const char *id, const char *fmt, ...)
{
    if ((int)level > atomic_load_explicit(&level_now, memory_order_relaxed))
        return;

    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args); /* a cut line is still a line */
    va_end(args);
    scrub_text(text);

    char time_text[CLOCK_TEXT_SIZE];
    clock_format_utc(clock_wall_ms(), time_text);
    char line[1400];
    int head = snprintf(line, sizeof line, "%s %s %s%s%s%s %s ", time_text, level_names[level], module,
                        subject == NULL ? "" : "[", subject == NULL ? "" : subject, subject == NULL ? "" : "]", id);
    xassert(head > 0 && (size_t)head < sizeof line / 2);
    size_t size = (size_t)head + escape(text, line + head, sizeof line - (size_t)head - 1);
    line[size++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, size);
    (void)written; /* nobody to tell */
}

bool log_limit_pass(struct log_limit *l, uint64_t mono_ms, uint32_t burst, uint32_t every_ms, uint32_t *ret_dropped)
{
    if (!l->started) {
        *l = (struct log_limit){.last_ms = mono_ms, .tokens = burst, .started = true};
    }
    uint64_t refills = every_ms == 0 ? burst : (mono_ms - l->last_ms) / every_ms;
    if (refills > 0) {
        l->tokens = (uint32_t)min_of((uint64_t)burst, l->tokens + refills);
        l->last_ms = mono_ms;
    }
    if (l->tokens == 0) {
        l->dropped++;
        return false;
    }
    l->tokens--;
    *ret_dropped = l->dropped;
    l->dropped = 0;
    return true;
}
