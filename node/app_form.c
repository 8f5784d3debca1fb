/* 形式审查: what a window is told about an application that its node takes in all the same.
 *
 * Nothing here refuses. A window receives, checks the form and tells; whether somebody may apply at all (不受理, 不予受理) and what
 * is missing (补正, told once) is said by the deciding authority alone (国办发〔2020〕35号 收受分离, 行政许可法第三十二条). A
 * window that turned an applicant away would decide in its place, without the written notice that the law asks for. And
 * materials may come later as files of the case, so that nothing is missing for good when it is handed in.
 *
 * Loop thread.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "catalog/item.h"
#include "node/app_internal.h"
#include "node/base/scrub.h"
#include "node/base/utf8.h"
#include "node/base/xassert.h"

#define NAMES_SIZE 128u /* of materials, in one warning */

/* A list in words, cut where it gets too long: "M02 居民户口簿、M03 申请表 and 3 more". */
struct names {
    char text[NAMES_SIZE];
    size_t left_out;
};

static void add_name(struct names *n, const char *code, const char *name)
{
    char one[NAMES_SIZE];
    size_t at = strlen(n->text);
    (void)snprintf(one, sizeof one, "%s%.64s%s%.48s", at > 0 ? "、" : "", code, name != NULL ? " " : "",
                   name != NULL ? name : "");
    utf8_trim_partial(one);
    if (n->left_out > 0 || at + strlen(one) >= sizeof n->text)
        n->left_out++;
    else
        (void)snprintf(n->text + at, sizeof n->text - at, "%s", one);
}

static bool is_empty(const struct names *n)
{
    return n->text[0] == '\0' && n->left_out == 0;
}

void app_warn(struct app_command_result *result, const char *fmt, ...)
{
    va_list args;
    if (result->warnings == NULL)
        result->warnings = xcalloc(1, sizeof *result->warnings);
    struct app_warnings *w = result->warnings;
    if (w->count == APP_WARNINGS_MAX) { /* one more is left out than there are: this line's own */
        w->left_out += w->left_out == 0 ? 2 : 1;
        (void)snprintf(w->lines[APP_WARNINGS_MAX - 1], sizeof w->lines[0], "%u more warnings found no room",
                       w->left_out);
        return;
    }
    char *line = w->lines[w->count++];
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof w->lines[0], fmt, args);
    va_end(args);
    utf8_trim_partial(line);
}

static void warn_of(struct app_command_result *result, const struct app_submission *s, const char *before,
                    const struct names *n, const char *after)
{
    char more[32] = "", line[sizeof result->warnings->lines[0]];
    if (n->left_out > 0)
        (void)snprintf(more, sizeof more, " and %zu more", n->left_out);
    (void)snprintf(line, sizeof line, "%s%s%s%s%s%s", s->what != NULL ? s->what : "", s->what != NULL ? ": " : "",
                   before, n->text, more, after);
    utf8_trim_partial(line);
    scrub_text(line); /* codes are the caller's words */
    app_warn(result, "%s", line);
}

static void check_subject(const struct catalog_item *item, const struct app_submission *s,
                          struct app_command_result *result)
{
    const uint32_t person = 1u << CATALOG_SUBJECT_PERSON;
    bool is_person = strcmp(s->applicant_kind, "person") == 0;
    bool fits = (item->subject & (is_person ? person : ~person)) != 0;
    struct names names = {0};
    if (item->subject == 0 || fits)
        return;
    for (size_t i = 0; catalog_subject_words[i] != NULL; i++)
        if ((item->subject & (1u << i)) != 0)
            add_name(&names, catalog_subject_words[i], NULL);
    warn_of(result, s, "applicant: the item is for ", &names,
            is_person ? " (服务对象), not for a natural person; the deciding node says whether it takes it up"
                      : " (服务对象), not for an organisation; the deciding node says whether it takes it up");
}

static bool is_brought(const struct app_submission *s, const char *code)
{
    for (size_t i = 0; i < s->material_count; i++)
        if (strcmp(s->material_codes[i], code) == 0)
            return true;
    return false;
}

/* 告知承诺: the promise stands for it. */
static bool is_promised(const struct catalog_item *item, const struct app_submission *s, const char *code)
{
    for (size_t i = 0; s->promise && item->promise != NULL && i < item->promise->materials.count; i++)
        if (strcmp(item->promise->materials.at[i], code) == 0)
            return true;
    return false;
}

static void check_materials(const struct catalog_item *item, const struct app_submission *s,
                            struct app_command_result *result)
{
    struct names unknown = {0}, missing = {0};
    for (size_t i = 0; i < s->material_count; i++)
        if (catalog_item_material(item, s->material_codes[i]) == NULL)
            add_name(&unknown, s->material_codes[i], NULL);
    for (size_t i = 0; i < item->materials.count; i++) {
        const struct catalog_material *m = &item->materials.at[i];
        if (m->necessity == CATALOG_NECESSITY_REQUIRED && !is_brought(s, m->code) && !is_promised(item, s, m->code))
            add_name(&missing, m->code, m->name);
    }
    if (!is_empty(&unknown))
        warn_of(result, s, "materials: the item has no ", &unknown, "");
    if (!is_empty(&missing))
        warn_of(result, s, "materials: required and not in the list: ", &missing,
                "; they may follow as files of the case, else they have to be asked for (补正)");
}

void app_form_warnings(const struct catalog_item *item, const struct app_submission *s,
                       struct app_command_result *result)
{
    check_subject(item, s, result);
    check_materials(item, s, result);
}
