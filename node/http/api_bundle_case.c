/* /v1/bundles/{node}/{code}/plan and /cases: what an applicant needs of a bundle, and one application made from it.
 *
 * Happy path of an application: answers and persons are decoded, app_plan_bundle() says the parts, each part gets its own content out
 * of the request (its form, and of the materials those that it names, shared ones under the part's own code), and
 * app_submit_bundle() opens the whole and all parts together.
 * Failure modes: whatever is wrong is refused before anything is written. A repeated Idempotency-Key gives the first result, also
 * when the bundle is not in force any more.
 */
#include "node/http/api.h"

#include <string.h>

#include "catalog/bundle.h"
#include "node/app_bundle.h"
#include "node/base/limits.h"
#include "node/base/xassert.h"
#include "node/http/person.h"

#define MATERIALS_MAX 128
#define ANSWER_BYTES_MAX 120

/* ---- the question ---- */

static int decode_answers(const struct json_object *body, struct app_bundle_request *q, struct err *e)
{
    struct json_object o;
    int rc = json_get_object(body, "answers", false, &o, e);
    if (rc != 0 || o.value == NULL)
        return rc;
    if (yyjson_obj_size(o.value) > BUNDLE_QUESTIONS_MAX)
        return err_set(e, ERR_LIMIT, "json.range", "'answers' has %zu fields, the limit is %u",
                       yyjson_obj_size(o.value), BUNDLE_QUESTIONS_MAX);
    const char **answers = arena_alloc(body->mem, BUNDLE_QUESTIONS_MAX * sizeof *answers);
    yyjson_obj_iter it = yyjson_obj_iter_with(o.value);
    for (yyjson_val *key = yyjson_obj_iter_next(&it); rc == 0 && key != NULL; key = yyjson_obj_iter_next(&it)) {
        const char *answer = NULL;
        rc = json_get_string(&o, yyjson_get_str(key), true, ANSWER_BYTES_MAX, &answer, e);
        if (rc == 0)
            answers[q->answer_count++] = arena_printf(body->mem, "%s=%s", yyjson_get_str(key), answer);
    }
    q->answers = answers;
    return rc;
}

static int decode_divisions(const struct json_object *body, struct app_bundle_request *q, struct err *e)
{
    struct json_object o;
    int rc = api_decode_division(body, "division", &q->division, e);
    if (rc == 0)
        rc = json_get_object(body, "divisions", false, &o, e);
    if (rc != 0 || o.value == NULL)
        return rc;
    if (yyjson_obj_size(o.value) > BUNDLE_MEMBERS_MAX)
        return err_set(e, ERR_LIMIT, "json.range", "'divisions' has %zu fields, the limit is %u",
                       yyjson_obj_size(o.value), BUNDLE_MEMBERS_MAX);
    struct app_bundle_division *list = arena_alloc(body->mem, BUNDLE_MEMBERS_MAX * sizeof *list);
    yyjson_obj_iter it = yyjson_obj_iter_with(o.value);
    for (yyjson_val *key = yyjson_obj_iter_next(&it); rc == 0 && key != NULL; key = yyjson_obj_iter_next(&it)) {
        list[q->division_count] = (struct app_bundle_division){.member = yyjson_get_str(key)};
        rc = api_decode_division(&o, yyjson_get_str(key), &list[q->division_count].division, e);
        q->division_count += rc == 0 && list[q->division_count].division != 0;
    }
    q->divisions = list;
    return rc;
}

/* "promise": ["HU"]: members whose applicant signs the promise. */
static int decode_promises(const struct json_object *body, struct app_bundle_request *q, struct err *e)
{
    yyjson_val *list = NULL;
    int rc = json_get_array(body, "promise", BUNDLE_MEMBERS_MAX, &list, e);
    if (rc != 0 || list == NULL)
        return rc;
    const char **codes = arena_alloc(body->mem, BUNDLE_MEMBERS_MAX * sizeof *codes);
    for (size_t i = 0; i < yyjson_arr_size(list); i++) {
        codes[i] = yyjson_get_str(yyjson_arr_get(list, i));
        if (codes[i] == NULL)
            return err_set(e, ERR_INVALID, "json.type", "'%s' must be a text: the code of a member",
                           json_path_index(body, "promise", i));
    }
    q->promises = codes;
    q->promise_count = yyjson_arr_size(list);
    return 0;
}

