/* The table of status.h, looked up by value and by name. Pure, any thread. */
#include "node/cases/status.h"

#include <stddef.h>
#include <string.h>

#define NUMBER_WITHDRAWN_EARLY 2 /* 撤件 */

uint8_t case_status_number(uint8_t status, bool was_accepted)
{
    return status == CASE_STATUS_WITHDRAWN && !was_accepted ? NUMBER_WITHDRAWN_EARLY : status;
}

const char *case_status_name(uint8_t status)
{
    switch (status) {
    case CASE_STATUS_NONE:
        return "none";
#define X(name, value, text, chinese)                                                                                  \
    case name:                                                                                                         \
        return text;
        CASE_STATUSES(X)
#undef X
    default:
        return NULL;
    }
}

const char *case_status_chinese(uint8_t status)
{
    switch (status) {
    case CASE_STATUS_NONE:
        return "无";
#define X(name, value, text, chinese)                                                                                  \
    case name:                                                                                                         \
        return chinese;
        CASE_STATUSES(X)
#undef X
    default:
        return NULL;
    }
}

uint8_t case_status_from_name(const char *wanted)
{
#define X(name, value, text, chinese)                                                                                  \
    if (strcmp(wanted, text) == 0)                                                                                     \
        return name;
    CASE_STATUSES(X)
#undef X
    return CASE_STATUS_NONE;
}
