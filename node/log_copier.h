/* Log copier: brings ledger.db's write-ahead log back into the database on a thread of its own, so that no commit waits for it
 * (store.h, store_log). The writer looks after each commit whether it is time, and does the little that is left at the end. */
#ifndef TB_NODE_LOG_COPIER_H
#define TB_NODE_LOG_COPIER_H

#include "node/store/store.h"

struct log_copier;

/* The writer's thread; @s outlives the copier. NULL when it cannot be had (said in the log): commits then copy by themselves, as ever. */
struct log_copier *log_copier_start(struct store *s);
/* The writer's thread, between commits. NULL is fine. */
void log_copier_look(struct log_copier *c);
/* Waits for the copy under way. NULL is fine. */
void log_copier_stop(struct log_copier *c);

#endif