static int decode_question(struct request *r, const struct json_object *body, struct app_bundle_request *q,
                           struct err *e)
{
    uint64_t version = 0;
    q->which.code = r->args[1];
    int rc = api_arg_node(r, &q->which.node, e);
    if (rc == 0)
        rc = json_get_u64(body, "version", false, 1, UINT32_MAX, &version, e);
    q->which.version = (uint32_t)version;
    if (rc == 0)
        rc = decode_answers(body, q, e);
    if (rc == 0)
        rc = decode_divisions(body, q, e);
    return rc != 0 ? rc : decode_promises(body, q, e);
}

/* ---- plan ---- */

/* Where 告知承诺 is offered: what is promised, the materials that it replaces, and whether it is made. */
static void put_promise(struct json_out *out, yyjson_mut_val *row, const struct app_bundle_part *p)
{
    if (!p->may_promise) {
        json_put_null(out, row, "promise");
        return;
    }
    yyjson_mut_val *promise = json_put_object(out, row, "promise");
    json_put_bool(out, promise, "made", p->is_promised);
    json_put_string(out, promise, "text", p->promise);
    yyjson_mut_val *codes = json_put_array(out, promise, "materials");
    for (size_t i = 0; i < p->promise_material_count; i++)
        json_put_string(out, codes, NULL, p->promise_materials[i]);
}

static void put_parts(struct json_out *out, const struct app_bundle_plan *plan)
{
    yyjson_mut_val *list = json_put_array(out, out->root, "parts");
    for (size_t i = 0; i < plan->part_count; i++) {
        const struct app_bundle_part *p = &plan->parts[i];
        yyjson_mut_val *row = json_put_object(out, list, NULL);
        json_put_string(out, row, "member", p->member);
        json_put_string(out, row, "text", p->text);
        json_put_string(out, row, "item", p->item);
        json_put_string(out, row, "item_name", p->item_name);
        if (p->node != 0)
            json_put_u64(out, row, "node", p->node);
        else
            json_put_null(out, row, "node");
        json_put_string(out, row, "node_name", p->node_name);
        json_put_u64(out, row, "division", p->division);
        if (p->why != NULL)
            json_put_string(out, row, "why", p->why);
        yyjson_mut_val *after = json_put_array(out, row, "after");
        for (size_t n = 0; n < p->after_count; n++)
            json_put_string(out, after, NULL, plan->parts[p->after[n]].member);
        put_promise(out, row, p);
    }
}

static void put_needs(struct json_out *out, const struct app_bundle_plan *plan)
{
    yyjson_mut_val *list = json_put_array(out, out->root, "materials");
    for (size_t i = 0; i < plan->need_count; i++) {
        const struct app_bundle_need *n = &plan->needs[i];
        yyjson_mut_val *row = json_put_object(out, list, NULL);
        json_put_string(out, row, "code", n->code);
        json_put_string(out, row, "name", n->name);
        json_put_bool(out, row, "shared", n->member == NULL);
        if (n->member != NULL) {
            json_put_string(out, row, "member", n->member);
            json_put_string(out, row, "necessity", n->necessity);
        }
        yyjson_mut_val *serves = json_put_array(out, row, "serves");
        for (size_t s = 0; s < n->part_count; s++)
            json_put_string(out, serves, NULL,
                            arena_printf(out->mem, "%s/%s", plan->parts[n->parts[s]].member, n->codes[s]));
    }
}

