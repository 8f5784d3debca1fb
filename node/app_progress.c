/* How the parts of a whole stand (多地联办, 一件事): counted from what the whole's own events say, so that every node that holds the whole
 * says the same; beside each part its status, where the part is held here. Where the events cannot say it (the whole is over or
 * frozen and takes no 分件办结), or do not yet (a grant that is gone), a node that holds the part shows how that one stands. What the
 * whole comes to stays its lead's decision. Loop thread.
 */
#include <string.h>

#include "node/app_internal.h"
#include "node/cases/rules.h"
#include "node/cases/status.h"
#include "node/store/store.h"

/* The first of these that holds. */
static void fill_word(const struct case_state *s, struct app_progress *ret)
{
    static const struct {
        const char *text, *chinese;
    } words[] = {{"withdrawn", "整体已撤回"},
                 {"part_lapsed", "有分件失效"},
                 {"part_denied", "有分件未获准予"},
                 {"parts_open", "分件办理中"},
                 {"all_granted", "分件均已准予"}};
    size_t i = s->status == CASE_STATUS_WITHDRAWN ? 0
               : ret->lapsed > 0                  ? 1
               : ret->denied > 0                  ? 2
               : ret->open > 0                    ? 3
                                                  : 4;
    ret->state = words[i].text;
    ret->chinese = words[i].chinese;
}

/* How the case of @row ended, or 0. Only a part that was delivered hides it in its history. */
static uint8_t ending_here(struct app *a, const struct store_case *row)
{
    const uint32_t hiding =
        RULE_STATUS(CASE_STATUS_DELIVERED) | RULE_STATUS(CASE_STATUS_ARCHIVED) | RULE_STATUS(CASE_STATUS_FROZEN);
    const uint32_t closed = RULE_STATUS(CASE_STATUS_CLOSED_GRANTED) | RULE_STATUS(CASE_STATUS_CLOSED_LACKING) |
                            RULE_STATUS(CASE_STATUS_CLOSED_DENIED) | RULE_STATUS(CASE_STATUS_NOT_REQUIRED) |
                            RULE_STATUS(CASE_STATUS_REFUSED);
    uint8_t status = (uint8_t)row->status, closed_as = (RULE_STATUS(status) & closed) != 0 ? status : 0;
    const struct case_fork *forks;
    struct casefile *file = NULL;
    if ((RULE_STATUS(status) & hiding) != 0) { /* apart: the cache keeps what is being shown */
        size_t count = case_cache_forks(a->cases, &forks);
        if (case_file_load(ledger_reader(a->ledger), row->case_id, forks, count, &file, NULL) == 0)
            closed_as = casefile_state(file)->closed_as;
        casefile_destroy(file);
    }
    return app_part_ending(status, row->level, closed_as);
}

/* Of a part that is held here: what is noted of it in the whole, or, where that is behind, what it has come to. */
static uint8_t decision_here(struct app *a, uint8_t noted, bool takes_none, const struct store_case *row)
{
    if (noted == 0)
        return takes_none ? ending_here(a, row) : 0; /* 0: the note is on its way, and the lead goes by that */
    if (noted != CASE_PART_GRANTED)
        return noted;
    return app_part_ending((uint8_t)row->status, row->level, 0) == CASE_PART_DENIED ? CASE_PART_LAPSED : noted;
}

void app_fill_parts(struct app *a, const struct case_state *s, struct arena *mem, struct app_case_view *ret)
{
    struct app_case_part_view *parts = arena_alloc(mem, (s->part_count + 1u) * sizeof *parts);
    struct store_case row;
    struct app_progress *sum = &ret->progress;
    bool takes_none = (rules_find(CASE_RULES_VERSION, CASE_EVENT_PART_DONE)->allowed & RULE_STATUS(s->status)) == 0;
    *sum = (struct app_progress){0};
    for (unsigned i = 0; i < s->part_count; i++) {
        bool is_held = store_read_case(ledger_reader(a->ledger), s->parts[i].event->part, &row, NULL) == 0;
        memcpy(parts[i].case_id, s->parts[i].event->part, sizeof parts[i].case_id);
        parts[i].noted = s->parts[i].decision;
        parts[i].decision = is_held ? decision_here(a, parts[i].noted, takes_none, &row) : parts[i].noted;
        parts[i].status_name = is_held ? case_status_name((uint8_t)row.status) : NULL;
        sum->open += parts[i].decision == 0;
        sum->granted += parts[i].decision == CASE_PART_GRANTED;
        sum->denied += parts[i].decision == CASE_PART_DENIED;
        sum->lapsed += parts[i].decision == CASE_PART_LAPSED;
    }
    ret->parts = parts;
    ret->part_count = s->part_count;
    sum->is_over = takes_none && s->status != CASE_STATUS_FROZEN;
    fill_word(s, sum);
}
