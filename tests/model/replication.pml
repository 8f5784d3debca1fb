/* Replication cursor against an author that leaves out entries: L1, L5, L7 (README.md).
 *
 * One author, one follower, a ledger of N leaves of which every mix is tried: for others (a hash on the way), for the follower
 * (MINE), heads entries. The last one is a heads entry. The author may leave out LIES entries, the connection may be lost LOSSES
 * times (an answer may still come, late), the store may refuse or the follower crash CRASHES times. WINDOW batches may be on their way to
 * the follower's disk while it asks on.
 */
#ifndef N
#define N 5
#endif
#ifndef LIES
#define LIES 2
#endif
#ifndef LOSSES
#define LOSSES 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif

#ifndef WINDOW
#define WINDOW 2
#endif

#define OTHER 0
#define MINE 1
#define HEADS 2

byte kind[N];
byte size;                  /* sealed by the author */
byte lies = LIES, losses = LOSSES, crashes = CRASHES;
byte cur, seq, conf, cseq;  /* durable at the follower: position, last number; the confirmed ones */
byte held;                  /* durable: entries, a bit each */
byte durable_max;           /* ghost: the largest position that was ever durable */
byte qcur[WINDOW], qseq[WINDOW], qconf[WINDOW], qcseq[WINDOW], qheld[WINDOW]; /* verified, on their way to the disk */
byte queued;
bool omitted;               /* ghost: something was left out, ever */
bool alarm;                 /* raised, ever */

chan req = [1] of { byte, byte, byte };              /* token, from, start */
chan rep = [1] of { byte, byte, byte, byte, byte };  /* token, start, to, given, more */
byte wanted;                                         /* `start` of the request in req: the author parks it until it has more */

/* Numbers count per recipient from 1 without gaps (PROTOCOL.md, Author 4). */
inline numbers_below(end, ret) {
    ret = 0; k = 0;
    do
    :: k < end -> if :: kind[k] == MINE -> ret++ :: else fi; k++
    :: else -> break
    od
}

/* L1: below the confirmed position exactly the entries for the follower are held; as long as nothing was left out, below the
 * position too. */
inline check_durable() {
    k = cur; /* behind which heads entry the position stands */
    do
    :: k > 0 && kind[k - 1] != HEADS -> k--
    :: else -> break
    od;
    assert(k == 0 || conf >= k); /* L5: none is passed unheard */
    k = 0;
    do
    :: k < N ->
        assert(!(held & (1 << k)) || kind[k] == MINE);
        assert(k >= conf || kind[k] != MINE || (held & (1 << k)));              /* L1, L5 */
        assert(omitted || k >= cur || kind[k] != MINE || (held & (1 << k)));    /* L1 */
        k++
    :: else -> break
    od;
    if :: cur > durable_max -> durable_max = cur :: else fi
}

inline shift() {
    k = 1;
    do
    :: k < queued ->
        qcur[k - 1] = qcur[k]; qseq[k - 1] = qseq[k]; qconf[k - 1] = qconf[k]; qcseq[k - 1] = qcseq[k];
        qheld[k - 1] = qheld[k]; k++
    :: else -> break
    od;
    queued--;
    qcur[queued] = 0; qseq[queued] = 0; qconf[queued] = 0; qcseq[queued] = 0; qheld[queued] = 0;
    k = 0
}

inline ask(durable, start) {
    atomic {
        if :: len(req) == 1 -> req ? _, _, _ :: len(req) == 0 fi;
        if :: len(rep) == 0 -> token = 0 :: len(rep) == 1 -> token++ fi; /* unlike that of an answer still to come */
        wanted = start;
        req ! token, durable, start;
        waiting = true; more = false
    }
}

active proctype author() {
    byte t, from, to, given, i, k;
    atomic { /* any ledger */
        do
        :: k < N - 1 -> if :: kind[k] = OTHER :: kind[k] = MINE :: kind[k] = HEADS fi; k++
        :: else -> kind[N - 1] = HEADS; k = 0; break
        od
    };
end:
    do
    :: size < N -> size++ /* append and seal */
    :: nempty(req) && wanted < size ->
        atomic {
            req ? t, i, from;
            assert(i <= durable_max); /* `from` acknowledges what is durable, nothing else (Follower 2) */
            /* some way, or all of it (Author 3) */
            to = from + 1;
            do
            :: to < size -> to++
            :: break
            od;
            /* it ends behind the last heads entry it reaches (Author 6) */
            i = to;
            do
            :: i > from && kind[i - 1] != HEADS -> i--
            :: else -> break
            od;
            if :: i > from -> to = i :: else fi;
            given = 0; i = from;
            do
            :: i < to ->
                if
                :: kind[i] == MINE -> given = given | (1 << i)
                :: kind[i] == MINE && lies > 0 -> lies--; omitted = true /* only its hash */
                :: kind[i] != MINE
                fi;
                i++
            :: else -> break
            od;
            if :: len(rep) == 1 -> rep ? _, _, _, _, _ :: len(rep) == 0 fi; /* of a connection that is gone */
            rep ! t, from, to, given, to < size;
            t = 0; from = 0; to = 0; given = 0; i = 0
        }
    od
}

