/* Licence decisions that are to be made public (双公示): the list of those that are not yet. What stands in a line of the public
 * list is put together where contents are shown (http/api_publicity.c); that a licence stands there is an event (publish).
 *
 * The list follows the cases from transaction to transaction (app_deadline.c). Loop thread.
 */
#include <string.h>

#include "node/app_internal.h"
#include "node/base/clock.h"
#include "node/base/xassert.h"
#include "node/cases/deadline.h"

int app_list_publicities(struct app *a, const uint8_t *after, size_t limit, struct arena *mem,
                         struct app_publicity_view **ret, size_t *ret_count, struct err *e)
{
    struct store_publicity *rows;
    size_t count = 0;
    uint32_t today = clock_china_date(clock_wall_ms());
    int rc = app_check_reader(a, e);
    if (rc == 0)
        rc = store_list_publicities(ledger_reader(a->ledger), after, limit, mem, &rows, &count, e);
    if (rc != 0)
        return rc;
    *ret = arena_alloc(mem, (count + 1) * sizeof **ret);
    *ret_count = count;
    for (size_t i = 0; i < count; i++) {
        struct app_publicity_view *v = &(*ret)[i];
        *v = (struct app_publicity_view){.due = rows[i].due, .is_late = today > rows[i].due};
        memcpy(v->case_id, rows[i].case_id, sizeof v->case_id);
    }
    return 0;
}
