/* fill - writes the halos of a value: whatever lies between its own rows, in the order of memory.
 */
#include <stdbool.h>
#include <string.h>

#include "runtime/fill.h"

typedef struct Fill {
    const QccLayout *l;
    uint32_t bits;
    int64_t width;
    bool uniform; /* all bytes of an element are equal */
    int inner;    /* from this dimension on, elements lie side by side: a row */
    int64_t row;  /* bytes of one */
    char *at;     /* all before has been dealt with */
} Fill;

static void write_up_to(Fill *f, char *end)
{
    if (f->uniform)
        memset(f->at, (int)(f->bits & 0xff), (size_t)(end - f->at));
    else
        for (char *p = f->at; p < end; p += f->width) memcpy(p, &f->bits, (size_t)f->width);
    f->at = end;
}

/* Up to the end of the last row of dimensions d, d + 1, ... whose first element is `origin`. */
static void fill_rows(Fill *f, char *origin, int d)
{
    if (d == f->inner) {
        write_up_to(f, origin);
        f->at = origin + f->row;
        return;
    }
    for (int64_t i = 0; i < f->l->dim[d]; i++)
        fill_rows(f, origin + i * f->l->pitch[d] * f->width, d + 1);
}

void qcc_fill_halo(void *origin, const QccLayout *l, uint32_t fill, int64_t width)
{
    Fill f = {.l = l, .bits = fill, .width = width, .inner = l->rank};
    int64_t before = 0, behind = 0, row = 1;
    bool any = false;
    f.uniform = width == 1 || memcmp(&f.bits, (char *)&f.bits + 1, (size_t)width - 1) == 0;
    for (int d = l->rank - 1; d >= 0; d--) {
        if (!any && l->pitch[d] == row) {
            row *= l->dim[d];
            f.inner = d;
        }
        before += l->halo_before[d] * l->pitch[d];
        behind += (l->dim[d] - 1 + l->halo_after[d]) * l->pitch[d];
        any |= l->halo_before[d] || l->halo_after[d];
    }
    if (!any) return;
    f.row = row * width;
    f.at = (char *)origin - before * width;
    fill_rows(&f, origin, 0);
    write_up_to(&f, (char *)origin + (behind + 1) * width);
}
