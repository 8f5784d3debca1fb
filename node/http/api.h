/* Handlers of the route table, one file per resource (api_case.c, …). Each decodes the request, calls one app_*
 * function and encodes what it said; rules, storage and links are not known here.
 *
 * A handler returns 0 when it has replied or called request_wait(); otherwise a negative code with @e, which becomes
 * the error body. Loop thread only.
 */
#ifndef TB_HTTP_API_H
#define TB_HTTP_API_H

#include "node/http/request.h"

typedef int (*api_handler)(struct request *r, struct err *e);

/* api_status.c */
int api_get_healthz(struct request *r, struct err *e);
int api_get_status(struct request *r, struct err *e);
int api_get_metrics(struct request *r, struct err *e);

/* api_peer.c */
int api_list_peers(struct request *r, struct err *e);

/* api_catalog.c */
int api_list_items(struct request *r, struct err *e);
int api_get_item(struct request *r, struct err *e);         /* {code} */
int api_get_item_of_node(struct request *r, struct err *e); /* {node}/{code} */
int api_list_item_versions(struct request *r, struct err *e);
int api_get_route(struct request *r, struct err *e);
int api_search_items(struct request *r, struct err *e);
int api_post_import(struct request *r, struct err *e);
int api_get_export(struct request *r, struct err *e);
int api_post_item_status(struct request *r, struct err *e);

/* Parameter 'after', the page token "<node>:<code>" of the last row of the page before; nothing is set without it. *ret_code lives
 * as long as @r. ERR_INVALID "http.parameter". */
int api_param_after(const struct request *r, uint32_t *ret_node, const char **ret_code, struct err *e);

/* A report's "problems" and "problem_count". */
struct import_problem;
void api_put_problems(struct json_out *out, const struct import_problem *problems, size_t count, size_t total);
/* A parameter of one of two words; absent: false. */
int api_param_either(const struct request *r, const char *name, const char *no, const char *yes, bool *ret,
                     struct err *e) WARN_UNUSED;

/* api_bundle.c */
int api_list_bundles(struct request *r, struct err *e);
int api_get_bundle(struct request *r, struct err *e);         /* {code} */
int api_get_bundle_of_node(struct request *r, struct err *e); /* {node}/{code} */
int api_list_bundle_versions(struct request *r, struct err *e);
int api_post_bundles(struct request *r, struct err *e);
int api_post_bundle_withdraw(struct request *r, struct err *e); /* {code} */
/* api_bundle_case.c */
int api_post_bundle_plan(struct request *r, struct err *e);  /* {node}/{code} */
int api_post_bundle_cases(struct request *r, struct err *e); /* {node}/{code} */
/* {node}/{code} of the path. */
int api_arg_node(const struct request *r, uint32_t *ret, struct err *e) WARN_UNUSED;
/* Bundles that a search finds, as "bundles" of the answer. */
int api_put_bundles(struct request *r, const struct app_search *s, struct json_out *out, struct err *e) WARN_UNUSED;

/* api_reconcile.c */
int api_post_reconcile(struct request *r, struct err *e);
int api_list_reconciles(struct request *r, struct err *e);
int api_get_reconcile(struct request *r, struct err *e); /* {id} */

/* api_publicity.c */
int api_get_publicity(struct request *r, struct err *e);
/* `licence` in the content of a decision: what the public list says of it. */
int api_check_licence(const struct json_object *payload, struct err *e) WARN_UNUSED;

/* api_identity.c */
int api_get_identity_types(struct request *r, struct err *e);
int api_post_identity_check(struct request *r, struct err *e);

/* api_case.c: reading */
int api_list_cases(struct request *r, struct err *e);
int api_get_case(struct request *r, struct err *e);
int api_list_case_events(struct request *r, struct err *e);
int api_get_payload(struct request *r, struct err *e); /* {case}, {origin}, {index} */
/* api_archive.c */
int api_get_archive(struct request *r, struct err *e); /* {case} */
/* api_command.c: writing */
int api_post_case(struct request *r, struct err *e);
int api_post_case_events(struct request *r, struct err *e);
int api_post_case_fetch(struct request *r, struct err *e);

