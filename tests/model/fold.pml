/* Lead handover and fold: I3, I4, I6, I10 (README.md).
 *
 * Three provinces A (receiving), B (first lead), C write EVENTS events, the first of them A's submit (the root). Every history is
 * tried: who writes, what, with which clock, having seen which events (any causally closed set that holds its own earlier ones).
 * Writers are free: what the law does not allow them is for the fold to refuse. Then the fold of every causally closed set is
 * computed, as a node that holds just that set computes it, and compared with that of the set with one event more.
 */
#ifndef EVENTS
#define EVENTS 5
#endif

#define A 0
#define B 1
#define C 2

/* Types with the ranks of CASES.md, "Rules, version 1". */
#define SUBMIT 0
#define WITHDRAW 1
#define DECIDE 2
#define HANDOVER 3
#define ACK 4

#define OPEN 1
#define GRANTED 2
#define WITHDRAWN 3

#ifdef MUTANT_NO_STATUS
#define DECIDABLE (status == OPEN || status == GRANTED)
#else
#define DECIDABLE (status == OPEN)
#endif
#ifdef MUTANT_BOTH_LEAD
#define IS_MAINLINE(x) (author[x] != A)
#else
#define IS_MAINLINE(x) (author[x] == lead)
#endif

byte author[EVENTS], type[EVENTS], past[EVENTS]; /* past: ancestors, a bit each */
bit clock[EVENTS];
byte count;

/* The fold of one set. */
byte order[EVENTS], effect[EVENTS]; /* effect by event: 1 ok, 2 denied, 3 guard, 4 late, 5 noop */
byte placed, placed_count, prefix_count, lead, status, decision, voided, e, i, j, best;
byte order1[EVENTS], effect1[EVENTS], prefix1;
byte set, set1, have;

inline rank_of(x, ret) {
    if
    :: type[x] == WITHDRAW -> ret = 1
    :: type[x] == DECIDE -> ret = 2
    :: type[x] == HANDOVER -> ret = 3
    :: type[x] == SUBMIT -> ret = 4
    :: type[x] == ACK -> ret = 5
    fi
}

/* "What an event does", as far as these types go. */
inline apply(x) {
    order[placed_count] = x; placed_count++; placed = placed | (1 << x);
    assert((past[x] & ~placed) == 0); /* I4 */
    if
    :: type[x] == SUBMIT -> lead = B; status = OPEN; effect[x] = 1
    :: type[x] == ACK -> effect[x] = (author[x] == lead -> 5 : 2)
    :: type[x] == DECIDE ->
        if
        :: author[x] != lead -> effect[x] = 2
        :: else ->
            if
            :: DECIDABLE -> status = GRANTED; effect[x] = 1; decision = x
            :: else -> effect[x] = 3
            fi
        fi
    :: type[x] == HANDOVER ->
        if
        :: author[x] != lead -> effect[x] = 2
        :: author[x] == lead && status != OPEN -> effect[x] = 3
        :: author[x] == lead && status == OPEN -> lead = (author[x] == B -> C : B); effect[x] = 1
        fi
    :: type[x] == WITHDRAW ->
        if
        :: author[x] != A -> effect[x] = 2
        :: author[x] == A && status == WITHDRAWN -> effect[x] = 5
        :: author[x] == A && status == OPEN -> status = WITHDRAWN; effect[x] = 1
        :: author[x] == A && status == GRANTED ->
            if
            :: past[x] & (1 << decision) -> effect[x] = 4
            :: else -> voided = voided | (1 << decision); status = WITHDRAWN; effect[x] = 1
            fi
        fi
    fi
}

/* Whether @x comes before @y: (rank, hlc, author, index). */
inline before(x, y, ret) {
    rank_of(x, rx); rank_of(y, ry);
    if
    :: rx != ry -> ret = (rx < ry)
    :: else ->
        if
        :: clock[x] != clock[y] -> ret = (clock[x] < clock[y])
        :: else ->
            if
            :: author[x] != author[y] -> ret = (author[x] < author[y])
            :: else -> ret = (x < y)
            fi
        fi
    fi
}

