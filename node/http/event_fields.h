/* Fields that only some types of events have, and that go into the sealed content: rules read none of them, and what they say is
 * for the participants alone (node/API.md, `POST /v1/cases/{case}/events`; federation/FORMATS.md, "Payload").
 */
#ifndef TB_HTTP_EVENT_FIELDS_H
#define TB_HTTP_EVENT_FIELDS_H

#include <stdint.h>

#include "node/base/err.h"
#include "node/base/limits.h"
#include "node/http/json.h"

#define EVENT_CARRIER_BYTES_MAX 64u
#define EVENT_TRACKING_BYTES_MAX 32u

/* Checks those of @o, an event of @type: each stands beside a type that has it, has its form, and is there when @type needs it.
 * json.missing, json.range, json.type, json.choice, case.field-type, case.carrier, case.tracking, case.told-on. */
int event_fields_check(const struct json_object *o, uint16_t type, struct err *e) WARN_UNUSED;

/* The name of the @at-th one; NULL behind the last. */
const char *event_fields_name(size_t at);

#endif
