/* For the tests of node/cases: writes events into a case file the way an honest node would (citing all tips), or
 * otherwise when a test says so. Ids count up; they look nothing like hashes, which the code under test never minds. */
#ifndef TB_TESTS_UNIT_CASES_CASE_BUILDER_H
#define TB_TESTS_UNIT_CASES_CASE_BUILDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/cases/casefile.h"

#define RECEIVING 440000u
#define LEAD 510000u
#define OTHER 520000u
#define NATIONAL 100000u

static uint32_t builder_next = 1; /* id, index and hlc of the next event */

static inline uint32_t builder_author(uint16_t type)
{
    switch (type) {
    case CASE_EVENT_SUBMIT:
    case CASE_EVENT_IDENTITY:
    case CASE_EVENT_FORM:
    case CASE_EVENT_FORWARD:
    case CASE_EVENT_RETURN:
    case CASE_EVENT_SUPPLEMENT:
    case CASE_EVENT_EVALUATE:
    case CASE_EVENT_WITHDRAW:
    case CASE_EVENT_SUPPLY:
    case CASE_EVENT_PART:
    case CASE_EVENT_PART_DONE:
    case CASE_EVENT_POST_MATERIALS:
    case CASE_EVENT_PART_LAPSED:
        return RECEIVING;
    case CASE_EVENT_SUPERVISE:
        return NATIONAL;
    default:
        return LEAD;
    }
}

static inline uint16_t builder_role(uint16_t type)
{
    switch (builder_author(type)) {
    case RECEIVING:
        return CASE_ROLE_WINDOW;
    case NATIONAL:
        return CASE_ROLE_SUPERVISOR;
    default:
        return CASE_ROLE_DECIDER;
    }
}

/* A well-formed event of @type by its ordinary author, without parents. */
static inline struct case_event builder_event(uint16_t type)
{
    struct case_event e = {
        .origin = builder_author(type),
        .index = builder_next,
        .hlc = builder_next,
        .type = type,
        .role = builder_role(type),
        .rules_version = CASE_RULES_VERSION,
        .lead = type == CASE_EVENT_SUBMIT ? LEAD : 0,
        .decision = type == CASE_EVENT_DECIDE ? CASE_DECISION_GRANT : 0,
        .grade = type == CASE_EVENT_EVALUATE ? 5 : 0,
        .has_file = type == CASE_EVENT_MATERIAL,
        .reason = "material.missing",
        .terms = type == CASE_EVENT_RECEIPT ? CASE_TERM_LACKING | CASE_TERM_PROMISE | CASE_TERM_LICENCE : 0,
    };
    if (type == CASE_EVENT_HANDOVER || type == CASE_EVENT_SUPERVISE)
        e.lead = OTHER;
    if (type == CASE_EVENT_PAUSE) {
        e.pause_kind = 1;
        e.expected_days = 30;
    }
    e.told = CASE_TOLD_REASONS | CASE_TOLD_REMEDIES;
    e.has_official = true;
    e.official[0] = type == CASE_EVENT_REVIEW ? 2 : 1;
    e.review = type == CASE_EVENT_REVIEW ? CASE_REVIEW_PASS : 0;
    e.extend_days = type == CASE_EVENT_EXTEND ? 10 : 0;
    e.side = type == CASE_EVENT_FOLLOW_UP ? CASE_SIDE_DECIDING : 0;
    e.has_part = type == CASE_EVENT_PART || type == CASE_EVENT_PART_DONE || type == CASE_EVENT_PART_LAPSED;
    if (type == CASE_EVENT_PART_DONE)
        e.decision = CASE_DECISION_GRANT;
    if (type == CASE_EVENT_SUBMIT)
        memcpy(e.item_code, "11510000MB0000000X4000119001000", 32);
    put_be32(e.id, builder_next * 0x9e3779b1u); /* spread, as hashes are */
    put_be32(e.id + 28, builder_next++);
    return e;
}

static inline void builder_cite(struct case_event *e, const struct case_event *parent)
{
    struct case_parent *to = &e->parents[e->parent_count++];
    *to = (struct case_parent){.origin = parent->origin, .index = parent->index};
    memcpy(to->id, parent->id, 32);
}

