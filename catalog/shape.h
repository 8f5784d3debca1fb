/* Reads a JSON object into a struct by a table of its fields, and writes its canonical bytes in the same walk.
 *
 * The table (item_shape.c has them) is the schema: key, kind, whether it must be there, bounds, words, and where in the
 * struct it goes. What is not in the table is refused, a key may stand once, null is refused. Problems are
 * collected, not thrown: a catalog with five mistakes says so at once. Canonical bytes: keys in order of the table
 * (which is sorted by bytes), no white space, integers, sets in order of their words, and in texts only ", \ and line
 * feed escaped. The same content gives the same bytes, whoever wrote the file.
 *
 * Nesting is that of the tables, so that the walk recurses no deeper than they do, whatever the input. Pure; any
 * thread.
 */
#ifndef TB_CATALOG_SHAPE_H
#define TB_CATALOG_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/base/bytes.h"

struct arena;
struct yyjson_val;

/* How a field is written and what its member in the struct is. */
enum shape_kind {
    SHAPE_TEXT,    /* const char *; one line, bounds in bytes, not blank at the ends; absent: NULL */
    SHAPE_LINES,   /* const char *; the same, line feeds allowed */
    SHAPE_CODE,    /* const char *; 0-9A-Za-z, bounds in bytes; absent: NULL */
    SHAPE_INTEGER, /* uint32_t; bounds are values; absent: SHAPE_ABSENT */
    SHAPE_BOOL,    /* bool; absent: false */
    SHAPE_DATE,    /* uint32_t yyyymmdd from "2026-11-24"; absent: 0 */
    SHAPE_WORD,    /* int, index into words; absent: -1 */
    SHAPE_WORDS,   /* uint32_t, a bit for each word; each word once, bounds are counts; absent: 0 */
    SHAPE_TEXTS,   /* struct shape_texts; bounds are counts, each text as SHAPE_TEXT up to inner_max */
    SHAPE_OBJECT,  /* pointer to the inner struct; absent: NULL */
    SHAPE_VALUE,   /* struct yyjson_val *; anything, left to the caller, not in the canonical bytes */
    SHAPE_OBJECTS, /* a struct like shape_objects with a typed pointer; bounds are counts */
};

#define SHAPE_ABSENT UINT32_MAX

struct shape_texts {
    const char *const *at;
    size_t count;
};

struct shape_objects {
    const void *at; /* array of inner structs */
    size_t count;
};

struct shape_field {
    const char *key;
    enum shape_kind kind;
    bool is_required;
    size_t offset;             /* of the member */
    uint32_t min, max;         /* see the kinds */
    uint32_t inner_max;        /* SHAPE_TEXTS: bytes of one text */
    const char *const *words;  /* SHAPE_WORD(S): NULL-terminated, at most 32 */
    const struct shape *inner; /* SHAPE_OBJECT(S) */
};

struct shape {
    size_t size;                      /* of the struct */
    const struct shape_field *fields; /* sorted by key */
    size_t field_count;               /* at most 64 */
};

/* What is wrong with one document. `list[i].message` names document, path and value, for example
 * "sichuan.json: items[3].limits.promised.unit: 'weeks' is not one of working, natural". */
#define SHAPE_PROBLEMS_MAX 20
#define SHAPE_PLACE_SIZE 256
struct shape_problems {
    struct err list[SHAPE_PROBLEMS_MAX];
    char places[SHAPE_PROBLEMS_MAX][SHAPE_PLACE_SIZE]; /* the path of each, without the document; "": the whole */
    size_t count;
};

/* A walk: where it is and what it found. */
struct shape_walk {
    const char *document; /* borrows: name for messages */
    struct shape_problems *problems;
    char path[160]; /* of the object being read; cut when it does not fit */
};

#define SHAPE_SHOWN_SIZE 64
/* The value as a message shows it: a text in quotes, cut and without control characters; else its JSON or its type. */
const char *shape_show(struct yyjson_val *value, char out[SHAPE_SHOWN_SIZE]);
bool shape_is_full(const struct shape_walk *w); /* SHAPE_PROBLEMS_MAX reached: stop */
/* Adds a problem "document: path.key: …"; @key may be "" (the object itself). Dropped when full. */
void shape_problem(struct shape_walk *w, int code, const char *id, const char *key, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
/* Puts ".key" or ".key[index]" on the path (@index SIZE_MAX: none) and returns what shape_leave() needs. */
size_t shape_enter(struct shape_walk *w, const char *key, size_t index);
void shape_leave(struct shape_walk *w, size_t mark);

/* Reads @value by @s into @out (zeroed by the caller, s->size bytes), memory from @a, canonical bytes appended to
 * @canonical. Ids of problems: "catalog.field-type", "catalog.field-unknown", "catalog.field-duplicate",
 * "catalog.field-missing", "catalog.field-value", "catalog.field-size". After a problem @out and @canonical are of no
 * use. */
void shape_read(struct shape_walk *w, const struct shape *s, struct yyjson_val *value, void *out, struct arena *a,
                struct buf *canonical);

/* The first problem, with the number of the others, as one error; returns its code. There must be one. */
int shape_problems_to_err(const struct shape_problems *p, struct err *e);

#endif