int api_post_bundle_plan(struct request *r, struct err *e)
{
    static const char *const fields[] = {"answers", "division", "divisions", "version", "promise"};
    struct app_bundle_request q = {0};
    struct app_bundle_plan plan;
    struct json_object body;
    int rc = request_json(r, &body, e);
    if (rc == 0)
        rc = json_check_fields(&body, fields, array_count(fields), e);
    if (rc == 0)
        rc = decode_question(r, &body, &q, e);
    if (rc == 0)
        rc = app_plan_bundle(r->app, &q, false, &r->mem, &plan, e);
    if (rc != 0)
        return rc;
    struct json_out out = json_out_open(&r->mem);
    json_put_u64(&out, out.root, "node", plan.bundle.node);
    json_put_string(&out, out.root, "code", plan.bundle.code);
    json_put_string(&out, out.root, "name", plan.bundle.name);
    json_put_u64(&out, out.root, "version", plan.bundle.version);
    json_put_bool(&out, out.root, "in_force", plan.bundle.is_in_force);
    put_parts(&out, &plan);
    yyjson_mut_val *open = json_put_array(&out, out.root, "open");
    for (size_t i = 0; i < plan.open_count; i++) {
        yyjson_mut_val *row = json_put_object(&out, open, NULL);
        json_put_string(&out, row, "code", plan.open[i].code);
        json_put_string(&out, row, "text", plan.open[i].text);
        yyjson_mut_val *answers = json_put_array(&out, row, "answers");
        for (size_t n = 0; n < plan.open[i].answer_count; n++)
            json_put_string(&out, answers, NULL, plan.open[i].answers[n]);
    }
    put_needs(&out, &plan);
    request_reply_json(r, 200, &out);
    return 0;
}

/* ---- the contents ---- */

/* An application while its contents are made. */
struct contents {
    struct request *request;
    const struct json_object *body;
    const struct app_bundle_plan *plan;
    unsigned flags; /* enum person_flag */
    struct json_object forms;
};

/* Number of the part with this member code; the count when it is not needed. */
static size_t part_of(const struct app_bundle_plan *plan, const char *member)
{
    size_t i = 0;
    while (i < plan->part_count && strcmp(plan->parts[i].member, member) != 0)
        i++;
    return i;
}

static int check_member(const struct app_bundle_plan *plan, const char *member, const char *path, struct err *e)
{
    return part_of(plan, member) < plan->part_count
               ? 0
               : err_set(e, ERR_INVALID, "bundle.member", "'%s': '%.48s' is no part that the answers come to", path,
                         member);
}

/* The code that the material @o has in part @part: its own, or that of the shared one; NULL: it is not for that part. */
static const char *code_in(const struct app_bundle_plan *plan, yyjson_val *o, size_t part)
{
    const char *member = yyjson_get_str(yyjson_obj_get(o, "member")), *code = yyjson_get_str(yyjson_obj_get(o, "code"));
    if (member != NULL)
        return part_of(plan, member) == part ? code : NULL;
    for (size_t i = 0; i < plan->need_count; i++)
        for (size_t s = 0; plan->needs[i].member == NULL && s < plan->needs[i].part_count; s++)
            if (strcmp(plan->needs[i].code, code) == 0 && plan->needs[i].parts[s] == part)
                return plan->needs[i].codes[s];
    return NULL;
}

static bool is_shared(const struct app_bundle_plan *plan, const char *code)
{
    for (size_t i = 0; i < plan->need_count; i++)
        if (plan->needs[i].member == NULL && strcmp(plan->needs[i].code, code) == 0)
            return true;
    return false;
}

