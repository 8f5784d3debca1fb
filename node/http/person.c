/* Persons of an application (see person.h). */
#include "node/http/person.h"

#include <string.h>

#include "certs/crypto.h"
#include "node/base/date.h"
#include "node/base/xassert.h"
#include "node/cases/identity.h"
#include "node/http/names.h"

#define NAME_BYTES_MAX 256
#define SCOPE_BYTES_MAX 1024

/* Name, number and telephone, which every person has. */
static int decode_person(const struct json_object *o, struct app_person *p, struct err *e)
{
    unsigned id_type = 0;
    int rc = json_get_string(o, "name", true, NAME_BYTES_MAX, &p->name, e);
    if (rc == 0)
        rc = names_get(o, "id_type", true, names_id_types, &id_type, &p->id_type, e);
    if (rc == 0)
        rc = json_get_string(o, "id_number", true, IDENTITY_NUMBER_BYTES_MAX, &p->id_number, e);
    if (rc == 0)
        rc = json_get_string(o, "phone", false, IDENTITY_NUMBER_BYTES_MAX, &p->phone, e);
    return rc;
}

static int decode_applicant(const struct json_object *body, struct app_submission *s, struct err *e)
{
    static const char *const fields[] = {"kind", "name", "id_type", "id_number", "phone"};
    struct json_object o;
    struct app_person p = {0};
    unsigned kind = 0;
    int rc = json_get_object(body, "applicant", true, &o, e);
    if (rc == 0)
        rc = json_check_fields(&o, fields, array_count(fields), e);
    if (rc == 0)
        rc = names_get(&o, "kind", true, names_applicant_kinds, &kind, &s->applicant_kind, e);
    if (rc == 0)
        rc = decode_person(&o, &p, e);
    s->applicant_name = p.name;
    s->id_type = p.id_type;
    s->id_number = p.id_number;
    return rc;
}

/* 授权委托书: the document's hash, what it covers, until when. */
static int decode_authorisation(const struct json_object *agent, struct app_agent *ret, struct err *e)
{
    static const char *const fields[] = {"sha256", "scope", "valid_until"};
    struct json_object o;
    const char *until = NULL;
    uint8_t digest[CRYPTO_HASH_SIZE];
    size_t size = 0;
    int rc = json_get_object(agent, "authorisation", false, &o, e);
    if (rc != 0 || o.value == NULL)
        return rc;
    rc = json_check_fields(&o, fields, array_count(fields), e);
    if (rc == 0)
        rc = json_get_string(&o, "sha256", true, 64, &ret->document, e);
    if (rc == 0)
        rc = json_get_string(&o, "scope", true, SCOPE_BYTES_MAX, &ret->scope, e);
    if (rc == 0)
        rc = json_get_string(&o, "valid_until", false, 10, &until, e);
    if (rc != 0)
        return rc;
    if (hex_decode(ret->document, strlen(ret->document), digest, sizeof digest, &size) != 0 || size != sizeof digest)
        return err_set(e, ERR_INVALID, "case.material-hash", "'%s' must be 64 hex digits, it is '%s'",
                       json_path(&o, "sha256"), ret->document);
    if (until != NULL && date_parse(bytes_of_string(until), &ret->valid_until) != 0)
        return err_set(e, ERR_INVALID, "person.date", "'%s' is '%s', it must be a date such as 2026-12-31",
                       json_path(&o, "valid_until"), until);
    return 0;
}

static int decode_agent(const struct json_object *body, struct app_agent *ret, struct err *e)
{
    static const char *const fields[] = {"name", "id_type", "id_number", "phone", "authorisation"};
    struct json_object o;
    int rc = json_get_object(body, "agent", false, &o, e);
    if (rc != 0 || o.value == NULL)
        return rc;
    rc = json_check_fields(&o, fields, array_count(fields), e);
    if (rc == 0)
        rc = decode_person(&o, &ret->person, e);
    if (rc == 0)
        rc = decode_authorisation(&o, ret, e);
    return rc;
}

static int decode_guardian(const struct json_object *body, struct app_guardian *ret, struct err *e)
{
    static const char *const fields[] = {"name", "id_type", "id_number", "phone", "relation", "consent"};
    struct json_object o;
    unsigned relation = 0;
    int rc = json_get_object(body, "guardian", false, &o, e);
    if (rc != 0 || o.value == NULL)
        return rc;
    rc = json_check_fields(&o, fields, array_count(fields), e);
    if (rc == 0)
        rc = decode_person(&o, &ret->person, e);
    if (rc == 0)
        rc = names_get(&o, "relation", true, names_relations, &relation, NULL, e);
    if (rc == 0)
        rc = json_get_bool(&o, "consent", &ret->has_consent, e);
    return rc;
}

int person_decode(const struct json_object *body, struct app_submission *s, struct err *e)
{
    int rc = decode_applicant(body, s, e);
    if (rc == 0)
        rc = decode_agent(body, &s->agent, e);
    if (rc == 0)
        rc = decode_guardian(body, &s->guardian, e);
    return rc;
}

void person_list_flags(struct json_out *out, yyjson_mut_val *to, unsigned flags)
{
    yyjson_mut_val *list = json_put_array(out, to, "sensitive");
    for (const struct names_row *row = names_person_flags; row->text != NULL; row++)
        if ((flags & row->value) != 0)
            json_put_string(out, list, NULL, row->text);
}

struct bytes person_put_flags(struct arena *mem, yyjson_val *root, unsigned flags)
{
    if (flags == 0)
        return json_canonical(mem, root);
    struct json_out out = json_out_open(mem);
    out.root = yyjson_val_mut_copy(out.doc, root);
    yyjson_mut_doc_set_root(out.doc, out.root);
    person_list_flags(&out, out.root, flags);
    yyjson_val *whole = NULL;
    struct err e = {0};
    int rc = json_parse(mem, json_out_text(&out), &whole, &e);
    xassert(rc == 0); /* the document that was parsed before, and one list */
    return json_canonical(mem, whole);
}
