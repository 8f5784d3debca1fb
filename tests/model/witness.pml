/* Witness quorum against an author with two histories: L3, L4 (README.md).
 *
 * The author signs two histories that part behind size 1: sizes 2 and 3 of A and of B contradict each other. It may send any
 * request to any witness. HONEST witnesses judge and store as tongban does; F others sign whatever they are asked. A crash loses
 * what was not durable yet.
 */
#ifndef HONEST
#define HONEST 3
#endif
#ifndef F
#define F 1
#endif
#ifndef K
#define K 3
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifdef MUTANT_RACE
#define AT_ONCE 2
#else
#define AT_ONCE 1 /* one request of an origin at a time (PROTOCOL.md, Witnessing) */
#endif

/* A head: 0 nothing; 1 size 1 (common); 2, 3 sizes of A; 4, 5 sizes 2 and 3 of B. */
#define SIZE(h) ((h) > 3 -> (h) - 2 : (h))
#define IS_B(h) ((h) > 3)
/* @to extends @from: what a consistency proof shows. */
#define EXTENDS(from, to) (SIZE(from) <= SIZE(to) && (SIZE(from) <= 1 || IS_B(from) == IS_B(to)))

#ifdef MUTANT_NO_PROOF
#define PROVEN(from, to) (SIZE(from) <= SIZE(to))
#else
#define PROVEN(from, to) EXTENDS(from, to)
#endif

byte kept[HONEST];   /* durable */
byte signed_max[HONEST]; /* ghost: the last head it has cosigned */
bool signed_a[HONEST], signed_b[HONEST]; /* cosignatures on A, on B (sizes 2 and 3) that have left the witness */
byte crashes = CRASHES;

inline check_quorum() {
    a = F; b = F; i = 0;
    do
    :: i < HONEST -> a = a + signed_a[i]; b = b + signed_b[i]; i++
    :: else -> break
    od;
    assert(!(a >= K && b >= K)) /* L4 */
}

/* A cosignature on @h leaves witness @me. */
inline answer(h) {
    assert(EXTENDS(signed_max[me], h)); /* L3: sizes do not go back, each head extends the one before */
    signed_max[me] = h;
    if
    :: SIZE(h) < 2 -> skip
    :: SIZE(h) >= 2 && !IS_B(h) -> signed_a[me] = true
    :: SIZE(h) >= 2 && IS_B(h) -> signed_b[me] = true
    fi;
    check_quorum()
}

/* A request of the author, any head from any old size, judged against what is kept: its row is on its way to the disk. */
inline request(s) {
    if :: h = 1 :: h = 2 :: h = 3 :: h = 4 :: h = 5 fi;
    if :: old = 0 :: old = 1 :: old = 2 :: old = 3 fi;
    if
    :: old != SIZE(kept[me])                          /* 409 */
    :: old == SIZE(kept[me]) && !PROVEN(kept[me], h)  /* 422, 400 */
    :: old == SIZE(kept[me]) && PROVEN(kept[me], h) ->
        storing[s] = h;
#ifdef MUTANT_EARLY
        answer(h)                                     /* the signature leaves before the row is durable */
#endif
    fi;
    h = 0; old = 0; i = 0; a = 0; b = 0
}

/* Durable, then said. */
inline durable(s) {
    kept[me] = storing[s];
#ifndef MUTANT_EARLY
    answer(storing[s]);
#endif
    storing[s] = 0; i = 0; a = 0; b = 0
}

active [HONEST] proctype witness() {
    byte storing[AT_ONCE]; /* judged, on its way to the disk; 0 = free */
    byte h, old, i, a, b;
    byte me = _pid;
    do
#ifdef ONE_STEP /* for more witnesses: nothing comes between judging, storing and answering */
    :: atomic { request(0); if :: storing[0] != 0 -> durable(0) :: storing[0] == 0 fi }
#else
    :: atomic { storing[0] == 0 -> request(0) }
    :: atomic { storing[0] != 0 -> durable(0) }
#endif
#ifdef MUTANT_RACE
    :: atomic { storing[1] == 0 -> request(1) }
    :: atomic { storing[1] != 0 -> durable(1) }
#endif
    :: atomic { crashes > 0 -> /* before the commit, or between commit and answer */
            crashes--;
            if
            :: storing[0] != 0 -> kept[me] = storing[0]
            :: true
            fi;
            storing[0] = 0;
#ifdef MUTANT_RACE
            storing[1] = 0
#endif
        }
    od
}