/* One material of the request: as in any application, and "member" when it is of one part alone. */
static int check_material(const struct contents *c, const struct json_object *o, struct err *e)
{
    const char *member = NULL, *code = NULL;
    int rc = json_get_string(o, "member", false, ANSWER_BYTES_MAX, &member, e);
    if (rc == 0 && member != NULL)
        rc = check_member(c->plan, member, json_path(o, "member"), e);
    if (rc != 0)
        return rc;
    struct json_out copy = json_out_open(o->mem);
    struct json_object rest = {.path = o->path, .mem = o->mem};
    copy.root = yyjson_val_mut_copy(copy.doc, o->value);
    yyjson_mut_doc_set_root(copy.doc, copy.root);
    (void)yyjson_mut_obj_remove_key(copy.root, "member"); /* NULL when it has none */
    rc = json_parse(o->mem, json_out_text(&copy), &rest.value, e);
    if (rc == 0)
        rc = api_check_material(&rest, e);
    if (rc == 0)
        rc = json_get_string(o, "code", true, ANSWER_BYTES_MAX, &code, e);
    if (rc == 0 && member == NULL && !is_shared(c->plan, code))
        rc = err_set(e, ERR_INVALID, "bundle.material",
                     "'%s': '%.64s' is no shared material of the parts; one of a single part needs 'member'",
                     json_path(o, "code"), code);
    return rc;
}

static int check_materials(const struct contents *c, struct err *e)
{
    yyjson_val *list = NULL;
    int rc = json_get_array(c->body, "materials", MATERIALS_MAX, &list, e);
    size_t count = yyjson_arr_size(list);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct json_object o;
        rc = json_as_object(c->body->mem, yyjson_arr_get(list, i), json_path_index(c->body, "materials", i), &o, e);
        if (rc == 0)
            rc = check_material(c, &o, e);
    }
    for (size_t part = 0; rc == 0 && part < c->plan->part_count; part++)
        for (size_t i = 0; rc == 0 && i < count; i++) {
            const char *code = code_in(c->plan, yyjson_arr_get(list, i), part);
            for (size_t n = 0; rc == 0 && code != NULL && n < i; n++) {
                const char *other = code_in(c->plan, yyjson_arr_get(list, n), part);
                if (other != NULL && strcmp(other, code) == 0)
                    rc = err_set(e, ERR_INVALID, "bundle.material", "'materials[%zu]': part '%s' has '%s' already", i,
                                 c->plan->parts[part].member, code);
            }
        }
    return rc;
}

static int check_forms(struct contents *c, struct err *e)
{
    struct json_object form;
    int rc = json_get_object(c->body, "form", false, &form, e);
    if (rc == 0)
        rc = json_get_object(c->body, "forms", false, &c->forms, e);
    if (rc != 0 || c->forms.value == NULL)
        return rc;
    yyjson_obj_iter it = yyjson_obj_iter_with(c->forms.value);
    for (yyjson_val *key = yyjson_obj_iter_next(&it); rc == 0 && key != NULL; key = yyjson_obj_iter_next(&it)) {
        rc = check_member(c->plan, yyjson_get_str(key), json_path(&c->forms, yyjson_get_str(key)), e);
        if (rc == 0)
            rc = json_get_object(&c->forms, yyjson_get_str(key), true, &form, e);
    }
    return rc;
}

static void copy_field(struct json_out *out, const struct json_object *from, const char *name)
{
    yyjson_val *value = yyjson_obj_get(from->value, name);
    if (value != NULL && !yyjson_is_null(value))
        (void)yyjson_mut_obj_add(out->root, yyjson_mut_str(out->doc, name), yyjson_val_mut_copy(out->doc, value));
}

static const char *hex_of(struct arena *mem, const uint8_t id[CASE_ID_SIZE])
{
    char *hex = arena_alloc(mem, 2 * CASE_ID_SIZE + 1);
    hex_encode(id, CASE_ID_SIZE, hex);
    return hex;
}

static struct json_out open_content(const struct contents *c, const char *member)
{
    static const char *const persons[] = {"applicant", "agent", "guardian"};
    struct json_out out = json_out_open(c->body->mem);
    for (size_t i = 0; i < array_count(persons); i++)
        copy_field(&out, c->body, persons[i]);
    yyjson_mut_val *bundle = json_put_object(&out, out.root, "bundle");
    json_put_u64(&out, bundle, "node", c->plan->bundle.node);
    json_put_string(&out, bundle, "code", c->plan->bundle.code);
    json_put_u64(&out, bundle, "version", c->plan->bundle.version);
    if (member != NULL)
        json_put_string(&out, bundle, "member", member);
    return out;
}

