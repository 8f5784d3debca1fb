/* The routes of the local API: one table of method, path, parameters and handler (node/API.md is its description).
 * Pure but for the app_* calls that handlers make. Loop thread only.
 */
#ifndef TB_HTTP_ROUTE_H
#define TB_HTTP_ROUTE_H

#include <stdbool.h>

#include "node/http/request.h"

/* What can be said before the body has come: 404 (no such path), 405 with Allow (path exists, method does not), 400
 * (unknown or repeated parameter), 415 (body of another type than application/json). False: the refusal is in @r. */
bool route_check(struct request *r);

/* Bytes that the body of @r may have: @otherwise, unless its route takes files. */
size_t route_body_max(struct request *r, size_t otherwise);

/* Runs the handler of @r. Afterwards @r has replied or is waiting; the body and the scratch memory are gone. */
void route_dispatch(struct request *r);

/* GET /healthz, which needs no credential. */
bool route_is_open(const char *method, const char *path);

#endif
