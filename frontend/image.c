/* image - JPEG and PNG to RGB, bounded, with located errors. */
#include "frontend/data.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>
#include <png.h>

/* The libraries leave by longjmp. Nothing of ours that may unwind is called between making and
 * destroying their structs, so the pixels are allocated between two passes: one for the size, one
 * for the pixels. Variables that change after setjmp are volatile, or not read after it. */

enum { PIXELS_MAX = 1 << 26, SCANS_MAX = 100 };

/* ---- JPEG --------------------------------------------------------------------------------- */

typedef struct JpegError {
    struct jpeg_error_mgr base;
    jmp_buf edge;
    char message[JMSG_LENGTH_MAX];
} JpegError;

static void jpeg_fail(j_common_ptr info)
{
    JpegError *e = (JpegError *)info->err;
    e->base.format_message(info, e->message);
    longjmp(e->edge, 1);
}

/* Warnings about data that is missing or wrong are errors; odd markers are not. */
static void jpeg_message(j_common_ptr info, int level)
{
    int code = info->err->msg_code;
    if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER ||
                      code == JWRN_HUFF_BAD_CODE || code == JWRN_ARITH_BAD_CODE)) {
        jpeg_fail(info);
    }
}

/* A progressive file may ask for any number of passes over the whole image. */
static void jpeg_progress(j_common_ptr info)
{
    const struct jpeg_decompress_struct *jpeg = (j_decompress_ptr)info;
    JpegError *e = (JpegError *)info->err;
    if (jpeg->input_scan_number <= SCANS_MAX) return;
    snprintf(e->message, sizeof e->message, "more than %d scans", SCANS_MAX);
    longjmp(e->edge, 1);
}

/* With out->data NULL, only the size is read. Returns what is wrong, or NULL. */
static bool jpeg_pass(QccImage *out, JpegError *e, const void *bytes, int64_t size)
{
    struct jpeg_decompress_struct jpeg;
    struct jpeg_progress_mgr progress = {.progress_monitor = jpeg_progress};
    memset(&jpeg, 0, sizeof jpeg);
    jpeg.err = jpeg_std_error(&e->base);
    e->base.error_exit = jpeg_fail;
    e->base.emit_message = jpeg_message;
    e->message[0] = 0;
    if (setjmp(e->edge)) {
        jpeg_destroy_decompress(&jpeg);
        return false;
    }
    jpeg_create_decompress(&jpeg);
    jpeg.progress = &progress;
    jpeg_mem_src(&jpeg, bytes, (unsigned long)size);
    jpeg_read_header(&jpeg, TRUE);
    if (!out->data) {
        out->h = jpeg.image_height;
        out->w = jpeg.image_width;
    } else {
        jpeg.out_color_space = JCS_RGB;
        jpeg_start_decompress(&jpeg);
        if (jpeg.output_height != out->h || jpeg.output_width != out->w ||
            jpeg.output_components != 3) {
            snprintf(e->message, sizeof e->message, "not an image in colour or gray");
            longjmp(e->edge, 1);
        }
        while (jpeg.output_scanline < jpeg.output_height) {
            JSAMPROW row = out->data + (size_t)jpeg.output_scanline * (size_t)out->w * 3;
            jpeg_read_scanlines(&jpeg, &row, 1);
        }
        jpeg_finish_decompress(&jpeg);
    }
    jpeg_destroy_decompress(&jpeg);
    return true;
}

/* ---- PNG ---------------------------------------------------------------------------------- */

typedef struct PngSource {
    const uint8_t *at, *end;
    jmp_buf edge;
    char message[128];
} PngSource;

static void png_read_bytes(png_structp png, png_bytep to, size_t n)
{
    PngSource *s = png_get_io_ptr(png);
    if ((size_t)(s->end - s->at) < n) png_error(png, "the file is cut off");
    memcpy(to, s->at, n);
    s->at += n;
}

static void png_fail(png_structp png, png_const_charp message)
{
    PngSource *s = png_get_error_ptr(png);
    snprintf(s->message, sizeof s->message, "%s", message);
    longjmp(s->edge, 1);
}

static void png_ignore(png_structp png, png_const_charp message)
{
    (void)png, (void)message;
}

/* Like jpeg_pass; `row` holds out->h pointers in the second pass. */
static bool png_pass(QccImage *out, png_bytepp row, PngSource *s, const void *bytes, int64_t size)
{
    png_structp png = NULL;
    png_infop info = NULL;
    s->at = bytes;
    s->end = s->at + size;
    snprintf(s->message, sizeof s->message, "out of memory");
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, s, png_fail, png_ignore);
    if (!png) return false;
    info = png_create_info_struct(png);
    if (!info || setjmp(s->edge)) {
        png_destroy_read_struct(&png, &info, NULL);
        return false;
    }
    png_set_read_fn(png, s, png_read_bytes);
    png_set_user_limits(png, 1 << 20, 1 << 20);
    png_set_chunk_cache_max(png, 128);
    png_set_chunk_malloc_max(png, 8 << 20);
    png_read_info(png, info);
    if (!out->data) {
        out->h = png_get_image_height(png, info);
        out->w = png_get_image_width(png, info);
    } else {
        png_set_expand(png);
        png_set_scale_16(png);
        png_set_strip_alpha(png);
        png_set_gray_to_rgb(png);
        png_set_interlace_handling(png);
        png_read_update_info(png, info);
        if (png_get_rowbytes(png, info) != (size_t)out->w * 3) png_error(png, "no RGB image");
        png_read_image(png, row);
        png_read_end(png, NULL);
    }
    png_destroy_read_struct(&png, &info, NULL);
    return true;
}

/* ---- either ------------------------------------------------------------------------------- */

QccStatus qcc_image_decode(QccImage *out, QccArena *arena, QccDiags *d, const char *file,
                           const void *bytes, int64_t size)
{
    QccLoc loc = {.file = file};
    bool jpeg = size >= 3 && !memcmp(bytes, "\xff\xd8\xff", 3);
    bool png = size >= 8 && !memcmp(bytes, "\x89PNG\r\n\x1a\n", 8);
    if (!jpeg && !png) return qcc_error(d, loc, "is neither a JPEG nor a PNG");
    JpegError *je = QCC_NEW(arena, JpegError);
    PngSource *ps = QCC_NEW(arena, PngSource);
    const char *why = jpeg ? je->message : ps->message;
    *out = (QccImage){.c = 3};
    if (!(jpeg ? jpeg_pass(out, je, bytes, size) : png_pass(out, NULL, ps, bytes, size))) {
        return qcc_error(d, loc, "cannot be decoded: %s", why);
    }
    if (out->h < 1 || out->w < 1 || out->h > PIXELS_MAX / out->w) {
        return qcc_error(d, loc, "is %lldx%lld, wanted at most %d pixels", (long long)out->w,
                         (long long)out->h, PIXELS_MAX);
    }
    out->data = qcc_alloc_array(arena, out->h * out->w, 3);
    png_bytepp row = QCC_NEW_ARRAY(arena, out->h, png_bytep);
    for (int64_t i = 0; i < out->h; i++) row[i] = out->data + i * out->w * 3;
    if (!(jpeg ? jpeg_pass(out, je, bytes, size) : png_pass(out, row, ps, bytes, size))) {
        return qcc_error(d, loc, "cannot be decoded: %s", why);
    }
    return QCC_OK;
}
