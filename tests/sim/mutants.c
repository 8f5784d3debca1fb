/* The table of mutants (node/base/mutant.h) and of the checkers that must find them. A checker that finds nothing when the program is
 * wrong is no checker: this is its test. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/sim.h"

static const struct {
    enum mutant mutant;
    const char *name;
    const char *checkers; /* any of these may come first */
    uint64_t first;       /* seed to begin with, for those that are rare: saves time, nothing else; 0 = the given one */
} table[] = {
#define ROW(name, checkers) {MUTANT_##name, #name, checkers, 0}
#define RARE(name, checkers, first) {MUTANT_##name, #name, checkers, first}
    ROW(heads_unchecked, "L5"),
    ROW(seq_unchecked, "L5"),
    ROW(stored_early, "D"),
    ROW(ack_asked, "D"),
    ROW(cursor_alone, "L1"),
    ROW(durable_early, "D"),
    ROW(seal_unswapped, "D"),
    ROW(behind_ignored, "L2"),
    ROW(cosign_early, "L3"),
    ROW(cosign_unproven, "L3"),
    ROW(cosign_any_old, "L3"),
    ROW(quorum_small, "L4"),
    ROW(freeze_ignored, "E"),
    ROW(accuse_silent, "L7"),
    ROW(authority_unchecked, "I5"),
    ROW(decide_twice, "I6"),
    RARE(deliver_reopens, "I7", 900),
    RARE(order_by_clock, "I9", 350),
    RARE(order_by_arrival, "I1", 180),
    RARE(order_by_arrival, "I2", 180),
    ROW(causes_ignored, "I4"),
    ROW(sequence_all, "I3"),
    ROW(effects_rewritten, "I10"),
    ROW(digest_payload, "I8"),
    ROW(wait_forever, "L7"),
    ROW(start_forgets, "L6"),
    ROW(restore_unasked, "L2"),
    /* Bugs that the simulator has found, put back: it has to find them again. */
    ROW(asking_writes, "L2 L6"),
    RARE(erasure_speaks, "I1 I8", 1500),
    ROW(frozen_stored, "E"),
#undef ROW
#undef RARE
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

/* What the process that runs the seeds tells: it may stop itself, which is a way of finding something, too. */
struct finding {
    uint64_t seed;
    unsigned others;
    bool is_found;
    char last[sizeof the_sim.checker];
};

static void try_seeds(size_t i, uint64_t end, struct finding *f)
{
    for (; f->seed < end && !f->is_found; f->seed++) {
        if (sim_run(f->seed, UINT64_C(1) << table[i].mutant, SIM_TRACE_NONE))
            continue;
        memcpy(f->last, the_sim.checker, sizeof f->last);
        f->is_found = is_named(table[i].checkers, the_sim.checker);
        f->others += !f->is_found;
        if (f->is_found)
            return;
    }
}

/* Another checker may find it in some seed; the one that is there for it has to find it in one. */
static bool find(size_t i, uint64_t first_seed, uint64_t seeds_max)
{
    struct finding *f = mmap(NULL, sizeof *f, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    xassert(f != MAP_FAILED);
    f->seed = first_seed;
    while (!f->is_found && f->seed < first_seed + seeds_max) {
        int status = 0;
        (void)fflush(stdout);
        pid_t pid = fork();
        xassert(pid >= 0);
        if (pid == 0) {
            try_seeds(i, first_seed + seeds_max, f);
            _exit(0);
        }
        (void)waitpid(pid, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            break;
        f->seed++; /* that one stopped the process */
        f->others++;
        memcpy(f->last, "X", 2);
    }
    bool is_found = f->is_found;
    if (is_found)
        printf("%-20s found by %-4s at seed %llu (%u seeds by others before): %s\n", table[i].name, f->last,
               (unsigned long long)f->seed, f->others, what[table[i].mutant]);
    else
        printf("%-20s NOT FOUND by %s in %llu seeds (%u by others, the last by %s): %s\n", table[i].name,
               table[i].checkers, (unsigned long long)seeds_max, f->others, f->others > 0 ? f->last : "nobody",
               what[table[i].mutant]);
    (void)munmap(f, sizeof *f);
    return is_found;
}

unsigned mutants_run(uint64_t first_seed, uint64_t seeds_max, unsigned part, unsigned parts)
{
    unsigned missed = 0;
    for (size_t i = part; i < array_count(table); i += parts)
        missed += !find(i, table[i].first > 0 ? table[i].first : first_seed, seeds_max);
    return missed;
}
