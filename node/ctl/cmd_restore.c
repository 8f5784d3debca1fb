/* restore: a backup takes the place of ledger.db or keys.db, while the node does not run. Own process; no daemon. */
#include "node/ctl/cmd.h"

#include "node/base/file.h"
#include "node/base/xassert.h"
#include "node/ctl/setup.h"
#include "node/store/store.h"

#define CONFIG_BYTES_MAX (1u << 16)

/* The node's code, from its configuration. */
static int read_region(struct ctl *c, uint32_t *ret, struct err *e)
{
    struct buf text = {0};
    const char *path = setup_path(&c->mem, c->dir, "node.json");
    int rc = file_read(path, CONFIG_BYTES_MAX, &text, e);
    if (rc == 0) {
        yyjson_doc *doc = yyjson_read((const char *)text.data, text.size, YYJSON_READ_NOFLAG);
        uint64_t code = yyjson_get_uint(yyjson_obj_get(yyjson_doc_get_root(doc), "region"));
        yyjson_doc_free(doc);
        if (code < 100000 || code > 999999)
            rc = err_set(e, ERR_INVALID, "setup.config", "'%.200s' names no region: is this a node's folder?", path);
        *ret = (uint32_t)code;
    }
    buf_close(&text);
    return rc;
}

int cmd_restore(struct ctl *c, struct err *e)
{
    bool keys = ctl_option(c, "--keys") != NULL;
    uint32_t self = 0;
    struct store_restore_result r;
    int rc = read_region(c, &self, e);
    if (rc == 0)
        rc = store_restore(c->dir, self, keys, ctl_option(c, "--from"), &r, e);
    if (rc != 0)
        return rc;
    const struct output_pair pairs[] = {
        {"restored", keys ? "keys.db" : "ledger.db"},
        {"bytes", arena_printf(&c->mem, "%llu", (unsigned long long)r.bytes)},
        {"own entries", keys ? NULL : arena_printf(&c->mem, "%llu", (unsigned long long)r.ledger_size)},
        {"replaced file", r.kept[0] == '\0' ? NULL : setup_path(&c->mem, c->dir, r.kept)},
    };
    cmd_print_pairs(c, pairs, array_count(pairs));
    if (!c->json)
        fprintf(c->out,
                "Now start tongband. It writes nothing until its entries are back from the others; 'tongban status' "
                "shows how\n"
                "far it is. When 'writer' is ok, delete the replaced file%s\n"
                "现在启动 tongband。取回自己的全部条目之前它不会写入；“tongban "
                "status”显示进度。恢复完成后请删除被替换的文件。\n",
                keys ? ": it holds keys." : ".");
    return 0;
}
