/* GB18030 to UTF-8 (see gb18030.h). */
#include "node/base/gb18030.h"

#include <errno.h>
#include <iconv.h>

static uint32_t line_at(struct bytes text, size_t at)
{
    uint32_t line = 1;
    for (size_t i = 0; i < at && i < text.size; i++)
        line += text.data[i] == '\n';
    return line;
}

/* A GB18030 text grows to at most 3 bytes for 2. */
int gb18030_to_utf8(struct bytes text, struct buf *out, struct err *e)
{
    iconv_t cd = iconv_open("UTF-8", "GB18030");
    if (cd == (iconv_t)-1)
        return err_set_errno(e, ERR_UNSUPPORTED, "import.encoding", errno,
                             "the text is not UTF-8, and this system cannot read GB18030");
    size_t room = text.size * 2 + 16;
    buf_init(out, room);
    char *in = (char *)(uintptr_t)text.data; /* iconv does not write there */
    size_t in_left = text.size, out_left = room;
    char *at = (char *)buf_extend(out, room);
    size_t rc = iconv(cd, &in, &in_left, &at, &out_left);
    int why = errno;
    (void)iconv_close(cd); /* nothing is buffered in it */
    out->size = room - out_left;
    if (rc == (size_t)-1) {
        size_t bad = text.size - in_left;
        return err_set(e, ERR_INVALID, "import.encoding", "line %u: byte 0x%02x is neither UTF-8 nor GB18030%s",
                       line_at(text, bad), bad < text.size ? text.data[bad] : 0,
                       why == EINVAL ? " (the text ends inside a character)" : "");
    }
    return 0;
}
