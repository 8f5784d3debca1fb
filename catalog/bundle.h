/* 一件事一次办 (国发〔2024〕3号): a life event made of items of several departments, levels and provinces, with the questions that
 * decide which of them an applicant needs, and the materials that serve several of them and are asked for once.
 *
 * Format and resolution; a bundle is made from JSON by the tables in bundle.c (README.md), keeps its canonical bytes, and is
 * never changed. bundle_resolve() is what a window or a case asks: these answers, which items, which materials. Pure; any thread.
 */
#ifndef TB_CATALOG_BUNDLE_H
#define TB_CATALOG_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "catalog/shape.h"
#include "node/base/arena.h"
#include "node/base/bytes.h"

struct catalog_item;
struct catalog_material;
struct yyjson_val;

#define BUNDLE_MEMBERS_MAX 32u
#define BUNDLE_QUESTIONS_MAX 32u
#define BUNDLE_MATERIALS_MAX 128u

/* Texts NULL, integers SHAPE_ABSENT, lists empty when the bundle does not say. */
struct bundle_question {
    const char *code; /* unique */
    const char *text;
    struct shape_texts answers; /* at least two; none holds '=' */
};
struct bundle_member {
    const char *code; /* unique in the bundle */
    const char *item; /* code, or basic code: then routing finds the deciding node for the applicant's division */
    uint32_t node;    /* deciding node; SHAPE_ABSENT: by routing */
    struct shape_texts when;  /* "question=answer": all must hold; empty: always */
    struct shape_texts after; /* members that must be granted before this one can be decided */
    const char *text;
};
struct bundle_material {
    const char *code;
    const char *name;
    struct shape_texts serves; /* "member/material", of different members: asked for once instead of these */
};

struct bundle {
    const char *code;
    const char *name;
    const char *life_event;
    const char *lead;       /* 牵头部门 */
    const char *conditions; /* NULL: none */
    uint32_t version;
    int status; /* enum catalog_status */
    uint32_t valid_from, valid_to;
    struct {
        const struct bundle_question *at;
        size_t count;
    } questions;
    struct {
        const struct bundle_member *at;
        size_t count;
    } members; /* in the order in which they are handled */
    struct {
        const struct bundle_material *at;
        size_t count;
    } materials;
    const struct bundle_source *source;

    /* not from the JSON */
    struct bytes canonical;
    struct arena arena;
};
struct bundle_source {
    const char *text;
    int certainty; /* enum catalog_certainty */
};

extern const struct shape bundle_shape;

/* Reads one bundle; all rules are checked (bundle.c has them with their ids). @where stands before ":" in messages. The caller
 * destroys @ret. Errors of shape.h, and ERR_INVALID "bundle.duplicate", "bundle.unknown", "bundle.answer", "bundle.order",
 * "bundle.validity"; ERR_LIMIT "bundle.size" over CATALOG_ITEM_BYTES_MAX. */
int bundle_parse(struct bytes json, const char *where, struct bundle **ret, struct err *e) WARN_UNUSED;
/* The same for bytes that came from a ledger: they must be the canonical ones, ERR_INVALID "bundle.not-canonical". */
int bundle_parse_published(struct bytes json, const char *where, struct bundle **ret, struct err *e) WARN_UNUSED;
/* One bundle out of a larger document: NULL when it is not in order, what is wrong is added to @w. */
struct bundle *bundle_read(struct shape_walk *w, struct yyjson_val *value);
void bundle_destroy(struct bundle *b); /* NULL is fine */

/* One thing to bring. */
struct bundle_need {
    const struct bundle_material *shared; /* NULL: of one item only, which is below */
    const struct bundle_member *member;
    const struct catalog_material *material; /* of the member's item; NULL when shared */
    const char *const *serves;               /* shared: "member/material" of those members that are needed */
    size_t serve_count;
};
/* What the answers come to; memory of the arena given, pointers into the bundle and the items. */
struct bundle_plan {
    const struct bundle_member *const *members; /* needed, in order */
    size_t member_count;
    const struct bundle_question *const *open; /* not answered, and they matter: ask these first */
    size_t open_count;
    const struct bundle_need *needs;
    size_t need_count;
};

/* @answers are "question=answer". @find gives the item of a member (NULL: not known here; its materials are then left out). ERR_INVALID
 * "bundle.answer" names an answer that is not one of the question's, or stands twice. */
int bundle_resolve(const struct bundle *b, const char *const *answers, size_t answer_count,
                   const struct catalog_item *(*find)(void *ctx, const struct bundle_member *member), void *ctx,
                   struct arena *a, struct bundle_plan *ret, struct err *e) WARN_UNUSED;

#endif
