/* The inside of a case file, for casefile.c, command.c and their tests. */
#ifndef TB_CASES_CASEFILE_INTERNAL_H
#define TB_CASES_CASEFILE_INTERNAL_H

#include "node/cases/casefile.h"
#include "node/cases/replay.h"

struct casefile {
    uint8_t case_id[CASE_ID_SIZE];
    struct replay replay;
    struct case_state state; /* as last asked for */
    bool is_viewed;          /* nothing was added since */
};

#endif
