/* Days that 行政许可法 gives where neither an item nor a case says anything: working days (第八十二条). What is counted from when
 * is in deadline.h; days that stand with a deadline are there.
 */
#ifndef TB_CASES_LAW_H
#define TB_CASES_LAW_H

/* name, what, working days, source */
#define LAW_DAYS(X)                                                                                                    \
    X(LAW_DAYS_DECIDE, "decide", 20u, "行政许可法第四十二条第一款")                                                    \
    X(LAW_DAYS_EXTEND, "extend", 10u, "行政许可法第四十二条第一款")                                                    \
    X(LAW_DAYS_DECIDE_JOINT, "decide, several authorities", 45u, "行政许可法第四十二条第二款")                         \
    X(LAW_DAYS_EXTEND_JOINT, "extend, several authorities", 15u, "行政许可法第四十二条第二款")                         \
    X(LAW_DAYS_FIRST_REVIEW, "review by the lower body", 20u, "行政许可法第四十三条")                                  \
    X(LAW_DAYS_HEARING, "hold a hearing", 20u, "行政许可法第四十七条第一款")

enum law_days {
#define X(name, what, days, source) name = days,
    LAW_DAYS(X)
#undef X
};

#endif
