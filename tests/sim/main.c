/* sim: runs seeds (README.md).
 *
 * Each job is a process with its own share of the seeds, so that a crash of one run says which seed it was and stops no other. What
 * they have done stands in memory that they share. */
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/sim.h"

#define JOBS_MAX 64u
#define FAILURES_SHOWN 5u
#define PROGRESS_S 30u

static const char usage[] =
    "sim [--first S] [--count N | --hours H | --seeds A..B | --seed S] [--jobs J] [--quiet] | --mutants\n"
    "  --seed S      one run, with its whole trace\n"
    "  --seeds A..B  these\n"
    "  --count N     N seeds from --first (1) on\n"
    "  --hours H     as many as fit into H hours, fractions are fine\n"
    "  --mutants     each fault of node/base/mutant.h must be found by its checker; --count seeds for each (600);\n"
    "                --part I --parts N: every Nth of them\n"
    "  --commit C    stands in the line that repeats a failure\n";

struct options {
    uint64_t first, count;
    double hours;
    unsigned jobs;
    uint64_t part, parts; /* of the mutants */
    bool is_one, mutants, quiet;
    const char *commit;
};

/* One job's work so far. */
struct done {
    _Atomic uint64_t seeds, violations, steps, running; /* running: the seed */
    struct sim_counts counts;
};

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool parse_number(const char *text, uint64_t *ret)
{
    char *end;
    *ret = strtoull(text, &end, 10);
    return *text != '\0' && *end == '\0';
}

static bool parse_range(char *text, struct options *o)
{
    char *dots = strstr(text, "..");
    uint64_t last;
    if (dots == NULL)
        return false;
    *dots = '\0';
    if (!parse_number(text, &o->first) || !parse_number(dots + 2, &last) || last < o->first)
        return false;
    o->count = last - o->first + 1;
    return true;
}

static bool parse(int argc, char **argv, struct options *o)
{
    uint64_t number;
    for (int i = 1; i < argc; i++) {
        char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool ok = true;
        if (strcmp(argv[i], "--mutants") == 0) {
            o->mutants = true;
            continue;
        }
        if (strcmp(argv[i], "--quiet") == 0) {
            o->quiet = true;
            continue;
        }
        if (value == NULL)
            return false;
        if (strcmp(argv[i], "--seed") == 0) {
            ok = parse_number(value, &o->first);
            o->count = 1;
            o->is_one = true;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            ok = parse_range(value, o);
        } else if (strcmp(argv[i], "--first") == 0) {
            ok = parse_number(value, &o->first);
        } else if (strcmp(argv[i], "--count") == 0) {
            ok = parse_number(value, &o->count) && o->count > 0;
        } else if (strcmp(argv[i], "--hours") == 0) {
            o->hours = strtod(value, NULL);
            ok = o->hours > 0;
        } else if (strcmp(argv[i], "--jobs") == 0) {
            ok = parse_number(value, &number) && number > 0 && number <= JOBS_MAX;
            o->jobs = ok ? (unsigned)number : 0;
        } else if (strcmp(argv[i], "--part") == 0) {
            ok = parse_number(value, &o->part);
        } else if (strcmp(argv[i], "--parts") == 0) {
            ok = parse_number(value, &o->parts) && o->parts > 0;
        } else if (strcmp(argv[i], "--commit") == 0) {
            o->commit = value;
        } else {
            ok = false;
        }
        if (!ok) {
            (void)fprintf(stderr, "sim: '%s %s' is not understood\n", argv[i], value);
            return false;
        }
        i++;
    }
    return true;
}

static void report(const struct options *o, uint64_t seed)
{
    printf("VIOLATION of %s: %s\n  again: ./dev sim --seed %llu   (commit %s)\n", the_sim.checker, the_sim.failure,
           (unsigned long long)seed, o->commit);
}

static void add_counts(struct sim_counts *to, const struct sim_counts *from)
{
    uint64_t *a = (uint64_t *)(void *)to;
    const uint64_t *b = (const uint64_t *)(const void *)from;
    for (size_t i = 0; i < sizeof *to / sizeof *a; i++)
        a[i] += b[i];
}

static void run_job(const struct options *o, unsigned job, struct done *done, double end_s)
{
    for (uint64_t i = job; i < o->count && (end_s == 0 || now_s() < end_s); i += o->jobs) {
        uint64_t seed = o->first + i;
        done->running = seed;
        bool ok = sim_run(seed, 0, SIM_TRACE_NONE);
        done->seeds++;
        done->steps += the_sim.step_count;
        add_counts(&done->counts, &the_sim.counts);
        if (ok)
            continue;
        if (done->violations++ < FAILURES_SHOWN) {
            (void)sim_run(seed, 0, SIM_TRACE_KEEP);
            sim_print_trace();
        }
        report(o, seed);
        (void)fflush(stdout);
    }
}

