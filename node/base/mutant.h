/* Mutants: faults that are put into this program on purpose, to see that the simulator's checkers find them (tests/sim).
 *
 * A site is one line that reads as what the fault does: `if (!MUTANT(sync_heads_unchecked) && …)`. In every shipped build MUTANT() is
 * the constant false and the compiler drops the site. Only the simulator's own build of the sources defines TB_MUTANTS and asks,
 * at each site, whether the running node has that fault: a Byzantine node of the simulator is one that has some. tests/tidy sees
 * to it that nothing else defines TB_MUTANTS.
 *
 * Adding one: a row here, the site, a row in tests/sim/mutants.c saying which checker must find it.
 */
#ifndef TB_BASE_MUTANT_H
#define TB_BASE_MUTANT_H

#include <stdbool.h>

/* name, what it breaks */
#define MUTANTS(X)                                                                                                     \
    X(heads_unchecked, "a follower does not compare a heads entry with what it was given")                             \
    X(seq_unchecked, "a follower takes any number for the next one")                                                   \
    X(stored_early, "a follower counts a batch as stored before it is durable")                                        \
    X(ack_asked, "a follower acknowledges what it has asked for ahead of its disk")                                    \
    X(cursor_alone, "a follower's position is written without the entries below it")                                   \
    X(durable_early, "the ledger reports a transaction durable before it is at the disk")                              \
    X(seal_unswapped, "a head is given out without having been swapped into heads.db")                                 \
    X(behind_ignored, "an older copy of a ledger writes and signs on")                                                 \
    X(cosign_early, "a witness answers before its state is durable")                                                   \
    X(cosign_unproven, "a witness cosigns a larger head without a proof")                                              \
    X(cosign_any_old, "a witness cosigns from whatever size the request names")                                        \
    X(quorum_small, "half of the witnesses count as a quorum")                                                         \
    X(freeze_ignored, "an author that contradicts itself is followed on")                                              \
    X(accuse_silent, "contradicting heads are not compared")                                                           \
    X(authority_unchecked, "any node's act counts")                                                                    \
    X(decide_twice, "a decided case can be decided again")                                                             \
    X(deliver_reopens, "a delivered case can be decided again")                                                        \
    X(order_by_clock, "concurrent events are ordered by their authors' clocks first")                                  \
    X(order_by_arrival, "concurrent events are ordered as they arrive")                                                \
    X(causes_ignored, "an event may stand before one that it cites")                                                   \
    X(sequence_all, "what the lead has not cited counts as sequenced")                                                 \
    X(effects_rewritten, "a decision that is made void later counts as never made")                                    \
    X(digest_payload, "a case's digest depends on whether contents are held")                                          \
    X(wait_forever, "a follower that has to wait is not woken again")                                                  \
    X(start_forgets, "a follower starts at the last confirmed position, not at the durable one")                       \
    X(restore_unasked, "a node writes before it has asked the others what they hold of its ledger")                    \
    X(asking_writes, "what arrives while the others are asked is answered with own entries")                           \
    X(erasure_speaks, "an event behind an erasure of its case does not change the case's row")                         \
    X(frozen_stored, "the batch that shows a contradiction is stored")                                                 \
    X(command_unchecked, "acts that the rules do not allow are written (Byzantine author)")                            \
    X(clock_back, "entries carry a clock of long ago (Byzantine author)")

enum mutant {
#define X(name, what) MUTANT_##name,
    MUTANTS(X)
#undef X
        MUTANT_COUNT
};

#ifdef TB_MUTANTS
bool mutant_is_on(enum mutant mutant); /* the simulator's */
#define MUTANT(name) mutant_is_on(MUTANT_##name)
#else
#define MUTANT(name) false
#endif

#endif