static inline void builder_cite_tips(struct casefile *file, struct case_event *e)
{
    e->parent_count = (uint8_t)casefile_tips(file, e->parents);
}

static inline void builder_add(struct casefile *file, const struct case_event *e)
{
    struct err err;
    if (casefile_add(file, e, &err) < 0)
        fail_msg("%s", err.message);
}

/* An event that has seen everything; returns it as added. */
static inline struct case_event builder_append(struct casefile *file, uint16_t type)
{
    struct case_event e = builder_event(type);
    if (type != CASE_EVENT_SUBMIT)
        builder_cite_tips(file, &e);
    builder_add(file, &e);
    return e;
}

static inline struct casefile *builder_file(void)
{
    static const uint8_t case_id[CASE_ID_SIZE] = {0xca, 0x5e};
    return casefile_create(case_id);
}

static inline const struct case_effect *builder_effect(struct casefile *file, const struct case_event *e)
{
    const struct case_effect *effects;
    size_t count = casefile_effects(file, &effects);
    for (size_t i = 0; i < count; i++)
        if (memcmp(effects[i].event->id, e->id, 32) == 0)
            return &effects[i];
    fail_msg("no effect for the event");
    return NULL;
}

/* The ordinary ways to each status of rules version 1; ends with 0. */
#define BUILDER_WAY_MAX 16
static const struct {
    uint8_t status;
    uint16_t way[BUILDER_WAY_MAX];
} builder_ways[] = {
#define HANDED_IN CASE_EVENT_SUBMIT, CASE_EVENT_IDENTITY, CASE_EVENT_FORM
#define ARRIVED HANDED_IN, CASE_EVENT_FORWARD, CASE_EVENT_RECEIPT
#define PROCESSED ARRIVED, CASE_EVENT_ACCEPT, CASE_EVENT_PROCESS
#define CLOSED PROCESSED, CASE_EVENT_DECIDE, CASE_EVENT_CLOSE
    {CASE_STATUS_NONE, {0}},
    {CASE_STATUS_RECEIVED, {HANDED_IN}},
    {CASE_STATUS_RETURNED, {HANDED_IN, CASE_EVENT_RETURN}},
    {CASE_STATUS_FORWARDED, {HANDED_IN, CASE_EVENT_FORWARD}},
    {CASE_STATUS_ARRIVED, {ARRIVED}},
    {CASE_STATUS_ACCEPTED, {ARRIVED, CASE_EVENT_ACCEPT}},
    {CASE_STATUS_NOT_REQUIRED, {ARRIVED, CASE_EVENT_NOT_REQUIRED}},
    {CASE_STATUS_REFUSED, {ARRIVED, CASE_EVENT_REFUSE}},
    {CASE_STATUS_CORRECTING, {ARRIVED, CASE_EVENT_CORRECT}},
    {CASE_STATUS_CORRECTED, {ARRIVED, CASE_EVENT_CORRECT, CASE_EVENT_SUPPLEMENT}},
    {CASE_STATUS_PROCESSING, {PROCESSED}},
    {CASE_STATUS_PAUSED, {PROCESSED, CASE_EVENT_PAUSE}},
    {CASE_STATUS_RESUMED, {PROCESSED, CASE_EVENT_PAUSE, CASE_EVENT_RESUME}},
    {CASE_STATUS_GRANTED, {PROCESSED, CASE_EVENT_DECIDE}},
    {CASE_STATUS_CLOSED_GRANTED, {CLOSED}},
    {CASE_STATUS_DELIVERED, {CLOSED, CASE_EVENT_DELIVER}},
    {CASE_STATUS_ARCHIVED, {CLOSED, CASE_EVENT_DELIVER, CASE_EVENT_ARCHIVE}},
    {CASE_STATUS_REVOKED, {CLOSED, CASE_EVENT_REVOKE}},
    {CASE_STATUS_WITHDRAWN, {ARRIVED, CASE_EVENT_WITHDRAW}},
#undef HANDED_IN
#undef ARRIVED
#undef PROCESSED
#undef CLOSED
};

