/* Leaves of kind 5 (FORMATS.md, "Erasure"): their event type is an enum app_erasure_state, their one attribute the legal basis. Read when
 * they come and when the store is verified. Pure; any thread. */
#ifndef TB_NODE_ERASE_LEAF_H
#define TB_NODE_ERASE_LEAF_H

#include "federation/ledger/leaf.h"
#include "node/base/bytes.h"

#define ERASE_LEAF_ATTR_BASIS 1u

/* Whether @leaf names a basis in the form in which it is written; *ret_basis is it. */
static inline bool erase_leaf_basis(const struct leaf *leaf, uint16_t *ret_basis)
{
    if (leaf->attr_count < 1 || leaf->attrs[0].tag != ERASE_LEAF_ATTR_BASIS || leaf->attrs[0].value.size != 2)
        return false;
    *ret_basis = get_be16(leaf->attrs[0].value.data);
    return true;
}

#endif
