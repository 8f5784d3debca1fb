/* QR codes as SVG. The only user of libqrencode. Any thread. */
#ifndef TB_RECEIPT_RECEIPT_QR_H
#define TB_RECEIPT_RECEIPT_QR_H

#include "node/base/bytes.h"

/* Appends an <svg> element: one square unit per module, four empty ones around, dark modules as one path of rows
 * ("M<x> <y>h<width>v1h-<width>z"). @text: characters of Base45. The code gets the level of correction M where that still
 * prints well, else L. ERR_LIMIT receipt.qr-size: over 4,296 characters. */
int receipt_qr_svg(struct bytes text, struct buf *out, struct err *e) WARN_UNUSED;

#endif
