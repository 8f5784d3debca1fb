/* Mask: a payload as it may be shown in lists and logs of an interface. Names keep their first character, identity
 * numbers their division and last four, telephone numbers their last four; what stands in free form fields is left out.
 * The unmasked payload is given out only by app_get_payload(), with a stated purpose. */
#ifndef TB_NODE_MASK_H
#define TB_NODE_MASK_H

#include "node/base/arena.h"
#include "node/base/bytes.h"

/* @payload: JSON object as accepted by the API. Result in @a; empty when it is no JSON object. */
struct bytes mask_payload(struct bytes payload, struct arena *a);

#endif
