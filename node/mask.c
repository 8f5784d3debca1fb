/* Masking of payloads (see mask.h). What is shown is a list, what is hidden is the rest: an unknown field never leaks. */
#include "node/mask.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "node/base/limits.h"
#include "node/base/scrub.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"
#include "node/cases/identity.h"

#define HIDDEN "***"

static yyjson_mut_val *text(yyjson_mut_doc *doc, const char *value, size_t size)
{
    return yyjson_mut_strncpy(doc, value, size);
}

/* 张三 -> 张* */
static yyjson_mut_val *mask_name(yyjson_mut_doc *doc, const char *name, size_t size)
{
    uint32_t rune;
    size_t first = size == 0 ? 0 : utf8_decode(name, size, &rune);
    char out[8] = {0};
    memcpy(out, name, first);
    out[first] = '*';
    return text(doc, out, first + 1);
}

/* A telephone number, the number of a parcel: the last four characters. */
static yyjson_mut_val *mask_phone(yyjson_mut_doc *doc, const char *phone, size_t size)
{
    char out[16] = "*******";
    if (size < 8)
        return text(doc, HIDDEN, strlen(HIDDEN));
    memcpy(out + 7, phone + size - 4, 4);
    return text(doc, out, 11);
}

static yyjson_mut_val *mask_number(yyjson_mut_doc *doc, const char *number, size_t size)
{
    char out[IDENTITY_SIZE + 1];
    identity_mask(number, size, out);
    return text(doc, out, strlen(out));
}

/* One of a fixed list of words: "citizen_id". What a peer puts there instead may be anything. */
static bool is_word(const char *s)
{
    return strspn(s, "abcdefghijklmnopqrstuvwxyz_") == strlen(s);
}

/* A person's or organisation's object: known fields masked one by one, others hidden. */
static yyjson_mut_val *mask_person(yyjson_mut_doc *doc, yyjson_val *person)
{
    yyjson_mut_val *out = yyjson_mut_obj(doc);
    size_t i, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(person, i, count, key, value)
    {
        const char *name = yyjson_get_str(key);
        const char *s = yyjson_is_str(value) ? yyjson_get_str(value) : "";
        size_t size = yyjson_is_str(value) ? yyjson_get_len(value) : 0;
        yyjson_mut_val *masked;
        if (strcmp(name, "kind") == 0 || strcmp(name, "id_type") == 0 || strcmp(name, "relation") == 0)
            masked = is_word(s) ? text(doc, s, size) : text(doc, HIDDEN, strlen(HIDDEN));
        else if (strcmp(name, "consent") == 0 && yyjson_is_bool(value))
            masked = yyjson_mut_bool(doc, yyjson_get_bool(value));
        else if (strcmp(name, "name") == 0)
            masked = mask_name(doc, s, size);
        else if (strcmp(name, "id_number") == 0)
            masked = mask_number(doc, s, size);
        else if (strcmp(name, "phone") == 0)
            masked = mask_phone(doc, s, size);
        else
            masked = text(doc, HIDDEN, strlen(HIDDEN));
        (void)yyjson_mut_obj_add(out, yyjson_mut_strcpy(doc, name), masked);
    }
    return out;
}

/* Fields that say nothing about a person: shown as they are. */
static bool is_plain(const char *name)
{
    static const char *const plain[] = {"item",      "node",    "division", "mode",    "forward",
                                        "sensitive", "promise", "means",    "told_on", "amount_fen"};
    for (size_t i = 0; i < array_count(plain); i++)
        if (strcmp(plain[i], name) == 0)
            return true;
    return false;
}

/* Free text: shown without what looks like an identity number or a telephone number in it. */
static yyjson_mut_val *mask_words(yyjson_mut_doc *doc, yyjson_val *value)
{
    yyjson_mut_val *out = yyjson_mut_strncpy(doc, yyjson_get_str(value), yyjson_get_len(value));
    char *words = (char *)(uintptr_t)yyjson_mut_get_str(out); /* the document's own copy */
    scrub_text(words);
    scrub_phones(words);
    return out;
}

static bool is_words(const char *name)
{
    static const char *const words[] = {"reason", "basis", "note", "remedies", "carrier"};
    for (size_t i = 0; i < array_count(words); i++)
        if (strcmp(words[i], name) == 0)
            return true;
    return false;
}

/* An object with those fields of @row that are @shown: texts without numbers of persons, numbers as they are. */
static yyjson_mut_val *mask_row(yyjson_mut_doc *doc, yyjson_val *row, const char *const *shown, size_t count)
{
    yyjson_mut_val *out = yyjson_mut_obj(doc);
    for (size_t i = 0; i < count; i++) {
        yyjson_val *value = yyjson_obj_get(row, shown[i]);
        if (yyjson_is_str(value))
            (void)yyjson_mut_obj_add(out, yyjson_mut_str(doc, shown[i]), mask_words(doc, value));
        else if (yyjson_is_uint(value))
            (void)yyjson_mut_obj_add(out, yyjson_mut_str(doc, shown[i]), yyjson_val_mut_copy(doc, value));
    }
    return out;
}

