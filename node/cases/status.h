/* Where a case stands: the statuses of node/cases with their numbers, wire names and Chinese terms. Pure; base only.
 *
 * Numbers 1..15 are the ones that several systems in use already write (接件 1, 受理 3, … 撤销 15), so that an
 * exchange with them needs no mapping; 2 (撤件) is theirs: here it is a withdrawal before the acceptance (CASES.md). Numbers from 20 on are our own. They stand in
 * stores and digests: never renumber, only add (below 64, rules.c keeps sets of statuses in one u64).
 */
#ifndef TB_CASES_STATUS_H
#define TB_CASES_STATUS_H

#include <stdbool.h>
#include <stdint.h>

/* name, value, wire name, Chinese term */
#define CASE_STATUSES(X)                                                                                               \
    X(CASE_STATUS_RECEIVED, 1, "received", "收件")           /* 接件: handed in at a window, not yet accepted */       \
    X(CASE_STATUS_ACCEPTED, 3, "accepted", "受理")           /* the legal limit runs from here */                      \
    X(CASE_STATUS_NOT_REQUIRED, 4, "not_required", "不受理") /* 依法不需要许可 */                                      \
    X(CASE_STATUS_REFUSED, 5, "refused", "不予受理")         /* 不属于本机关职权 */                                    \
    X(CASE_STATUS_CORRECTING, 6, "correcting", "补正开始")   /* told once what to correct */                           \
    X(CASE_STATUS_CORRECTED, 7, "corrected", "补正结束")                                                               \
    X(CASE_STATUS_PROCESSING, 8, "processing", "办理")                                                                 \
    X(CASE_STATUS_PAUSED, 9, "paused", "特别程序开始") /* time does not count (art. 45) */                             \
    X(CASE_STATUS_RESUMED, 10, "resumed", "特别程序结束")                                                              \
    X(CASE_STATUS_CLOSED_GRANTED, 11, "closed_granted", "办结(通过)")                                                  \
    X(CASE_STATUS_CLOSED_LACKING, 12, "closed_lacking", "办结(容缺通过)") /* something is still to come */             \
    X(CASE_STATUS_CLOSED_DENIED, 13, "closed_denied", "办结(不通过)")                                                  \
    X(CASE_STATUS_WITHDRAWN, 14, "withdrawn", "撤回")                                                                  \
    X(CASE_STATUS_REVOKED, 15, "revoked", "撤销")                                                                      \
    X(CASE_STATUS_RETURNED, 20, "returned", "预审退回")                                                                \
    X(CASE_STATUS_FORWARDED, 21, "forwarded", "转出")                                                                  \
    X(CASE_STATUS_ARRIVED, 22, "arrived", "签收")                                                                      \
    X(CASE_STATUS_GRANTED, 23, "granted", "决定准予")                                                                  \
    X(CASE_STATUS_DENIED, 24, "denied", "决定不予")                                                                    \
    X(CASE_STATUS_DELIVERED, 25, "delivered", "送达")                                                                  \
    X(CASE_STATUS_ARCHIVED, 26, "archived", "归档")                                                                    \
    X(CASE_STATUS_FROZEN, 27, "frozen", "冻结") /* the lead wrote two leaves at one index */

enum case_status {
    CASE_STATUS_NONE = 0, /* no valid root held: there is no case yet */
#define X(name, value, text, chinese) name = value,
    CASE_STATUSES(X)
#undef X
};

/* The number for other systems: @status, but 2 (撤件) of a withdrawn case that was never accepted (受理). */
uint8_t case_status_number(uint8_t status, bool was_accepted);

/* Tables by value and by wire name: NULL for an unknown value ("none" and "无" for CASE_STATUS_NONE); an unknown name
 * gives CASE_STATUS_NONE. Static text. */
const char *case_status_name(uint8_t status);
const char *case_status_chinese(uint8_t status);
uint8_t case_status_from_name(const char *name);

#endif
