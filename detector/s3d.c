#include "detector/s3d.h"

#include <stdio.h>

#include "detector/gate.h"

enum { NAME_ROOM = 160 };

/* ---- names ---- */

/* Blocks 3b, 3c; 4b to 4f; 5b, 5c. */
static const char *const block_name[][S3D_BLOCKS] = {
    [S3D_TORCHVISION] = {"features.5", "features.6", "features.8", "features.9", "features.10",
                         "features.11", "features.12", "features.14", "features.15"},
    [S3D_HOWTO100M] = {"mixed_3b", "mixed_3c", "mixed_4b", "mixed_4c", "mixed_4d", "mixed_4e",
                       "mixed_4f", "mixed_5b", "mixed_5c"}};

/* The pool before blocks 0 (after the second convolutions), 2 and 7; the first is before all. */
static const int blocks_from[S3D_POOLS + 1] = {0, 0, 2, 7, S3D_BLOCKS};

/* What follows a block's name. */
struct spelling {
    const char *point;
    const char *reduce[2];
    const char *space[2];
    const char *time[2];
    const char *pooled;
};

static const struct spelling spelling[] = {
    [S3D_TORCHVISION] = {"branch0.0",
                         {"branch1.0.0", "branch2.0.0"},
                         {"branch1.1.0.0", "branch2.1.0.0"},
                         {"branch1.1.1.0", "branch2.1.1.0"},
                         "branch3.1.0"},
    [S3D_HOWTO100M] = {"conv_b0.conv1",
                       {"conv_b1_a.conv1", "conv_b2_a.conv1"},
                       {"conv_b1_b.conv1", "conv_b2_b.conv1"},
                       {"conv_b1_b.conv2", "conv_b2_b.conv2"},
                       "conv_b3_b.conv1"}};

static const char *join(const char *block, const char *part, char name[NAME_ROOM])
{
    snprintf(name, NAME_ROOM, "%s.%s", block, part);
    return name;
}

/* ---- building ---- */

static void build_point(struct model *m, const char *name, int in, struct conv *c)
{
    *c = (struct conv){.in = in, .kernel = 1, .stride = 1, .dilation = 1, .taps = 1, .relu = true};
    model_conv(m, name, c);
}

static void build_gate(struct model *m, const char *name, int width, struct conv *c)
{
    *c = (struct conv){.in = width, .out = width};
    model_linear(m, name, c);
}

/* How wide each branch is. */
static void branch_widths(const struct inception *b, int width[INCEPTION_BRANCHES])
{
    width[0] = b->point.out;
    width[1] = b->wide[0].time.out;
    width[2] = b->wide[1].time.out;
    width[3] = b->pooled.out;
}

static void build_gates(struct model *m, const char *block, struct inception *b)
{
    char part[24];
    char name[NAME_ROOM];
    int width[INCEPTION_BRANCHES];
    branch_widths(b, width);
    for (int i = 0; i < INCEPTION_BRANCHES; i++) {
        snprintf(part, sizeof part, "gating_b%d.fc", i);
        build_gate(m, join(block, part, name), width[i], &b->gate[i]);
    }
}

static int inception_width(const struct inception *b)
{
    int width[INCEPTION_BRANCHES];
    branch_widths(b, width);
    return width[0] + width[1] + width[2] + width[3];
}

/* Returns its width. */
static int build_inception(struct model *m, enum s3d_source source, const char *block, int in,
                           struct inception *b)
{
    const struct spelling *s = &spelling[source];
    char space[NAME_ROOM];
    char time[NAME_ROOM];
    build_point(m, join(block, s->point, space), in, &b->point);
    for (int i = 0; i < 2; i++) {
        build_point(m, join(block, s->reduce[i], space), in, &b->reduce[i]);
        separable_build(m, join(block, s->space[i], space), join(block, s->time[i], time),
                        b->reduce[i].out, 3, 1, true, &b->wide[i]);
    }
    b->pool = (struct max_pool){.name = block,
                                .kernel = 3,
                                .stride = 1,
                                .pad = 1,
                                .taps = 3,
                                .tap_stride = 1,
                                .tap_pad = 1};
    build_point(m, join(block, s->pooled, space), in, &b->pooled);
    if (source == S3D_HOWTO100M) {
        build_gates(m, block, b);
    }
    return inception_width(b);
}

