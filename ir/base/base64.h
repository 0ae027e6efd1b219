/* base64 - bytes as text (RFC 4648, with padding). */
#ifndef QCC_IR_BASE_BASE64_H
#define QCC_IR_BASE_BASE64_H

#include "ir/base/buf.h"

void qcc_base64_print(QccBuf *buf, const void *bytes, int64_t n);

/* Decodes `len` characters into exactly n bytes; false when they are not that. */
bool qcc_base64_read(void *bytes, int64_t n, const char *text, int64_t len);

#endif