/* sort(S): of the events in @s whose parents in @s are taken, the one with the smallest key; each is folded when it is placed. */
inline sort(s) {
    left = s;
    do
    :: left == 0 -> break
    :: else ->
        best = EVENTS; j = 0;
        do
        :: j < EVENTS ->
            if
            :: (left & (1 << j)) && (past[j] & left) == 0 ->
                if
                :: best == EVENTS -> best = j
                :: else -> before(j, best, less); if :: less -> best = j :: else fi
                fi
            :: else
            fi;
            j++
        :: else -> break
        od;
        left = left & ~(1 << best);
        apply(best)
    od
}

inline fold(k) {
    placed = 0; placed_count = 0; lead = B; status = 0; decision = 0; voided = 0;
    e = 0;
    do
    :: e < EVENTS -> effect[e] = 0; order[e] = 0; e++
    :: else -> break
    od;
    apply(0);
#ifdef MUTANT_NO_MAINLINE
    part = k & ~placed; sort(part);
#else
    /* the mainline: the first event of the lead's ledger without a place, with its past */
    do
    :: true ->
        e = 1;
        do
        :: e < EVENTS && !((k & (1 << e)) && IS_MAINLINE(e) && !(placed & (1 << e))) -> e++
        :: else -> break
        od;
        if
        :: e == EVENTS -> break
        :: else -> part = past[e] & ~placed;
            sort(part);
            apply(e)
        fi
    od;
#endif
    prefix_count = placed_count;
    /* the suffix */
    part = k & ~placed; sort(part);
    /* I6: decisions that took effect and were not voided */
    e = 0; i = 0;
    do
    :: e < EVENTS ->
        if :: type[e] == DECIDE && (k & (1 << e)) && effect[e] == 1 && !(voided & (1 << e)) -> i++ :: else fi; e++
    :: else -> break
    od;
    assert(i <= 1)
}

inline is_closed(k, ret) {
    ret = k & 1; e = 0;
    do
    :: e < EVENTS -> if :: (k & (1 << e)) && (past[e] & ~k) -> ret = 0 :: else fi; e++
    :: else -> break
    od
}

active proctype world() {
    byte part, left, rx, ry, p, seen, ok;
    bool less;
    atomic {
    author[0] = A; type[0] = SUBMIT; past[0] = 0; count = 1;
    /* every history */
    do
    :: count < EVENTS ->
        if :: p = A :: p = B :: p = C fi;
        author[count] = p;
        if
        :: p == A -> type[count] = WITHDRAW
        :: p != A -> type[count] = DECIDE
        :: p != A -> type[count] = HANDOVER
        :: p != A -> type[count] = ACK
        fi;
#ifndef ONE_CLOCK
        if :: clock[count] = 0 :: clock[count] = 1 fi;
#endif
        /* what its author had seen */
        seen = 1; i = 0;
        do /* its own earlier events */
        :: i < count -> if :: author[i] == p -> seen = seen | (1 << i) | past[i] :: else fi; i++
        :: else -> break
        od;
        i = 1;
        do
        :: i < count -> if :: (seen & (1 << i)) == 0 -> seen = seen | (1 << i) | past[i] :: true fi; i++
        :: else -> break
        od;
        past[count] = seen; count++; seen = 0; i = 0; p = 0
    :: else -> break
    od;
    skip
    };
    /* every set that a node may hold, and the same with one event more */
    d_step {
        set = 1;
        do
        :: set < (1 << EVENTS) ->
            is_closed(set, ok);
            if
            :: ok ->
                fold(set);
                prefix1 = prefix_count; i = 0;
                do
                :: i < EVENTS -> order1[i] = order[i]; effect1[i] = effect[i]; i++
                :: else -> break
                od;
                have = 1;
                do
                :: have < EVENTS ->
                    if
                    :: (set & (1 << have)) == 0 && (past[have] & ~set) == 0 ->
                        set1 = set | (1 << have);
                        fold(set1);
                        assert(prefix_count >= prefix1); /* I3 */
                        i = 0;
                        do
                        :: i < prefix1 ->
                            assert(order[i] == order1[i]);                      /* I3 */
                            assert(effect[order[i]] == effect1[order[i]]);      /* I10 */
                            i++
                        :: else -> break
                        od
                    :: else
                    fi;
                    have++
                :: else -> break
                od
            :: else
            fi;
            set++
        :: else -> break
        od
    }
}