static int close_content(const struct contents *c, struct json_out *out, struct bytes *ret, struct err *e)
{
    yyjson_val *root = NULL;
    int rc = json_parse(c->body->mem, json_out_text(out), &root, e);
    if (rc == 0)
        *ret = person_put_flags(c->body->mem, root, c->flags);
    return rc;
}

/* Shared materials that part @at takes, each with its code there: {"S1":"M01"}. */
static void put_shared(const struct contents *c, struct json_out *out, yyjson_mut_val *to, size_t at)
{
    for (size_t i = 0; i < c->plan->need_count; i++)
        for (size_t s = 0; c->plan->needs[i].member == NULL && s < c->plan->needs[i].part_count; s++)
            if (c->plan->needs[i].parts[s] == at)
                json_put_string(out, to, c->plan->needs[i].code, c->plan->needs[i].codes[s]);
}

static int whole_content(const struct contents *c, struct bytes *ret, struct err *e)
{
    static const char *const given[] = {"answers", "form", "forms", "materials", "promise"};
    struct json_out out = open_content(c, NULL);
    for (size_t i = 0; i < array_count(given); i++)
        copy_field(&out, c->body, given[i]);
    yyjson_mut_val *list = json_put_array(&out, out.root, "parts");
    for (size_t i = 0; i < c->plan->part_count; i++) {
        const struct app_bundle_part *p = &c->plan->parts[i];
        yyjson_mut_val *row = json_put_object(&out, list, NULL);
        json_put_string(&out, row, "member", p->member);
        json_put_string(&out, row, "case", hex_of(out.mem, p->case_id));
        json_put_string(&out, row, "item", p->item);
        json_put_u64(&out, row, "node", p->node);
        yyjson_mut_val *after = json_put_array(&out, row, "after");
        for (size_t n = 0; n < p->after_count; n++)
            json_put_string(&out, after, NULL, hex_of(out.mem, c->plan->parts[p->after[n]].case_id));
        put_shared(c, &out, json_put_object(&out, row, "materials"), i);
    }
    return close_content(c, &out, ret, e);
}

static int part_content(const struct contents *c, size_t at, struct bytes *ret, struct app_bundle_materials *given,
                        struct err *e)
{
    size_t size = yyjson_arr_size(yyjson_obj_get(c->body->value, "materials"));
    const char **codes = arena_alloc(c->body->mem, (size + 1) * sizeof *codes);
    *given = (struct app_bundle_materials){.codes = codes};
    const struct app_bundle_part *p = &c->plan->parts[at];
    struct json_out out = open_content(c, p->member);
    json_put_string(&out, out.root, "item", p->item);
    json_put_u64(&out, out.root, "node", p->node);
    json_put_string(&out, out.root, "division", arena_printf(out.mem, "%u", p->division));
    json_put_string(&out, out.root, "parent", hex_of(out.mem, c->plan->case_id));
    yyjson_val *form = c->forms.value == NULL ? NULL : yyjson_obj_get(c->forms.value, p->member);
    if (form != NULL)
        (void)yyjson_mut_obj_add(out.root, yyjson_mut_str(out.doc, "form"), yyjson_val_mut_copy(out.doc, form));
    else
        copy_field(&out, c->body, "form");
    yyjson_mut_val *materials = json_put_array(&out, out.root, "materials");
    yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(c->body->value, "materials"));
    for (yyjson_val *o = yyjson_arr_iter_next(&it); o != NULL; o = yyjson_arr_iter_next(&it)) {
        const char *code = code_in(c->plan, o, at);
        if (code == NULL)
            continue;
        yyjson_mut_val *row = yyjson_val_mut_copy(out.doc, o);
        (void)yyjson_mut_obj_remove_key(row, "member");
        (void)yyjson_mut_obj_remove_key(row, "code");
        json_put_string(&out, row, "code", code);
        (void)yyjson_mut_arr_append(materials, row);
        codes[given->count++] = code;
    }
    return close_content(c, &out, ret, e);
}

