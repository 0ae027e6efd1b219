/* fill - writes the halos of a value, in spans that are as long as its layout allows.
 *
 * Spans come in the order of memory, so that what lies behind one row and before the next is one.
 */
#include <string.h>

#include "runtime/fill.h"

typedef struct Fill {
    const QccLayout *l;
    uint32_t bits;
    int64_t width;
    bool uniform;                /* all bytes of an element are equal */
    int64_t box[QCC_MAX_RANK];   /* elements of the padded box of dimensions d, d + 1, ...; 0: they
                                    do not lie side by side */
    bool halo[QCC_MAX_RANK + 1]; /* dimension d or one behind it has a halo */
    char *from, *to;             /* the span that is yet to be written */
} Fill;

static void write_span(const Fill *f)
{
    if (f->uniform) {
        memset(f->from, (int)(f->bits & 0xff), (size_t)(f->to - f->from));
        return;
    }
    for (char *p = f->from; p < f->to; p += f->width) memcpy(p, &f->bits, (size_t)f->width);
}

static void add_span(Fill *f, char *at, int64_t n)
{
    if (at != f->to) {
        write_span(f);
        f->from = at;
    }
    f->to = at + n * f->width;
}

/* All of the box of dimensions d, d + 1, ... whose least element is `at`, n times along d. */
static void fill_boxes(Fill *f, char *at, int d, int64_t n)
{
    const QccLayout *l = f->l;
    bool last = d + 1 == l->rank;
    int64_t inner = last ? 1 : f->box[d + 1];
    if (inner > 0 && inner == l->pitch[d]) {
        if (n > 0) add_span(f, at, n * inner);
        return;
    }
    for (int64_t i = 0; i < n; i++, at += l->pitch[d] * f->width) {
        if (inner > 0)
            add_span(f, at, inner);
        else
            fill_boxes(f, at, d + 1, l->halo_before[d + 1] + l->dim[d + 1] + l->halo_after[d + 1]);
    }
}

/* What lies around the value in dimensions d, d + 1, ... */
static void fill_around(Fill *f, char *at, int d)
{
    const QccLayout *l = f->l;
    int64_t step = l->pitch[d] * f->width;
    fill_boxes(f, at, d, l->halo_before[d]);
    at += l->halo_before[d] * step;
    for (int64_t i = 0; f->halo[d + 1] && i < l->dim[d]; i++) fill_around(f, at + i * step, d + 1);
    fill_boxes(f, at + l->dim[d] * step, d, l->halo_after[d]);
}

void qcc_fill_halo(void *origin, const QccLayout *l, uint32_t fill, int64_t width)
{
    Fill f = {.l = l, .bits = fill, .width = width};
    char *at = origin;
    f.uniform = width == 1 || memcmp(&f.bits, (char *)&f.bits + 1, (size_t)width - 1) == 0;
    for (int d = l->rank - 1; d >= 0; d--) {
        int64_t n = l->halo_before[d] + l->dim[d] + l->halo_after[d];
        int64_t inner = d + 1 == l->rank ? 1 : f.box[d + 1];
        f.box[d] = inner == l->pitch[d] || n == 1 ? n * inner : 0;
        f.halo[d] = f.halo[d + 1] || l->halo_before[d] > 0 || l->halo_after[d] > 0;
        at -= l->halo_before[d] * l->pitch[d] * width;
    }
    if (!f.halo[0]) return;
    f.from = f.to = at;
    fill_around(&f, at, 0);
    write_span(&f);
}