/* What a case has besides its status. */
struct builder_more {
    bool lacking;  /* accepted with 容缺 */
    bool promise;  /* 告知承诺 */
    bool part;     /* 联办分件, open */
    bool granted;  /* 联办分件, granted from the start */
    bool bad_mark; /* of the deciding side, once delivered */
    bool review;   /* 法制审核 is demanded */
};

static inline void builder_step(struct casefile *file, uint16_t type, struct builder_more more)
{
    if (type == CASE_EVENT_CLOSE && more.lacking) /* or the case would be closed as lacking */
        (void)builder_append(file, CASE_EVENT_FULFIL);
    struct case_event e = builder_event(type);
    e.promise = type == CASE_EVENT_SUBMIT && more.promise;
    e.lacking_days = type == CASE_EVENT_ACCEPT && more.lacking ? 5 : 0;
    e.demands = type == CASE_EVENT_RECEIPT && more.review ? CASE_DEMAND_REVIEW : 0;
    if (type != CASE_EVENT_SUBMIT)
        builder_cite_tips(file, &e);
    builder_add(file, &e);
    if (type == CASE_EVENT_SUBMIT && more.granted) {
        (void)builder_append(file, CASE_EVENT_PART);
        (void)builder_append(file, CASE_EVENT_PART_DONE);
    }
    if (type == CASE_EVENT_DELIVER && more.bad_mark) {
        struct case_event mark = builder_event(CASE_EVENT_EVALUATE);
        mark.side = CASE_SIDE_DECIDING;
        mark.grade = 1;
        builder_cite_tips(file, &mark);
        builder_add(file, &mark);
    }
}

/* A case in @status; of DENIED and CLOSED_DENIED, FROZEN, CLOSED_LACKING: see builder_case_with(). */
static inline bool builder_walk(struct casefile *file, uint8_t status, struct builder_more more)
{
    for (size_t i = 0; i < sizeof builder_ways / sizeof builder_ways[0]; i++) {
        if (builder_ways[i].status != status)
            continue;
        for (const uint16_t *type = builder_ways[i].way; *type != 0; type++)
            builder_step(file, *type, more);
        return true;
    }
    return false;
}

static inline void builder_decide(struct casefile *file, uint8_t decision)
{
    struct case_event decide = builder_event(CASE_EVENT_DECIDE);
    decide.decision = decision;
    builder_cite_tips(file, &decide);
    builder_add(file, &decide);
}

/* A new case file whose case is in @status with @more, NULL when there is no way to it. */
static inline struct casefile *builder_case_with(uint8_t status, struct builder_more more)
{
    struct casefile *file = builder_file();
    if (status == CASE_STATUS_DENIED || status == CASE_STATUS_CLOSED_DENIED) {
        (void)builder_walk(file, CASE_STATUS_PROCESSING, more);
        builder_decide(file, CASE_DECISION_DENY);
        if (status == CASE_STATUS_CLOSED_DENIED)
            (void)builder_append(file, CASE_EVENT_CLOSE);
    } else if (status == CASE_STATUS_CLOSED_LACKING) {
        bool stays = more.lacking;
        more.lacking = true;
        (void)builder_walk(file, CASE_STATUS_PROCESSING, more);
        builder_decide(file, CASE_DECISION_GRANT);
        (void)builder_append(file, CASE_EVENT_CLOSE);
        if (!stays)
            (void)builder_append(file, CASE_EVENT_FULFIL);
    } else if (status == CASE_STATUS_FROZEN) {
        (void)builder_walk(file, CASE_STATUS_ACCEPTED, more);
        casefile_mark_forked(file, LEAD, builder_next);
    } else if (!builder_walk(file, status, more)) {
        casefile_destroy(file);
        return NULL;
    }
    if (more.part) /* has no effect once the case is decided */
        (void)builder_append(file, CASE_EVENT_PART);
    assert_int_equal(casefile_state(file)->status, status);
    return file;
}

static inline struct casefile *builder_case_at(uint8_t status)
{
    return builder_case_with(status, (struct builder_more){0});
}

#endif
