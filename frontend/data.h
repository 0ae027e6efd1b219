/* data - calibration and evaluation data: what a DATA.yaml says, images, preprocessing.
 *
 *   image file -> decode -> resize -> crop -> channels \
 *                                                       layout -> (x * scale - mean) / std
 *   row of a .npy (u8 images as above) ----------------/
 *
 * What stands before `layout` is done in u8 and can be stored in a module; the rest is done when a
 * sample is read.
 */
#ifndef QCC_FRONTEND_DATA_H
#define QCC_FRONTEND_DATA_H

#include "ir/dataset.h"
#include "ir/graph.h"

enum { QCC_CHANNELS_MAX = 16 };

typedef enum QccChannels { QCC_CHANNELS_RGB, QCC_CHANNELS_BGR, QCC_CHANNELS_GRAY } QccChannels;
typedef enum QccLayout { QCC_LAYOUT_ANY, QCC_LAYOUT_NCHW, QCC_LAYOUT_NHWC } QccLayout;

/* y = (x * scale - mean) / std, mean and std by channel in the order of `channels`. */
typedef struct QccPreprocess {
    int64_t resize, crop; /* shorter side, square; 0: none */
    QccChannels channels;
    QccLayout layout; /* of the model's input; ANY: not said */
    double scale;
    int nmean, nstd; /* 0: none, 1: for every channel, else one a channel */
    double mean[QCC_CHANNELS_MAX], std[QCC_CHANNELS_MAX];
} QccPreprocess;

typedef struct QccDataFile {
    const char *name; /* of the model's input; NULL: the only one */
    const char *path;
} QccDataFile;

typedef struct QccDataSpec {
    const char *images; /* folder; NULL: tensors */
    int64_t ntensor, tensor_cap;
    QccDataFile *tensor;
    const char *labels; /* NULL: none */
    int64_t label_offset;
    int64_t first, last; /* both included; last -1: to the end */
    QccPreprocess preprocess;
} QccDataSpec;

/* Parses the text of a DATA.yaml; paths become relative to the file's folder. */
QccStatus qcc_data_parse(QccDataSpec *out, QccArena *arena, QccDiags *d, const char *file,
                         const char *text, int64_t size);
/* The value of `preprocess:` alone, and its text; read(print(p)) == p. */
QccStatus qcc_preprocess_parse(QccPreprocess *out, QccArena *arena, QccDiags *d, const char *file,
                               const char *text, int64_t size);
const char *qcc_preprocess_print(QccArena *arena, const QccPreprocess *p);

/* ---- images ------------------------------------------------------------------------------- */

/* [h,w,c] of u8, c is 3 (RGB, until channels are changed) or 1. */
typedef struct QccImage {
    int64_t h, w, c;
    uint8_t *data;
} QccImage;

/* Decodes JPEG or PNG, known by content, to RGB. Bounded: 64 million pixels. */
QccStatus qcc_image_decode(QccImage *out, QccArena *arena, QccDiags *d, const char *file,
                           const void *bytes, int64_t size);
/* The shorter side becomes `size`, the longer one floor(size * longer / shorter), as in
 * torchvision; Pillow's antialiased bilinear filter in its fixed-point arithmetic. Fails when the
 * result would be larger than 64 million pixels. */
QccStatus qcc_image_resize(QccImage *out, QccArena *arena, QccDiags *d, QccLoc loc,
                           const QccImage *in, int64_t size);
/* The middle; an odd rest is rounded to even, as in torchvision. */
QccStatus qcc_image_crop(QccImage *out, QccArena *arena, QccDiags *d, QccLoc loc,
                         const QccImage *in, int64_t size);
/* RGB to what `channels` says; gray is Pillow's (19595 R + 38470 G + 7471 B + 2^15) >> 16. */
void qcc_image_channels(QccImage *out, QccArena *arena, const QccImage *in, QccChannels channels);

/* resize, crop and channels, as `p` says. */
QccStatus qcc_image_prepare(QccImage *out, QccArena *arena, QccDiags *d, QccLoc loc,
                            const QccImage *in, const QccPreprocess *p);

/* ---- samples ------------------------------------------------------------------------------ */

/* Where the samples of one parameter come from. As they leave the source, they have the model's
 * layout and the file's element type, and are not scaled yet. */
typedef struct QccSource {
    const QccValue *param;
    const QccBlob *rows; /* first dimension counts samples; NULL: images */
    const char **path;   /* images by sample */
    bool image;          /* u8 [h,w,c] that goes through qcc_image_prepare */
    bool transpose;      /* [h,w,c] becomes [c,h,w] */
    QccPreprocess preprocess;
    QccDtype dtype;
    int rank; /* of a sample, as it leaves the source */
    int64_t dim[QCC_MAX_RANK], count;
} QccSource;

/* The state behind a dataset. */
typedef struct QccSamples {
    QccIr *ir;
    QccArena *arena;
    const char *file; /* for messages */
    int nsource;      /* one a parameter */
    QccSource *source;
    int64_t first, count; /* the range */
    int64_t *label;       /* by sample of the range; NULL: none */
} QccSamples;

/* Opens a DATA.yaml for the parameters of g. */
QccStatus qcc_samples_open(QccSamples **out, QccIr *ir, QccArena *arena, const char *path,
                           const QccGraph *g);
/* Fills in the shape of what a source gives and checks it against its parameter. */
QccStatus qcc_source_fit(QccSource *source, QccArena *arena, QccDiags *d, QccLoc loc);
/* A sample (of the range) as it leaves the source: dense, in `scratch` or in place. */
QccStatus qcc_source_read(const void **out, const QccSource *source, QccArena *scratch, QccDiags *d,
                          QccLoc loc, int64_t index);
/* (x * scale - mean) / std, and conversion to the element type of `to`. */
QccStatus qcc_source_convert(const QccSource *source, QccDiags *d, QccLoc loc, const void *raw,
                             const QccTensor *to);

/* Labels of `count` samples: `name class` lines by the names (of `path`), or a .npy. */
QccStatus qcc_labels_load(int64_t **out, QccIr *ir, QccArena *arena, const char *file,
                          const char *const *path, int64_t count);

#endif
