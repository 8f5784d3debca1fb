/* Alarms of the operator and the counts (see replication.h). */
#include <stdio.h>
#include <string.h>

#include "node/base/clock.h"
#include "node/base/utf8.h"
#include "node/replication_internal.h"

void replication_alarm(struct replication *r, uint32_t about, const char *id, const char *text)
{
    char peer[12];
    struct alarm *alarm = NULL;
    r->stats.batches_refused++;
    for (uint32_t i = 0; i < min_of(r->stats.alarm_count, REPLICATION_ALARMS_MAX); i++)
        if (r->alarms[i].peer == about && strcmp(r->alarms[i].id, id) == 0)
            alarm = &r->alarms[i];
    if (alarm == NULL) {
        alarm = &r->alarms[r->stats.alarm_count++ % REPLICATION_ALARMS_MAX];
        *alarm = (struct alarm){.peer = about, .first_ms = clock_wall_ms()};
        (void)snprintf(alarm->id, sizeof alarm->id, "%s", id);
    }
    alarm->count++;
    alarm->last_ms = clock_wall_ms();
    (void)snprintf(alarm->text, sizeof alarm->text, "%s", text);
    utf8_trim_partial(alarm->text);
    uint32_t dropped = 0;
    if (!log_limit_pass(&alarm->limit, clock_mono_ms(), 3, 10000, &dropped))
        return;
    if (dropped == 0)
        log_error("replication", replication_code(about, peer), id, "%s", text);
    else
        log_error("replication", replication_code(about, peer), id, "%s (and %u times more meanwhile)", text, dropped);
}

size_t replication_alarms(const struct replication *r, struct replication_alarm_info ret[REPLICATION_ALARMS_MAX])
{
    size_t count = min_of(r->stats.alarm_count, REPLICATION_ALARMS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct alarm *a = &r->alarms[i];
        ret[i] = (struct replication_alarm_info){.id = a->id,
                                                 .peer = a->peer,
                                                 .text = a->text,
                                                 .count = a->count,
                                                 .first_ms = a->first_ms,
                                                 .last_ms = a->last_ms};
    }
    return count;
}

void replication_stats(const struct replication *r, struct replication_stats *ret)
{
    *ret = r->stats;
}
