/* The table of administrative divisions (GB/T 2260 six-digit codes) with its history: names, levels, who is above
 * whom, what an abolished one became, and which node a division belongs to.
 *
 * Two files of lines "code TAB name": divisions of today with their own name ("锦江区"), and abolished codes with the
 * full path ("四川省成都市新都县"), because an identity card keeps the division of the day it was issued for life. A third one
 * has lines "code TAB since TAB until TAB choice TAB successors": a code that was in use from one year (its 31 December) to
 * another, when its area became those divisions, separated by commas, the one that is taken first. A code may have several
 * such lives and be in use today for another division, so that a successor is always looked up in the year in which it followed.
 *
 * Special cases of GB/T 2260: 市辖区 and 县 of the four municipalities, 省(自治区)直辖县级行政区划, and 620201 are no divisions but
 * steps of the code; they are marked is_pseudo, and the divisions below them are named without them. 441900, 442000,
 * 460400 and 620200 are cities without a county level. Read-only after loading; any thread.
 */
#ifndef TB_CATALOG_REGION_H
#define TB_CATALOG_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/base/bytes.h"

enum region_level { REGION_PROVINCE, REGION_CITY, REGION_COUNTY };

/* Owned by its table. */
struct region {
    uint32_t code; /* 110000..829999 */
    enum region_level level;
    bool is_current;
    bool is_pseudo;        /* a step of the code, no authority */
    bool has_no_counties;  /* a current city whose townships hang directly below it */
    uint32_t parent;       /* nearest real division above in the table; 0 for a province */
    const char *name;      /* "锦江区"; of a historic one what follows its parent's name, or the whole path */
    const char *full_name; /* "四川省成都市锦江区" */
};

/* Why the first of the successors is taken (data/make_divisions.py has the rules). */
enum region_choice {
    REGION_ONLY,  /* there is but one */
    REGION_SAME,  /* all of them are the same division today */
    REGION_MOST,  /* it took the larger part */
    REGION_NAME,  /* it alone bore the proper name */
    REGION_WHOLE, /* none of the others can be preferred: the smallest division that holds them all */
    REGION_CHOICE_COUNT
};

/* What a code became when it was abolished. Owned by its table. */
struct region_change {
    uint32_t code;
    uint32_t line;         /* of the file */
    uint16_t since, until; /* years: in use on 31 December of since, not any more on that of until */
    enum region_choice choice;
    const uint32_t *successors; /* the one taken first; each in use in until */
    size_t successor_count;
};

struct region_table;

/* Reads both files; @historic_path may be NULL. The caller destroys @ret. Errors name file, line and value:
 * ERR_NOT_FOUND / ERR_IO / ERR_LIMIT for a file, ERR_INVALID "region.line", "region.code", "region.name",
 * "region.order", "region.parent". */
int region_table_load(const char *current_path, const char *historic_path, struct region_table **ret,
                      struct err *e) WARN_UNUSED;
void region_table_destroy(struct region_table *t); /* NULL is fine */

/* Reads the file of what abolished codes became, once, into a table with its history. Afterwards each chain of changes is known to
 * end at a current division after REGION_HOPS_MAX changes at most. Errors name file, line and value: as above, and "region.change",
 * "region.successor". The table is to be destroyed then. */
int region_changes_load(struct region_table *t, const char *path, struct err *e) WARN_UNUSED;

/* What @code became that was in use in @year (0: when it was last in use). NULL: nothing is known, or it is still in use. */
const struct region_change *region_find_change(const struct region_table *t, uint32_t code, uint32_t year);

/* NULL when no table has the code. Borrowed until the table is destroyed. */
const struct region *region_find(const struct region_table *t, uint32_t code);

/* All rows in order of code, current and historic. */
size_t region_count(const struct region_table *t);
const struct region *region_at(const struct region_table *t, size_t index);

/* By the code alone: …0000 province, …00 city, else county. */
enum region_level region_level_of(uint32_t code);
/* Six digits, not below 110000; 0 or ERR_INVALID. */
int region_parse(struct bytes text, uint32_t *ret) WARN_UNUSED;

/* The code among @codes whose area holds division @code and is the smallest: the county before the city before the
 * province. 0 when none does. An abolished code follows its digits: look up the successor first where that matters. */
uint32_t region_owner(const uint32_t *codes, size_t count, uint32_t code);

#endif
