/* Catch-up (see catch_up.h). */
#include "node/catch_up.h"

#include <stdio.h>

enum catch_up_say catch_up_note(struct catch_up *c, uint64_t now_ms, uint64_t held, uint64_t known, size_t entries)
{
    uint64_t behind = known > held ? known - held : 0;
    if (!c->is_active && behind < CATCH_UP_MIN)
        return CATCH_UP_NOTHING;
    if (!c->is_active) {
        *c = (struct catch_up){.is_active = true,
                               .from = held,
                               .held = held,
                               .known = known,
                               .began_ms = now_ms,
                               .now_ms = now_ms,
                               .said_ms = now_ms};
        return CATCH_UP_BEGAN;
    }
    c->held = held;
    c->known = known;
    c->entries += entries;
    c->now_ms = now_ms;
    if (behind < CATCH_UP_DONE) {
        c->is_active = false;
        return CATCH_UP_OVER;
    }
    if (now_ms - c->said_ms < CATCH_UP_SAY_MS)
        return CATCH_UP_NOTHING;
    c->said_ms = now_ms;
    return CATCH_UP_GOES_ON;
}

void catch_up_stop(struct catch_up *c)
{
    *c = (struct catch_up){0};
}

static uint64_t per_second(const struct catch_up *c, uint64_t count)
{
    uint64_t ms = c->now_ms - c->began_ms;
    return count * 1000 / (ms == 0 ? 1 : ms);
}

uint64_t catch_up_leaves_per_s(const struct catch_up *c)
{
    return c->held > c->from ? per_second(c, c->held - c->from) : 0;
}

uint64_t catch_up_entries_per_s(const struct catch_up *c)
{
    return per_second(c, c->entries);
}

uint64_t catch_up_seconds_left(const struct catch_up *c)
{
    uint64_t rate = catch_up_leaves_per_s(c), behind = c->known > c->held ? c->known - c->held : 0;
    return c->is_active && rate > 0 ? behind / rate + 1 : 0;
}

void catch_up_text(const struct catch_up *c, char *out, size_t size)
{
    uint64_t known = c->known == 0 ? 1 : c->known, rate = catch_up_leaves_per_s(c);
    int used = snprintf(out, size, "entry %llu of %llu (%llu %%)", (unsigned long long)c->held,
                        (unsigned long long)c->known, (unsigned long long)(c->held * 100 / known));
    if (rate > 0 && used > 0 && (size_t)used < size)
        (void)snprintf(out + used, size - (size_t)used,
                       ", %llu leaves and %llu entries for this node a second, about %llu s left",
                       (unsigned long long)rate, (unsigned long long)catch_up_entries_per_s(c),
                       (unsigned long long)catch_up_seconds_left(c));
}