active proctype follower() {
    byte token, t, from, to, given, i, k, total;
    byte ncur, nseq, nconf, ncseq, nheld, old;
    bool waiting, setback, more, bad;
end:
    do
    :: !waiting && queued == 0 -> /* PULL; a newer one replaces a parked one (Author 2) */
        ask(cur, cur)
    :: !waiting && queued > 0 && queued < WINDOW && more && !setback -> /* ahead of the disk (Follower 5) */
#ifdef MUTANT_ACK_ASKED
        ask(qcur[queued - 1], qcur[queued - 1])
#else
        ask(cur, qcur[queued - 1])
#endif
    :: waiting && losses > 0 -> atomic { losses--; waiting = false; more = false } /* no answer; it may come yet */
    :: rep ? t, from, to, given, i ->
        d_step {
            if
            :: !waiting || t != token -> skip
            :: else ->
                waiting = false; bad = false; more = i; setback = false;
                if
                :: queued == 0 -> nseq = seq; nconf = conf; ncseq = cseq; nheld = held
                :: else ->
                    nseq = qseq[queued - 1]; nconf = qconf[queued - 1]; ncseq = qcseq[queued - 1];
                    nheld = qheld[queued - 1]
                fi;
                old = nheld; /* if it is refused */
                ncur = to;
                i = from;
                do
                :: i < to ->
                    if
                    :: given & (1 << i) ->
                        numbers_below(i + 1, total);
#ifdef MUTANT_NO_NUMBERS
                        nseq = total - 1;
#endif
                        if
                        :: total != nseq + 1 -> bad = true          /* ledger.omission (Follower 3) */
                        :: else -> nseq = total; nheld = nheld | (1 << i)
                        fi
                    :: else
                    fi;
                    i++
                :: else -> break
                od;
                if
                :: !bad && kind[to - 1] == HEADS ->
                    numbers_below(to, total);
#ifdef MUTANT_NO_HEADS
                    total = nseq;
#endif
                    if
                    :: total != nseq -> bad = true                  /* ledger.withheld (Follower 3) */
                    :: else -> nconf = to; ncseq = nseq             /* confirmed (Follower 6) */
                    fi
                :: else
                fi;
                if
                :: bad ->
                    alarm = true; setback = true;
                    nheld = old;
                    if :: queued == 0 -> nconf = conf; ncseq = cseq
                       :: else -> nconf = qconf[queued - 1]; ncseq = qcseq[queued - 1]
                    fi;
#ifdef MUTANT_NO_SETBACK
                    if :: queued == 0 -> ncur = cur; nseq = seq
                       :: else -> ncur = qcur[queued - 1]; nseq = qseq[queued - 1]
                    fi;
#else
                    ncur = nconf; nseq = ncseq;                     /* back to the confirmed position (Follower 6) */
#endif
                :: else
                fi;
                qcur[queued] = ncur; qseq[queued] = nseq; qconf[queued] = nconf; qcseq[queued] = ncseq;
                qheld[queued] = nheld;
                queued++
            fi;
            t = 0; from = 0; to = 0; given = 0; i = 0; k = 0; total = 0;
            ncur = 0; nseq = 0; nconf = 0; ncseq = 0; nheld = 0; old = 0; bad = false
        }
    :: queued > 0 -> /* the oldest, in one transaction (Follower 4) */
        d_step {
            cur = qcur[0]; seq = qseq[0]; conf = qconf[0]; cseq = qcseq[0]; held = qheld[0];
            assert(!setback || alarm);
            shift();
            check_durable();
            k = 0
        }
    :: queued > 0 && crashes > 0 -> /* the store refuses: those behind it are void */
        d_step {
            crashes--; waiting = false; setback = false; more = false;
#ifdef MUTANT_GAP
            given = qheld[0] & ~held; /* never stored, and what follows is */
            shift();
            if :: queued > 0 -> qheld[0] = qheld[0] & ~given :: else fi;
            given = 0;
#else
            do :: queued > 0 -> shift() :: else -> break od;
#endif
            k = 0
        }
    :: crashes > 0 -> /* the process dies: the connection with it, and what was not durable */
        atomic {
            crashes--; waiting = false; setback = false; more = false;
            do :: queued > 0 -> shift() :: else -> break od;
            if :: len(req) == 1 -> req ? _, _, _ :: len(req) == 0 fi;
            if :: len(rep) == 1 -> rep ? _, _, _, _, _ :: len(rep) == 0 fi
        }
    od
}

/* L7: with fair links and an author that in the end gives everything, everything arrives and is confirmed. */
#ifdef LIVENESS
ltl l7 { <> (conf == N) }
#endif
