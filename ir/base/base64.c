/* base64 - three bytes, four characters. */
#include "ir/base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void qcc_base64_print(QccBuf *buf, const void *bytes, int64_t n)
{
    const unsigned char *p = bytes;
    for (int64_t i = 0; i < n; i += 3) {
        uint32_t x = (uint32_t)p[i] << 16;
        if (i + 1 < n) x |= (uint32_t)p[i + 1] << 8;
        if (i + 2 < n) x |= p[i + 2];
        char s[4] = {alphabet[x >> 18], alphabet[(x >> 12) & 63], alphabet[(x >> 6) & 63],
                     alphabet[x & 63]};
        if (i + 1 >= n) s[2] = '=';
        if (i + 2 >= n) s[3] = '=';
        qcc_buf_add(buf, s, 4);
    }
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool qcc_base64_read(void *bytes, int64_t n, const char *text, int64_t len)
{
    if (n < 0 || len % 4 || len / 4 != n / 3 + (n % 3 != 0)) return false;
    unsigned char *p = bytes;
    for (int64_t i = 0; i < n; i += 3, text += 4) {
        int64_t left = n - i < 3 ? n - i : 3;
        uint32_t x = 0;
        for (int k = 0; k < 4; k++) {
            int v = k <= left ? value_of(text[k]) : text[k] == '=' ? 0 : -1;
            if (v < 0) return false;
            x = x << 6 | (uint32_t)v;
        }
        if (left < 3 && x & (left == 1 ? 0xffffu : 0xffu)) return false; /* one form only */
        p[i] = (unsigned char)(x >> 16);
        if (left > 1) p[i + 1] = (unsigned char)(x >> 8);
        if (left > 2) p[i + 2] = (unsigned char)x;
    }
    return true;
}