/* Pools 0 and 1 halve the plane by 3x3, pool 2 plane and time by 3x3x3, pool 3 by 2x2x2. */
static struct max_pool make_pool(enum s3d_source source, int i)
{
    static const char *const name[S3D_POOLS] = {"pool 2a", "pool 3a", "pool 4a", "pool 5a"};
    const bool torchvision = source == S3D_TORCHVISION;
    const bool overlaps = i < 3; /* kernel 3, stride 2 */
    struct max_pool p = {.name = name[i], .kernel = overlaps ? 3 : 2, .stride = 2};
    p.pad = overlaps && torchvision;
    p.extra = overlaps && !torchvision;
    p.ceil = !torchvision;
    if (i >= 2) {
        p.taps = p.kernel;
        p.tap_stride = p.stride;
        p.tap_pad = p.pad;
        p.tap_extra = p.extra;
    }
    return p;
}

/* The convolutions between the first two pools; returns their width. */
static int build_second(struct model *m, enum s3d_source source, int in, struct s3d *s)
{
    if (source == S3D_TORCHVISION) {
        build_point(m, "features.2.0", in, &s->narrow);
        separable_build(m, "features.3.0.0", "features.3.1.0", s->narrow.out, 3, 1, true, &s->wide);
    } else {
        build_point(m, "conv_2b.conv1", in, &s->narrow);
        separable_build(m, "conv_2c.conv1", "conv_2c.conv2", s->narrow.out, 3, 1, true, &s->wide);
        build_gate(m, "gating.fc", s->wide.time.out, &s->gate);
    }
    return s->wide.time.out;
}

int s3d_build(struct model *m, enum s3d_source source, int in, struct s3d *s)
{
    for (int i = 0; i < S3D_POOLS; i++) {
        s->pool[i] = make_pool(source, i);
    }
    int width = build_second(m, source, in, s);
    for (int i = 0; i < S3D_BLOCKS; i++) {
        width = build_inception(m, source, block_name[source][i], width, &s->block[i]);
    }
    return width;
}

/* ---- running ---- */

static void run_gate(const struct conv *gate, struct pass *pass, const struct tensor *y, int at)
{
    if (gate->out) {
        gate_run(gate, pass, y, at);
    }
}

/* Each branch writes its channels of the result. */
static struct tensor run_inception(const struct inception *b, struct pass *pass, struct tensor x)
{
    int width[INCEPTION_BRANCHES];
    branch_widths(b, width);
    const struct tensor y = pass_tensor(pass, x.n, x.h, x.w, inception_width(b));
    conv_run_into(&b->point, pass, &x, &y, 0);
    int at = width[0];
    for (int i = 0; i < 2; i++) {
        const struct tensor narrow = conv_run(&b->reduce[i], pass, &x);
        separable_run_into(&b->wide[i], pass, &narrow, &y, at);
        pass_give(pass, narrow.p);
        at += width[1 + i];
    }
    const struct tensor pooled = max_pool_run(&b->pool, pass, &x);
    pass_give(pass, x.p);
    conv_run_into(&b->pooled, pass, &pooled, &y, at);
    pass_give(pass, pooled.p);
    at = 0;
    for (int i = 0; i < INCEPTION_BRANCHES; i++) {
        run_gate(&b->gate[i], pass, &y, at);
        at += width[i];
    }
    return y;
}

static struct tensor run_pool(const struct max_pool *pool, struct pass *pass, struct tensor x)
{
    const struct tensor y = max_pool_run(pool, pass, &x);
    pass_give(pass, x.p);
    return y;
}

static struct tensor run_second(const struct s3d *s, struct pass *pass, struct tensor x)
{
    const struct tensor narrow = conv_run(&s->narrow, pass, &x);
    pass_give(pass, x.p);
    const struct tensor y = separable_run(&s->wide, pass, &narrow);
    pass_give(pass, narrow.p);
    run_gate(&s->gate, pass, &y, 0);
    return y;
}

struct tensor s3d_run(const struct s3d *s, struct pass *pass, struct tensor x)
{
    for (int i = 0; i < S3D_POOLS; i++) {
        x = run_pool(&s->pool[i], pass, x);
        if (i == 0) {
            x = run_second(s, pass, x);
        }
        for (int j = blocks_from[i]; j < blocks_from[i + 1]; j++) {
            x = run_inception(&s->block[j], pass, x);
        }
    }
    return x;
}

int s3d_side(const struct s3d *s, int in)
{
    for (int i = 0; i < S3D_POOLS; i++) {
        in = max_pool_side(&s->pool[i], in);
    }
    return in;
}

int s3d_frames(const struct s3d *s, int in)
{
    for (int i = 0; i < S3D_POOLS; i++) {
        in = max_pool_frames(&s->pool[i], in);
    }
    return in;
}
