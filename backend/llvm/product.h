/* product.h - a contraction in tiles, between its K steps (product.c) and its results (results.c).
 */
#ifndef QCC_BACKEND_LLVM_PRODUCT_H
#define QCC_BACKEND_LLVM_PRODUCT_H

#include "backend/llvm/emit.h"

enum {
    SIDE = 4,         /* tiles of a block along one side, at most */
    TOGETHER = 4,     /* pixels of one vector that are stored together: they fill a register */
    LANES = 16,       /* of a vector, columns of a tile, rows of a tile at most */
    ROW_BYTES = 64,   /* of sums in a tile */
    NOWHERE_SIZE = 8, /* bytes of a result at most */
};

typedef struct Product {
    QccEmit *e;
    const QccContractShape *c;
    QccTiling g;
    EmitTiles tiles;
    int mt, nt;                    /* tiles of pixels, of channels, of a block */
    int na, nb;                    /* tiles that hold A, B */
    QccTileSteps run;              /* of one run of taps */
    int64_t steps;                 /* along K */
    int64_t pass;                  /* K steps of a pass over K; all, if there is one */
    int64_t *at;                   /* of A: where a K step begins, in bytes from the first tap */
    int64_t b_row, b_step, b_tile; /* of B: bytes from row to row of a tile, from one K step to the
                                      next, from tile to tile of a K step */
    Val table;                     /* the same, for loops; NULL: at[s] is s * at[1] */
    int64_t carrying;              /* K steps that carry epilogues of the block before */
    int64_t pixels;                /* of a block, and some that fill up */
    int64_t at_once;               /* pixels of an iteration, where epilogues stand alone */
    Val sums;                   /* i32 [pixels][nt][16] of the block before; two of them, if late */
    Val parts;                  /* i32 [panels of a group][mr][nt][16] between passes */
    Val place[QCC_KERNEL_ARGS]; /* ptr [pixels]: of each argument; NULL: does not vary by pixel.
                                   Two of them, if late */
    Val nowhere;                /* where results go that are none */
    const QccExpr *epilogue;
    int seed;       /* the argument that sums begin with, i32 by channel; -1: with 0 */
    bool saturates; /* the epilogue leaves it to the store to clamp */
} Product;

/* Panels of output channels that are alike: full ones, or the last one. */
typedef struct Panel {
    int nv;               /* tiles, that is vectors, of channels */
    int last;             /* channels of the last one */
    int64_t first, count; /* panels */
} Panel;

/* A tile of pixels: which, and where. */
typedef struct Place {
    Val a;       /* of A, for its first row */
    Val n, y, x; /* its first position; flat: y is 0 */
    Val own;     /* its first row that is not its neighbour's; NULL: all are its own */
    Val exists;  /* NULL: it does */
} Place;

typedef EmitOperand Kept[SIDE][QCC_KERNEL_ARGS];

/* ---- results.c: where pixels lie, and their epilogue ----------------------------------------- */

/* Tile `i` of a block. Behind the last tile of all it is the last one again. */
Place emit_product_place(const Product *t, Val block, int i);
/* Writes down the addresses of a block's pixels, for its epilogue; or that there is none, which is
 * what the first block takes for the one before it. */
void emit_product_places(const Product *t, const Place *tile, Val channel);
void emit_product_no_places(const Product *t);
/* Bytes from argument a's first element to channel `channel` of its first pixel. */
Val emit_to_channel(const Product *t, int a, Val channel);

/* Bytes of one set of sums, of one of places; the product with set number `set` (0, 1) of both. */
int64_t emit_sums_size(const Product *t);
int64_t emit_places_size(const Product *t);
Product emit_product_set(const Product *t, Val set);

/* Loads the operands that all pixels share, for the channels from `channel` on. */
void emit_product_operands(const Product *t, const Panel *panel, Val channel, Kept kept);
/* Part `part` of `parts` of the epilogues of n pixels from number `pixel` on. */
void emit_product_share(const Product *t, const Panel *panel, Kept kept, Val pixel, int n, int part,
                        int parts);
/* The epilogues of pixels [from, to), alone. */
void emit_product_pixels(const Product *t, const Panel *panel, Kept kept, int64_t from, int64_t to);

#endif