/* ---- application ---- */

static void submitted_cb(void *ctx, const struct app_command_result *result, const struct err *e)
{
    struct request *r = ctx;
    struct app_case_view whole, part;
    struct err ignored;
    if (e->code != 0) {
        request_reply_error(r, e);
        request_finish(r);
        return;
    }
    struct json_out out = json_out_open(&r->mem);
    api_put_result(r, &out, result);
    yyjson_mut_val *list = json_put_array(&out, out.root, "parts");
    size_t count = app_get_case(r->app, result->case_id, &r->mem, &whole, &ignored) == 0 ? whole.part_count : 0;
    for (size_t i = 0; i < count; i++) {
        yyjson_mut_val *row = json_put_object(&out, list, NULL);
        json_put_hex(&out, row, "case", whole.parts[i].case_id, CASE_ID_SIZE);
        if (app_get_case(r->app, whole.parts[i].case_id, &r->mem, &part, &ignored) != 0)
            continue; /* the ledger has stopped meanwhile */
        json_put_string(&out, row, "item_code", arena_strdup(&r->mem, part.item_code));
        json_put_string(&out, row, "item_name", arena_strdup(&r->mem, part.item_name));
        json_put_u64(&out, row, "node", part.lead);
        json_put_string(&out, row, "status", part.status_name);
    }
    request_reply_json(r, 201, &out);
    request_finish(r);
}

static int make_contents(struct contents *c, struct app_bundle_submission *s, struct err *e)
{
    struct bytes *payloads = arena_alloc(c->body->mem, (c->plan->part_count + 1) * sizeof *payloads);
    struct app_bundle_materials *given = arena_alloc(c->body->mem, (c->plan->part_count + 1) * sizeof *given);
    s->payloads = payloads;
    s->materials = given;
    c->flags = app_sensitive_flags(c->request->app, s->persons);
    int rc = check_forms(c, e);
    if (rc == 0)
        rc = check_materials(c, e);
    if (rc == 0)
        rc = whole_content(c, &s->payload, e);
    for (size_t i = 0; rc == 0 && i < c->plan->part_count; i++)
        rc = part_content(c, i, &payloads[i], &given[i], e);
    return rc;
}

int api_post_bundle_cases(struct request *r, struct err *e)
{
    static const char *const fields[] = {"answers",  "division", "divisions", "version",   "applicant", "agent",
                                         "guardian", "form",     "forms",     "materials", "promise"};
    struct app_bundle_request q = {0};
    struct app_bundle_plan plan = {0};
    struct app_submission persons = {.forward = true};
    struct app_request frame = {0};
    struct app_command_result before;
    struct json_object body;
    int rc = api_decode_request(r, &frame, e);
    if (rc == 0)
        rc = request_json(r, &body, e);
    if (rc == 0)
        rc = json_check_fields(&body, fields, array_count(fields), e);
    if (rc == 0)
        rc = person_decode(&body, &persons, e);
    if (rc == 0)
        rc = decode_question(r, &body, &q, e);
    if (rc != 0)
        return rc;
    struct app_bundle_submission s = {.plan = &plan, .persons = &persons};
    struct contents c = {.request = r, .body = &body, .plan = &plan};
    q.persons = &persons;
    if (!app_find_bundle_request(r->app, &frame, &before)) { /* else the key alone gives the answer */
        rc = app_plan_bundle(r->app, &q, true, &r->scratch, &plan, e);
        if (rc == 0)
            rc = make_contents(&c, &s, e);
    }
    if (rc != 0)
        return rc;
    request_wait(r);
    app_submit_bundle(r->app, &s, &frame, submitted_cb, r);
    return 0;
}