static void print_sum(const struct options *o, const struct done *jobs, double seconds, const char *what)
{
    uint64_t seeds = 0, violations = 0, steps = 0;
    for (unsigned i = 0; i < o->jobs; i++) {
        seeds += jobs[i].seeds;
        violations += jobs[i].violations;
        steps += jobs[i].steps;
    }
    printf("%s%llu seeds, %llu violations, %llu steps, %.0f s (%.0f seeds/s)\n", what, (unsigned long long)seeds,
           (unsigned long long)violations, (unsigned long long)steps, seconds, (double)seeds / max_of(seconds, 0.001));
    (void)fflush(stdout);
}

static void print_counts(const struct options *o, const struct done *jobs)
{
    struct sim_counts c = {0};
    for (unsigned i = 0; i < o->jobs; i++)
        add_counts(&c, &jobs[i].counts);
#define N(field) (unsigned long long)c.field
    printf("in them: %llu messages, %llu batches stored, %llu positions confirmed, %llu entries kept back, %llu "
           "cosignatures, "
           "%llu quorums, %llu crashes, %llu restores, %llu alarms, %llu nodes with evidence; %llu commands durable, "
           "%llu cases, %llu events, %llu decisions, %llu delivered, %llu erased, %llu supervised; %llu PULLs ahead of "
           "the "
           "disk\n",
           N(messages), N(batches), N(heads_checked), N(withheld), N(cosigned), N(finals), N(crashes), N(restores),
           N(alarms), N(frozen), N(acked), N(cases), N(effects), N(decisions), N(delivered), N(erased), N(supervised),
           N(pulls_ahead));
#undef N
}

/* Starts the jobs and waits for them. Returns the number of violations, a job that died counts as one. */
static uint64_t run_all(const struct options *o)
{
    size_t size = sizeof(struct done) * o->jobs;
    struct done *jobs = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    xassert(jobs != MAP_FAILED);
    pid_t pids[JOBS_MAX];
    double start_s = now_s(), told_s = start_s, end_s = o->hours > 0 ? start_s + o->hours * 3600 : 0;
    uint64_t failed = 0;
    for (unsigned i = 0; i < o->jobs; i++) {
        (void)fflush(stdout);
        pids[i] = fork();
        xassert(pids[i] >= 0);
        if (pids[i] == 0) {
            run_job(o, i, &jobs[i], end_s);
            (void)fflush(stdout);
            _exit(0);
        }
    }
    for (unsigned left = o->jobs; left > 0;) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid <= 0) {
            (void)poll(NULL, 0, 20);
            if (!o->quiet && now_s() - told_s >= PROGRESS_S) {
                told_s = now_s();
                print_sum(o, jobs, told_s - start_s, "so far: ");
            }
            continue;
        }
        left--;
        for (unsigned i = 0; i < o->jobs; i++)
            if (pids[i] == pid && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
                printf(
                    "VIOLATION: the program stopped itself (status %d)\n  again: ./dev sim --seed %llu   (commit %s)\n",
                    status, (unsigned long long)jobs[i].running, o->commit);
                failed++;
            }
    }
    for (unsigned i = 0; i < o->jobs; i++)
        failed += jobs[i].violations;
    print_counts(o, jobs);
    print_sum(o, jobs, now_s() - start_s, "sim: ");
    (void)munmap(jobs, size);
    return failed;
}

static int run_one(const struct options *o)
{
    bool ok = sim_run(o->first, 0, SIM_TRACE_PRINT);
    if (!ok)
        report(o, o->first);
    printf("sim: seed %llu: %s, %llu steps\n", (unsigned long long)o->first, ok ? "no violation" : "VIOLATION",
           (unsigned long long)the_sim.step_count);
    return !ok;
}

int main(int argc, char **argv)
{
    struct options o = {.first = 1, .count = UINT64_MAX, .jobs = 1, .commit = "?", .parts = 1};
    bool is_enough = parse(argc, argv, &o) && (o.count != UINT64_MAX || o.hours > 0 || o.mutants);
    if (!is_enough || o.part >= o.parts) {
        (void)fputs(usage, stderr);
        return 2;
    }
    if (o.mutants)
        return mutants_run(o.first, o.count == UINT64_MAX ? 600 : o.count, (unsigned)o.part, (unsigned)o.parts) > 0;
    return o.is_one ? run_one(&o) : run_all(&o) > 0;
}
