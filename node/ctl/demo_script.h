/* The script of a demo peer (`tongban demo-peer`): what it does with which case, when, and which faults it shows.
 *
 * One line, one statement; '#' begins a comment. A rule is its name, conditions, and steps; the first rule whose conditions all hold
 * is the case's. Faults stand outside of rules.
 *
 *   rule correction              conditions (all optional, patterns as in a shell: * and ?):
 *     applicant *补正*             name of the applicant, unmasked
 *     item *KSTB0066               code of the item
 *     mode collect                 online, collect, joint
 *     after 1 correct reason_code=material.missing reason=缺少监护关系证明
 *     on supplement after 1 accept
 *     after 2 process
 *     after 2 decide decision=grant
 *     close
 *     deliver channel=electronic
 *   fault offline after 30 for 20     the node is stopped 30 s after the start, for 20 s
 *   fault slow 5                      every step comes 5 s later
 *   fault deny-all                    every case is accepted and denied, whatever its rule says
 *
 * A step is `[on EVENT] [after SECONDS] EVENT [FIELD=VALUE…]`: EVENT and fields are those of POST /v1/cases/{case}/events. It is due so
 * many seconds after the step before it was written (the first one: after the case has arrived), or after the event named by
 * `on`, which anybody may write. A value goes to the end of the line when it begins with a double quote, else to the next blank.
 *
 * Pure: which step is due follows from the events of the case alone, so that a peer that was killed goes on where it was.
 */
#ifndef TB_CTL_DEMO_SCRIPT_H
#define TB_CTL_DEMO_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "node/base/arena.h"
#include "node/base/bytes.h"
#include "node/base/err.h"

#define DEMO_SCRIPT_BYTES_MAX (256u << 10)
#define DEMO_STEPS_MAX 64u
#define DEMO_FIELDS_MAX 8u
#define DEMO_SECONDS_MAX 86400u

struct demo_field {
    const char *name, *value;
};

struct demo_step {
    const char *on; /* NULL = after the step before */
    uint32_t after_ms;
    const char *type;
    struct demo_field fields[DEMO_FIELDS_MAX];
    size_t field_count;
    unsigned line;
};

struct demo_rule {
    const char *name, *item, *applicant, *mode; /* conditions: NULL = any */
    struct demo_step *steps;
    size_t step_count;
    struct demo_rule *next;
};

struct demo_script {
    struct demo_rule *rules; /* in order */
    bool deny_all;
    uint32_t slow_ms;
    bool has_offline;
    uint32_t offline_after_ms, offline_for_ms;
};

/* What a script does when none is named; printed by --print-script. */
extern const char demo_script_default[];

/* Parses @text (NUL-terminated, @what names it in errors: ERR_INVALID "demo.script" with the line). Texts of @ret live in @mem. */
int demo_script_parse(const char *text, const char *what, struct arena *mem, struct demo_script *ret,
                      struct err *e) WARN_UNUSED;
/* One `fault` line more, without that word: "slow 5". */
int demo_script_fault(struct demo_script *s, const char *text, struct err *e) WARN_UNUSED;

/* The rule of a case; NULL: none fits, the peer does nothing. @applicant is asked for only when a rule needs it. */
const struct demo_rule *demo_script_rule(const struct demo_script *s, const char *item, const char *mode,
                                         const char *applicant);
/* Whether a rule that may fit needs the applicant's name. */
bool demo_script_needs_applicant(const struct demo_script *s);

/* An event of the case that took effect, in the order of the fold. */
struct demo_event {
    const char *type;
    uint32_t origin;
    uint64_t at_ms;
};

/* The next step of @rule for a case with @events, or NULL: finished, or *ret_waits (for an event, or for the case to arrive). With a
 * step, *ret_due_ms is when it is due. */
const struct demo_step *demo_script_next(const struct demo_script *s, const struct demo_rule *rule,
                                         const struct demo_event *events, size_t count, uint32_t self, bool *ret_waits,
                                         uint64_t *ret_due_ms);

#endif
