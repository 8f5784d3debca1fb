/* The table of mutants (node/base/mutant.h) and of the checkers that must find them. A checker that finds nothing when the program is
 * wrong is no checker: this is its test. */
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

static const struct {
    enum mutant mutant;
    const char *name;
    const char *checkers; /* any of these may come first */
} table[] = {
#define ROW(name, checkers) {MUTANT_##name, #name, checkers}
    ROW(heads_unchecked, "L5"), ROW(seq_unchecked, "L5"),       ROW(stored_early, "D"),      ROW(cursor_alone, "L1"),
    ROW(durable_early, "D"),    ROW(seal_unswapped, "D"),       ROW(behind_ignored, "L2"),   ROW(cosign_early, "L3"),
    ROW(cosign_unproven, "L3"), ROW(cosign_any_old, "L3"),      ROW(quorum_small, "L4"),     ROW(freeze_ignored, "E"),
    ROW(accuse_silent, "L7"),   ROW(authority_unchecked, "I5"), ROW(decide_twice, "I6"),     ROW(deliver_reopens, "I7"),
    ROW(order_by_clock, "I9"),  ROW(order_by_arrival, "I1 I2"), ROW(sequence_all, "I3 I10"), ROW(digest_payload, "I8"),
    ROW(wait_forever, "L7"),    ROW(restore_unasked, "L2"),
#undef ROW
};

static const char *const what[] = {
#define X(name, text) text,
    MUTANTS(X)
#undef X
};

static bool is_named(const char *checkers, const char *checker)
{
    const char *at = strstr(checkers, checker);
    size_t size = strlen(checker);
    return at != NULL && (at == checkers || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0');
}

/* Another checker may find it in some seed; the one that is there for it has to find it in one. */
static bool find(size_t i, uint64_t first_seed, uint64_t seeds_max)
{
    unsigned others = 0;
    char last[sizeof the_sim.checker] = "-";
    for (uint64_t seed = first_seed; seed < first_seed + seeds_max; seed++) {
        if (sim_run(seed, UINT64_C(1) << table[i].mutant, SIM_TRACE_NONE))
            continue;
        if (is_named(table[i].checkers, the_sim.checker)) {
            printf("%-20s found by %-4s at seed %llu (%u seeds by others before): %s\n", table[i].name, the_sim.checker,
                   (unsigned long long)seed, others, what[table[i].mutant]);
            return true;
        }
        others++;
        memcpy(last, the_sim.checker, sizeof last);
    }
    printf("%-20s NOT FOUND by %s in %llu seeds (%u by others, the last by %s): %s\n", table[i].name, table[i].checkers,
           (unsigned long long)seeds_max, others, last, what[table[i].mutant]);
    return false;
}

unsigned mutants_run(uint64_t first_seed, uint64_t seeds_max, unsigned part, unsigned parts)
{
    unsigned missed = 0;
    for (size_t i = part; i < array_count(table); i += parts)
        missed += !find(i, first_seed, seeds_max);
    return missed;
}
