/* Replication cursor against an author that leaves out entries: L1, L5, L7 (README.md).
 *
 * One author, one follower, a ledger of N leaves of which every mix is tried: for others (a hash on the way), for the follower
 * (MINE), heads entries. The last one is a heads entry. The author may leave out LIES entries, the connection may be lost LOSSES
 * times (an answer may still come, late), the store may refuse or the follower crash CRASHES times.
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

#define OTHER 0
#define MINE 1
#define HEADS 2

byte kind[N];
byte size;                  /* sealed by the author */
byte lies = LIES, losses = LOSSES, crashes = CRASHES;
byte cur, seq, conf, cseq;  /* durable at the follower: position, last number; the confirmed ones */
byte held;                  /* durable: entries, a bit each */
byte durable_max;           /* ghost: the largest position that was ever durable */
bool omitted;               /* ghost: something was left out, ever */
bool alarm;                 /* raised, ever */

chan req = [1] of { byte, byte };              /* token, from */
chan rep = [1] of { byte, byte, byte, byte };  /* token, from, to, given */
byte wanted;                                   /* `from` of the request in req: the author parks it until it has more */

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
            req ? t, from;
            assert(from <= durable_max); /* the cursor acknowledges what is durable, nothing else (Follower 2) */
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
            if :: len(rep) == 1 -> rep ? _, _, _, _ :: len(rep) == 0 fi; /* of a connection that is gone */
            rep ! t, from, to, given;
            t = 0; from = 0; to = 0; given = 0; i = 0
        }
    od
}

active proctype follower() {
    byte token, t, from, to, given, i, k, total;
    byte ncur, nseq, nconf, ncseq, nheld;
    bool waiting, storing, setback, bad;
end:
    do
    :: !waiting && !storing -> /* PULL; a newer one replaces a parked one (Author 2) */
        atomic {
            if :: len(req) == 1 -> req ? _, _ :: len(req) == 0 fi;
            if :: len(rep) == 0 -> token = 0 :: len(rep) == 1 -> token++ fi; /* unlike that of an answer still to come */
            wanted = cur;
            req ! token, cur;
            waiting = true
        }
    :: waiting && losses > 0 -> atomic { losses--; waiting = false } /* no answer; it may come yet */
    :: rep ? t, from, to, given ->
        d_step {
            if
            :: !waiting || t != token -> skip
            :: else ->
                waiting = false; bad = false;
                ncur = to; nseq = seq; nconf = conf; ncseq = cseq; nheld = held;
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
                storing = true; setback = false;
                if
                :: bad ->
                    alarm = true;
                    nheld = held; nconf = conf; ncseq = cseq;
                    ncur = conf; nseq = cseq;                       /* back to the confirmed position (Follower 6) */
#ifdef MUTANT_NO_SETBACK
                    ncur = cur; nseq = seq;
#endif
                    setback = true
                :: else
                fi
            fi; t = 0; from = 0; to = 0; given = 0; i = 0; k = 0; total = 0
        }
#ifdef MUTANT_EARLY_PULL
    :: storing && !waiting && len(req) == 0 ->
        atomic { token++; wanted = ncur; req ! token, ncur; waiting = true }
#endif
    :: storing -> /* one transaction (Follower 4) */
        d_step {
            cur = ncur; seq = nseq; conf = nconf; cseq = ncseq; held = nheld;
            storing = false;
            check_durable();
            assert(!setback || alarm);
            k = 0
        }
    :: storing && crashes > 0 -> atomic { crashes--; storing = false } /* the store refuses */
    :: crashes > 0 -> /* the process dies: the connection with it, and what was not durable */
        atomic {
            crashes--; storing = false; waiting = false;
            if :: len(req) == 1 -> req ? _, _ :: len(req) == 0 fi;
            if :: len(rep) == 1 -> rep ? _, _, _, _ :: len(rep) == 0 fi
        }
    od
}

/* L7: with fair links and an author that in the end gives everything, everything arrives and is confirmed. */
#ifdef LIVENESS
ltl l7 { <> (conf == N) }
#endif
