/* The persons of an application in JSON: applicant, agent, guardian (node/API.md, "Cases").
 */
#ifndef TB_HTTP_PERSON_H
#define TB_HTTP_PERSON_H

#include "node/app.h"
#include "node/http/json.h"

/* "applicant", "agent" and "guardian" of a submission. Texts are borrowed from the document. */
int person_decode(const struct json_object *body, struct app_submission *s, struct err *e) WARN_UNUSED;

/* The document in canonical form, with "sensitive": the names of @flags (enum person_flag) put in when there are any. */
struct bytes person_put_flags(struct arena *mem, yyjson_val *root, unsigned flags);

/* "sensitive": [names] of @to. */
void person_list_flags(struct json_out *out, yyjson_mut_val *to, unsigned flags);

#endif