/* A material: code, name, hash and size; what a peer has put beside them is hidden. */
static yyjson_mut_val *mask_material(yyjson_mut_doc *doc, yyjson_val *material)
{
    static const char *const shown[] = {"code", "sha256", "size"};
    yyjson_mut_val *out = mask_row(doc, material, shown, array_count(shown));
    yyjson_val *name = yyjson_obj_get(material, "name"); /* of a file: often a person's */
    if (yyjson_is_str(name))
        (void)yyjson_mut_obj_add(out, yyjson_mut_str(doc, "name"),
                                 mask_name(doc, yyjson_get_str(name), yyjson_get_len(name)));
    return out;
}

/* What is lacking of a case: material, form and days, as the item has them. */
static yyjson_mut_val *mask_lacking(yyjson_mut_doc *doc, yyjson_val *material)
{
    static const char *const shown[] = {"code", "name", "form", "days"};
    return mask_row(doc, material, shown, array_count(shown));
}

static yyjson_mut_val *mask_list(yyjson_mut_doc *doc, yyjson_val *list,
                                 yyjson_mut_val *(*mask)(yyjson_mut_doc *doc, yyjson_val *one))
{
    yyjson_mut_val *out = yyjson_mut_arr(doc);
    size_t i, count;
    yyjson_val *material;
    yyjson_arr_foreach(list, i, count, material)
    {
        if (yyjson_is_obj(material))
            (void)yyjson_mut_arr_add_val(out, mask(doc, material));
    }
    return out;
}

static yyjson_mut_val *mask_keys(yyjson_mut_doc *doc, yyjson_val *object)
{
    yyjson_mut_val *out = yyjson_mut_obj(doc);
    size_t i, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, i, count, key, value)(void)
        yyjson_mut_obj_add(out, yyjson_mut_strcpy(doc, yyjson_get_str(key)), text(doc, HIDDEN, strlen(HIDDEN)));
    return out;
}

/* A word, a number, a truth value or a list of words. */
static yyjson_mut_val *mask_plain(yyjson_mut_doc *doc, yyjson_val *value)
{
    if (yyjson_is_str(value))
        return mask_words(doc, value);
    if (yyjson_is_bool(value) || yyjson_is_uint(value))
        return yyjson_val_mut_copy(doc, value);
    yyjson_mut_val *out = yyjson_mut_arr(doc);
    size_t i, count;
    yyjson_val *one;
    yyjson_arr_foreach(value, i, count, one)
    {
        if (yyjson_is_str(one))
            (void)yyjson_mut_arr_add_val(out, mask_words(doc, one));
    }
    return out;
}

static yyjson_mut_val *mask_field(yyjson_mut_doc *doc, const char *name, yyjson_val *value)
{
    static const char *const persons[] = {"applicant", "agent", "guardian"};
    for (size_t k = 0; k < array_count(persons); k++)
        if (strcmp(persons[k], name) == 0 && yyjson_is_obj(value))
            return mask_person(doc, value);
    if (is_words(name) && yyjson_is_str(value))
        return mask_words(doc, value);
    if (strcmp(name, "tracking") == 0 && yyjson_is_str(value))
        return mask_phone(doc, yyjson_get_str(value), yyjson_get_len(value));
    if (strcmp(name, "materials") == 0 && yyjson_is_arr(value))
        return mask_list(doc, value, mask_material);
    if (strcmp(name, "lacking") == 0 && yyjson_is_arr(value))
        return mask_list(doc, value, mask_lacking);
    if (is_plain(name))
        return mask_plain(doc, value);
    if (yyjson_is_obj(value))
        return mask_keys(doc, value);
    return text(doc, HIDDEN, strlen(HIDDEN));
}

struct bytes mask_payload(struct bytes payload, struct arena *a)
{
    struct bytes result = bytes_of(NULL, 0);
    yyjson_doc *in = yyjson_read((const char *)payload.data, payload.size, 0);
    yyjson_val *root = yyjson_doc_get_root(in);
    if (!yyjson_is_obj(root)) {
        yyjson_doc_free(in);
        return result;
    }
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    xassert(doc != NULL);
    yyjson_mut_val *out = yyjson_mut_obj(doc);
    size_t i, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(root, i, count, key, value)(void) yyjson_mut_obj_add(
        out, yyjson_mut_strcpy(doc, yyjson_get_str(key)), mask_field(doc, yyjson_get_str(key), value));
    yyjson_mut_doc_set_root(doc, out);
    size_t size;
    char *json = yyjson_mut_write(doc, 0, &size);
    if (json != NULL)
        result = arena_bytes(a, bytes_of(json, size));
    free(json);
    yyjson_mut_doc_free(doc);
    yyjson_doc_free(in);
    return result;
}
