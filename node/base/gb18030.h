/* GB18030, which Chinese office programs write, to UTF-8 (libc's iconv). Pure; any thread. */
#ifndef TB_BASE_GB18030_H
#define TB_BASE_GB18030_H

#include "node/base/bytes.h"

/* Appends @text to @out (an empty buffer) as UTF-8. ERR_INVALID "import.encoding" names line and byte that are neither;
 * ERR_UNSUPPORTED when this system's libc cannot read GB18030. */
int gb18030_to_utf8(struct bytes text, struct buf *out, struct err *e) WARN_UNUSED;

#endif
