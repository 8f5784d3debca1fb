/* Deadlines of a case: what has to be done by when, out of its folded events, the limits they carry and a calendar. Pure;
 * base only.
 *
 * The same events and the same calendar give the same days on every node: dates are those of the authors' clocks in the
 * signed leaves (UTC+8), limits are attributes of the case, the calendar is the deciding node's (node/app_calendar.c).
 *
 * Counting (CASES.md "Deadlines"): the day after the event is day 1; working days skip what the calendar skips
 * (行政许可法第八十二条); a limit in natural days that would end on a day off ends on the next working day (民法典第二百零三条);
 * the days of a special procedure do not count (第四十五条).
 */
#ifndef TB_CASES_DEADLINE_H
#define TB_CASES_DEADLINE_H

#include "node/cases/casefile.h"
#include "node/cases/law.h"

/* @is_provisional: the notice of that year is not known yet. */
struct deadline_calendar {
    bool (*is_working_day)(const void *ctx, uint32_t date, bool *ret_provisional);
    const void *ctx;
};

/* The fourth of a licence (CASE_TERM_LICENCE) has 受理 by silence as its consequence, that of any other item is a mere target.
 * name, value, wire name, Chinese term, working days by law when the item says nothing (0 = none), source */
#define DEADLINES(X)                                                                                                   \
    X(DEADLINE_FORWARD, 1, "forward", "转出", 0, "国办发〔2020〕35号 异地代收代办")                                    \
    X(DEADLINE_ACCEPT, 2, "accept", "受理", 5, "行政许可法第三十二条第一款第四项")                                     \
    X(DEADLINE_FIRST, 3, "first_review", "下级审查", 0, "行政许可法第四十三条")                                        \
    X(DEADLINE_DECIDE, 4, "decide", "决定", 0, "行政许可法第四十二条")                                                 \
    X(DEADLINE_DELIVER, 5, "deliver", "送达", 10, "行政许可法第四十四条")                                              \
    X(DEADLINE_LACKING, 6, "lacking", "容缺补齐", 0, "容缺受理 (地方规定)")                                            \
    X(DEADLINE_FOLLOW_UP_RECEIVING, 7, "follow_up_receiving", "差评整改", 15, "国办发〔2019〕51号 好差评")             \
    X(DEADLINE_FOLLOW_UP_DECIDING, 8, "follow_up_deciding", "差评整改", 15, "国办发〔2019〕51号 好差评")               \
    X(DEADLINE_PAUSE, 9, "pause", "特别程序", 0, "行政许可法第四十五条")                                               \
    X(DEADLINE_ACCEPT_OTHER, 10, "accept", "受理", 5, "比照行政许可法第三十二条 (逾期不视为受理)")                     \
    X(DEADLINE_PUBLISH, 11, "publish", "双公示", 7, "双公示 行政许可决定7个工作日内公示")                              \
    X(DEADLINE_HEARING, 12, "hearing", "组织听证", 20, "行政许可法第四十七条第一款")

enum deadline_kind {
#define X(name, value, text, chinese, days, source) name = value,
    DEADLINES(X)
#undef X
};
#define DEADLINES_MAX 12u

enum deadline_colour { DEADLINE_GREEN = 1, DEADLINE_YELLOW = 2, DEADLINE_RED = 3 };

struct deadline {
    uint8_t kind;        /* enum deadline_kind */
    uint8_t unit;        /* enum case_unit */
    bool is_met;         /* what was to be done has been done, or the case ended otherwise: it does not run any more */
    bool is_stopped;     /* a special procedure runs: no last day can be said */
    bool is_provisional; /* a day on the way lies in a year whose notice is not known */
    uint32_t days;       /* with the extension */
    uint32_t stopped_days; /* of them that did not count, in the limit's unit */
    uint32_t from;         /* yyyymmdd of the event that it runs from */
    uint32_t due;          /* last day; 0 while stopped */
    uint32_t warn; /* first day on which a fifth of it or less is left, at least the last day; 0 while stopped */
    uint32_t met;  /* yyyymmdd, 0 = not yet */
};

struct deadlines {
    struct deadline rows[DEADLINES_MAX];
    unsigned count;
};

/* By kind, at most one of each: of several that ran, the last. */
void deadline_compute(struct casefile *c, const struct deadline_calendar *calendar, struct deadlines *ret);

/* The open one that ends first and is not stopped, or NULL. A pause is no deadline of the case and never given. */
const struct deadline *deadline_next(const struct deadlines *d);
/* On @today (yyyymmdd): met in time or time left: green; warn reached: yellow; past due, or met too late: red. */
enum deadline_colour deadline_colour(const struct deadline *d, uint32_t today);

/* NULL for unknown values. */
const char *deadline_name(uint8_t kind);
const char *deadline_chinese(uint8_t kind);
const char *deadline_source(uint8_t kind);
const char *deadline_colour_name(uint8_t colour);

/* The civil date in China of a leaf's hlc. */
uint32_t deadline_date_of_hlc(uint64_t hlc);

#endif
