/* Wire names of the small enums of node/cases/event.h and of the words an applicant is described with. One table each,
 * used for reading and for writing.
 */
#ifndef TB_HTTP_NAMES_H
#define TB_HTTP_NAMES_H

#include "node/base/err.h"
#include "node/http/json.h"

struct names_row {
    unsigned value; /* never 0 */
    const char *text;
};

/* Each ends with a row of {0, NULL}. */
extern const struct names_row names_modes[];     /* enum case_mode */
extern const struct names_row names_decisions[]; /* enum case_decision */
extern const struct names_row names_part_ends[]; /* enum case_part_end */
extern const struct names_row names_channels[];  /* enum case_channel */
extern const struct names_row names_sides[];     /* enum case_side */
extern const struct names_row names_reviews[];
extern const struct names_row names_terms[]; /* bits */ /* enum case_review */
extern const struct names_row names_units[];            /* enum case_unit */
extern const struct names_row names_pauses[];           /* CASE_PAUSE_KINDS */
extern const struct names_row names_applicant_kinds[];
extern const struct names_row names_id_types[];     /* enum identity_kind */
extern const struct names_row names_relations[];    /* guardian to applicant */
extern const struct names_row names_person_flags[]; /* bits of enum person_flag */

/* NULL for a value that is not in the table. */
const char *names_text(const struct names_row *rows, unsigned value);

/* The string field @name of @o as a value of @rows; *ret untouched when absent and not @required. ERR_INVALID
 * "json.choice" names the value and the choices. @ret_text may be NULL. */
int names_get(const struct json_object *o, const char *name, bool required, const struct names_row *rows, unsigned *ret,
              const char **ret_text, struct err *e) WARN_UNUSED;

/* Words that are shown and logged, where no identity or telephone number may stand: at most 10 digits in a row, full-width
 * ones too. ERR_INVALID @id; @what names the field. */
int names_check_words(const char *what, const char *id, const char *text, struct err *e) WARN_UNUSED;

#endif
