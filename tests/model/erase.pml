/* Erasure handshake: whoever has said "done" holds neither key nor content, and never will again (README.md).
 *
 * Node 0 orders; 1 and 2 take part. Everybody has a first content, and its key or not yet. Node 1 may write one more content, which
 * travels with its key to 0 and 2 whenever the line allows, also after they have erased. Who lacks the key asks the others for it; an
 * answer may be on its way for long. Operators may hold the case at 1 and 2, and let go. CRASHES crashes come at any moment: between
 * the commit and the destruction in keys.db, too.
 */
#ifndef CRASHES
#define CRASHES 2
#endif
#define NODES 3

/* durable at each node */
bool key[NODES], erased[NODES];   /* keys.db; the row "done" of ledger.db */
bool first[NODES], late[NODES];   /* contents in ledger.db */
bool pending[NODES];              /* the row that says: destroy in keys.db */
bool ordered[NODES];              /* knows the order */
bool held[NODES];                 /* on hold by its operator */

bool written;                     /* node 1 has written the late content */
bool done[NODES];                 /* its leaf "done" can be seen by the others */
bool acknowledged[NODES];         /* node 0 has it */
bool grant[NODES];                /* a grant on its way to the node */
bool gave_late[NODES];            /* the entry of the late content has arrived */
byte crashes = CRASHES;

#ifdef MUTANT_TAKE_AFTER
#define MAY_TAKE(n) true
#else
#define MAY_TAKE(n) (!erased[n])  /* take_record() */
#endif
#ifdef MUTANT_STORE_AFTER
#define MAY_STORE(n) true
#else
#define MAY_STORE(n) (!erased[n]) /* "Of a case whose content was erased here nothing comes in again" */
#endif

/* The property: it holds at every moment after the word has gone out. */
inline check(n) { assert(!done[n] || (!key[n] && !first[n] && !late[n])) }

/* One transaction of ledger.db: row, contents, and what is still to be destroyed in keys.db. */
inline obey(n) { erased[n] = true; first[n] = false; late[n] = false; pending[n] = true }

proctype node(byte me) {
    bool running = true;
end:
    do
    /* the order, by node 0; the others get it with its ledger */
    :: atomic { running && me == 0 && !ordered[0] -> ordered[0] = true; obey(0) }
    :: atomic { running && me != 0 && erased[0] && done[0] && !ordered[me] ->
            ordered[me] = true;
            if
            :: held[me] -> skip /* answers "held" */
            :: !held[me] -> obey(me)
            fi
        }
    /* the operator lets go: the order that waited is carried out */
    :: atomic { running && held[me] ->
            held[me] = false;
#ifndef MUTANT_HOLD_FORGETS
            if :: ordered[me] -> obey(me) :: !ordered[me] fi
#endif
        }
    /* keys.db, behind the commit and before its answer */
    :: atomic { running && pending[me] -> key[me] = false; pending[me] = false; check(me) }
    /* the answer goes out: to a submitter, or as a leaf to the others */
#ifdef MUTANT_ACK_FIRST
    :: atomic { running && erased[me] && !done[me] -> done[me] = true; check(me) }
#else
    :: atomic { running && erased[me] && !pending[me] && !done[me] -> done[me] = true; check(me) }
#endif
    :: atomic { running && me == 0 && done[1] && !acknowledged[1] -> acknowledged[1] = true }
    :: atomic { running && me == 0 && done[2] && !acknowledged[2] -> acknowledged[2] = true }
    /* a content written before its author knew of the order */
    :: atomic { running && me == 1 && !written && !erased[1] && key[1] -> written = true; late[1] = true }
    /* its entry arrives; with content and key as far as the author has them still */
    :: atomic { running && me != 1 && written && !gave_late[me] ->
            gave_late[me] = true;
            if
            :: late[1] && MAY_STORE(me) -> late[me] = true
            :: !(late[1] && MAY_STORE(me))
            fi;
            if
            :: key[1] && !erased[1] && MAY_TAKE(me) -> key[me] = true
            :: !(key[1] && !erased[1] && MAY_TAKE(me))
            fi;
            check(me)
        }
    /* keys asked for again: answered by who has the key and has not erased it; the answer takes its time */
    :: atomic { running && !key[me] && !grant[me] && !erased[me] && ((key[0] && !erased[0]) || (key[1] && !erased[1]) || (key[2] && !erased[2])) -> grant[me] = true }
    :: atomic { running && grant[me] ->
            grant[me] = false;
            if :: MAY_TAKE(me) -> key[me] = true :: !MAY_TAKE(me) fi;
            check(me)
        }
    /* a crash; at the next start what was cut short is finished before anything is answered */
    :: atomic { running && crashes > 0 -> crashes--; running = false }
    :: atomic { !running ->
            running = true;
#ifdef MUTANT_NO_FINISH
            pending[me] = false
#else
            if :: pending[me] -> key[me] = false; pending[me] = false :: !pending[me] fi
#endif
        }
    od
}

init {
    atomic {
        byte n = 0;
        do
        :: n < NODES -> first[n] = true; n++
        :: else -> break
        od;
        key[0] = true;
        if :: key[1] = true :: skip fi; /* else its grant has been lost, and it asks */
        if :: key[2] = true :: skip fi;
        if :: held[1] = true :: skip fi;
        if :: held[2] = true :: skip fi;
        run node(0); run node(1); run node(2)
    }
}

#ifdef LIVENESS
ltl e2 { <> (acknowledged[1] && acknowledged[2]) }
#endif