/* Shared with other files that write events. */
struct app_command_result;
int api_decode_request(const struct request *r, struct app_request *ret, struct err *e) WARN_UNUSED;
void api_command_cb(void *ctx, const struct app_command_result *result, const struct err *e); /* @ctx: the request */
/* The fields of a result of a command, and the Location of its case. */
void api_put_result(struct request *r, struct json_out *out, const struct app_command_result *result);
/* "510104" */
int api_decode_division(const struct json_object *o, const char *name, uint32_t *ret, struct err *e) WARN_UNUSED;
/* {code, name, sha256, size} of an application. */
int api_check_material(const struct json_object *o, struct err *e) WARN_UNUSED;
/* The payload of @v as a document that can be added to, and back. */
int api_open_payload(struct request *r, const struct app_event *v, struct json_out *ret, struct err *e) WARN_UNUSED;
int api_close_payload(struct request *r, struct app_event *v, struct json_out *out, struct err *e) WARN_UNUSED;

/* api_case.c: the last of the listed events of @type that counts; NULL: there is none. */
const struct app_case_event_view *api_last_event(const struct app_case_view *v, uint16_t type);

/* api_lacking.c */
/* 'lacking' of an accept. */
int api_decode_lacking(const struct json_object *event, struct app_event *v, struct err *e) WARN_UNUSED;
/* What the item says of what is lacking becomes content of the event; its longest term is the event's. */
int api_add_lacking(struct request *r, struct app_event *v, struct err *e) WARN_UNUSED;
/* "lacking" of a case that was accepted on that day: code, name, form, days and due of each. Nothing when @payload has no list. */
void api_put_lacking(struct request *r, struct json_out *out, yyjson_mut_val *to, uint32_t accepted,
                     struct bytes payload);
/* "1．照片（M06，纸质），2026年12月7日前补齐；2．…"; NULL without a list. */
const char *api_lacking_text(struct request *r, uint32_t accepted, yyjson_val *content);
/* "purpose": 1..128 bytes, no long number. */
int api_check_purpose(const char *purpose, struct err *e) WARN_UNUSED;

/* api_material.c */
int api_list_materials(struct request *r, struct err *e);
int api_post_material(struct request *r, struct err *e); /* begins an upload */
int api_post_reuse(struct request *r, struct err *e);
int api_get_content(struct request *r, struct err *e); /* {case}, {file} */
int api_get_upload(struct request *r, struct err *e);
int api_patch_upload(struct request *r, struct err *e);
int api_delete_upload(struct request *r, struct err *e);
int api_post_finish(struct request *r, struct err *e);

/* api_receipt.c */
int api_get_receipt(struct request *r, struct err *e); /* {case} */

/* api_erase.c */
int api_post_erase(struct request *r, struct err *e);
int api_post_hold(struct request *r, struct err *e);
int api_post_unhold(struct request *r, struct err *e);
int api_get_erasure(struct request *r, struct err *e);
int api_list_erasures(struct request *r, struct err *e);

/* api_backup.c */
int api_get_document(struct request *r, struct err *e);
int api_get_calendar(struct request *r, struct err *e);
int api_post_calendar(struct request *r, struct err *e);
int api_post_backup(struct request *r, struct err *e);

/* api_ledger.c */
int api_get_ledger(struct request *r, struct err *e);
int api_get_checkpoint(struct request *r, struct err *e);
int api_list_entries(struct request *r, struct err *e);
int api_get_entry(struct request *r, struct err *e);
int api_post_verify(struct request *r, struct err *e);

/* api_trust.c */
int api_get_tile(struct request *r, struct err *e); /* {tile*} */
int api_get_policy(struct request *r, struct err *e);
int api_list_witnesses(struct request *r, struct err *e);
int api_list_evidence(struct request *r, struct err *e);
int api_list_alarms(struct request *r, struct err *e);

/* api_witness.c: the witness door */
int api_post_checkpoint(struct request *r, struct err *e);
int api_get_witnessed(struct request *r, struct err *e); /* {origin_hash} */

#endif
