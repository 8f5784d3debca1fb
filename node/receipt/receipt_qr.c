/* QR codes as SVG (see receipt_qr.h). Happy path: alphanumeric mode, the smallest version of level M up to 25 (117 modules,
 * 0.9 mm each on the page), above that level L. Failure modes: a text too long for version 40-L. Any thread. */
#include "node/receipt/receipt_qr.h"

#include <errno.h>
#include <limits.h>

#include <qrencode.h>

#include "node/base/xassert.h"

#define VERSION_M_MAX 25
#define QUIET 4

/* NULL when @text does not fit; anything else that libqrencode refuses is a mistake of ours. */
static QRcode *encode(struct bytes text, QRecLevel level)
{
    xassert(text.size > 0 && text.size < INT_MAX);
    QRinput *input = QRinput_new2(0, level);
    xassert(input != NULL);
    int rc = QRinput_append(input, QR_MODE_AN, (int)text.size, text.data);
    xassert(rc == 0); /* Base45 is the alphabet of this mode */
    QRcode *code = QRcode_encodeInput(input);
    xassert(code != NULL || errno == ERANGE);
    QRinput_free(input);
    return code;
}

static bool is_dark(const QRcode *code, int x, int y)
{
    return (code->data[y * code->width + x] & 1) != 0;
}

static void put_rows(const QRcode *code, struct buf *out)
{
    for (int y = 0; y < code->width; y++) {
        for (int x = 0; x < code->width;) {
            int width = 0;
            while (x + width < code->width && is_dark(code, x + width, y))
                width++;
            if (width > 0)
                buf_printf(out, "M%d %dh%dv1h-%dz", x + QUIET, y + QUIET, width, width);
            x += width + 1;
        }
    }
}

int receipt_qr_svg(struct bytes text, struct buf *out, struct err *e)
{
    QRcode *code = encode(text, QR_ECLEVEL_M);
    if (code == NULL || code->version > VERSION_M_MAX) {
        QRcode_free(code);
        code = encode(text, QR_ECLEVEL_L);
    }
    if (code == NULL)
        return err_set(e, ERR_LIMIT, "receipt.qr-size", "%zu characters are too many for a QR code, the limit is 4296",
                       text.size);
    int size = code->width + 2 * QUIET;
    buf_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" shape-rendering=\"crispEdges\" "
               "role=\"img\" aria-label=\"QR\"><path fill=\"#fff\" d=\"M0 0h%dv%dh-%dz\"/><path d=\"",
               size, size, size, size, size);
    put_rows(code, out);
    buf_put_string(out, "\"/></svg>");
    QRcode_free(code);
    return 0;
}
