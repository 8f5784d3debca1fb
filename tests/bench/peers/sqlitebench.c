/* sqlitebench FILE GROUP SECS: WAL, synchronous=FULL; each event = one row in event(origin,seq) + one upsert in a second
   indexed table, GROUP events a transaction. */
#include <sqlite3.h>
#include "load.h"
static sqlite3 *db;
static void ok(int rc)
{
    if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW) {
        fprintf(stderr, "%s\n", sqlite3_errmsg(db));
        exit(1);
    }
}
int main(int ac, char **av)
{
    if (ac < 4)
        return 2;
    int group = atoi(av[2]);
    double secs = atof(av[3]);
    char e[EVENT_LEN + 1], cid[24];
    ok(sqlite3_open(av[1], &db));
    ok(sqlite3_exec(
        db,
        "pragma journal_mode=wal; pragma synchronous=full;"
        "create table event(id integer primary key, origin text not null, seq integer not null, doc text not null);"
        "create unique index event_os on event(origin,seq);"
        "create table casefile(case_id text primary key, state text, last_seq integer) without rowid;"
        "create index case_last on casefile(last_seq);",
        0, 0, 0));
    sqlite3_stmt *b, *c, *i, *u;
    ok(sqlite3_prepare_v2(db, "begin immediate", -1, &b, 0));
    ok(sqlite3_prepare_v2(db, "commit", -1, &c, 0));
    ok(sqlite3_prepare_v2(db, "insert into event(origin,seq,doc) values('site-a',?1,?2)", -1, &i, 0));
    ok(sqlite3_prepare_v2(db,
                          "insert into casefile values(?1,'accepted',?2) on conflict(case_id) do update set "
                          "state=excluded.state,last_seq=excluded.last_seq",
                          -1, &u, 0));
    size_t cap = 1 << 20, nl = 0;
    float *lat = malloc(cap * sizeof *lat);
    uint64_t n = 0;
    double t0 = now();
    while (now() - t0 < secs && nl < cap) {
        double s = now();
        ok(sqlite3_step(b));
        sqlite3_reset(b);
        for (int k = 0; k < group; k++, n++) {
            event(e, n);
            sqlite3_bind_int64(i, 1, n);
            sqlite3_bind_text(i, 2, e, EVENT_LEN, 0);
            ok(sqlite3_step(i));
            sqlite3_reset(i);
            int m = sprintf(cid, "C%08llu", (unsigned long long)(n / 5));
            sqlite3_bind_text(u, 1, cid, m, 0);
            sqlite3_bind_int64(u, 2, n);
            ok(sqlite3_step(u));
            sqlite3_reset(u);
        }
        ok(sqlite3_step(c));
        sqlite3_reset(c);
        lat[nl++] = (now() - s) * 1e6;
    }
    double t = now() - t0;
    printf("events %llu\nrate %.0f\ncommits_per_s %.0f\n", (unsigned long long)n, n / t, nl / t);
    percentiles("commit_", lat, nl);
    return 0;
}
