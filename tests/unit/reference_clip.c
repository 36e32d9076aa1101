#include "reference_clip.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detector/safetensors_write.h"

struct reference {
    const struct clip_plan *plan;
    struct dice dice;
    struct safetensors_writer file;
    void *held[4096]; /* freed at the end */
    size_t held_count;
};

/* v[c][t][y][x] */
struct volume {
    int c;
    int t;
    int h;
    int w;
    double *v;
};

/* Three numbers: along time, down, across. */
struct triple {
    int t;
    int y;
    int x;
};

static const struct triple one = {1, 1, 1};
static const struct triple two = {2, 2, 2};
static const struct triple none = {0, 0, 0};

static void *keep(struct reference *r, size_t n, size_t size)
{
    BUG_ON(r->held_count == sizeof r->held / sizeof *r->held);
    return r->held[r->held_count++] = calloc(n + 1, size);
}

static struct volume volume_new(struct reference *r, int c, int t, int h, int w)
{
    return (struct volume){c, t, h, w, keep(r, (size_t)c * t * h * w, sizeof(double))};
}

static double *value(struct volume m, int c, int t, int y, int x)
{
    return m.v + (((size_t)c * m.t + t) * m.h + y) * m.w + x;
}

static bool inside(struct volume m, int t, int y, int x)
{
    return t >= 0 && y >= 0 && x >= 0 && t < m.t && y < m.h && x < m.w;
}

/* ---- layers ---- */

/* Normal numbers of that deviation, also into the file. */
static const float *draw(struct reference *r, const char *layer, const char *kind, int dims,
                         const uint64_t *shape, double deviation)
{
    char name[96];
    size_t count = 1;
    for (int d = 0; d < dims; d++) {
        count *= shape[d];
    }
    float *mine = keep(r, count, sizeof *mine);
    for (size_t i = 0; i < count; i++) {
        mine[i] = (float)deviation * dice_normal(&r->dice);
    }
    snprintf(name, sizeof name, "%s.%s", layer, kind);
    if (!r->plan->spoil || strcmp(r->plan->spoil, name) != 0) {
        float *filed;
        BUG_ON(safetensors_writer_add(&r->file, name, dims, shape, &filed));
        memcpy(filed, mine, count * sizeof *mine);
    }
    return mine;
}

static int outputs(int in, int kernel, int stride, int before, int after)
{
    return (in + before + after - kernel) / stride + 1;
}

/* The sum under the kernel at one output place. */
static double under(struct volume x, const float *w, struct triple k, int t, int y, int z)
{
    double sum = 0;
    for (int i = 0; i < x.c; i++) {
        for (int a = 0; a < k.t * k.y * k.x; a++) {
            const int at = t + a / (k.y * k.x);
            const int row = y + a / k.x % k.y;
            const int column = z + a % k.x;
            if (inside(x, at, row, column)) {
                sum += *value(x, i, at, row, column) * (double)w[i * k.t * k.y * k.x + a];
            }
        }
    }
    return sum;
}

/* A convolution whose file's shape has 5 dimensions, or 4 where `flat`. */
struct layer {
    int out;
    struct triple kernel;
    struct triple stride;
    struct triple pad;
    bool relu;
    bool flat;
};

static struct volume conv(struct reference *r, const char *name, struct volume x, struct layer l)
{
    const struct triple k = l.kernel;
    const int area = k.t * k.y * k.x;
    const uint64_t deep[5] = {l.out, x.c, k.t, k.y, k.x};
    const uint64_t flat[4] = {l.out, x.c, k.y, k.x};
    const double gain = sqrt((l.relu ? 2.0 : 1.0) / (x.c * area));
    const float *w = draw(r, name, "weight", l.flat ? 4 : 5, l.flat ? flat : deep, gain);
    const float *bias = draw(r, name, "bias", 1, deep, 0.2);
    const struct volume y = volume_new(r, l.out, outputs(x.t, k.t, l.stride.t, l.pad.t, l.pad.t),
                                       outputs(x.h, k.y, l.stride.y, l.pad.y, l.pad.y),
                                       outputs(x.w, k.x, l.stride.x, l.pad.x, l.pad.x));
    for (int i = 0; i < y.c * y.t * y.h * y.w; i++) {
        const int o = i / (y.t * y.h * y.w);
        const double sum = (double)bias[o] + under(x, w + (size_t)o * x.c * area, k,
                                                   i / (y.h * y.w) % y.t * l.stride.t - l.pad.t,
                                                   i / y.w % y.h * l.stride.y - l.pad.y,
                                                   i % y.w * l.stride.x - l.pad.x);
        y.v[i] = l.relu && sum < 0 ? 0 : sum;
    }
    return y;
}

static struct volume point(struct reference *r, const char *name, struct volume x, int out)
{
    return conv(r, name, x, (struct layer){out, one, one, none, true, false});
}

/* k x k in the plane, then k along time. */
static struct volume separable(struct reference *r, const char *space, const char *time,
                               struct volume x, int middle, int out, int k, struct triple stride,
                               bool relu)
{
    const struct volume flat = conv(
        r, space, x,
        (struct layer){middle, {1, k, k}, {1, stride.y, stride.x}, {0, k / 2, k / 2}, true, false});
    return conv(r, time, flat,
                (struct layer){out, {k, 1, 1}, {stride.t, 1, 1}, {k / 2, 0, 0}, relu, false});
}

/* Windows of k, padded with `edge` before and after; partial ones count where `ceil`. */
static struct volume pool(struct reference *r, struct volume x, struct triple k, struct triple s,
                          struct triple before, struct triple after, double edge, bool ceil)
{
    const struct triple more = ceil ? (struct triple){s.t - 1, s.y - 1, s.x - 1} : none;
    const struct volume y = volume_new(r, x.c, outputs(x.t, k.t, s.t, before.t, after.t + more.t),
                                       outputs(x.h, k.y, s.y, before.y, after.y + more.y),
                                       outputs(x.w, k.x, s.x, before.x, after.x + more.x));
    for (int i = 0; i < y.c * y.t * y.h * y.w; i++) {
        double best = -INFINITY;
        for (int a = 0; a < k.t * k.y * k.x; a++) {
            const int t = i / (y.h * y.w) % y.t * s.t - before.t + a / (k.y * k.x);
            const int row = i / y.w % y.h * s.y - before.y + a / k.x % k.y;
            const int column = i % y.w * s.x - before.x + a % k.x;
            const bool padded = t < x.t + after.t && row < x.h + after.y && column < x.w + after.x;
            const double v = inside(x, t, row, column)
                                 ? *value(x, i / (y.t * y.h * y.w), t, row, column)
                             : padded ? edge
                                      : -INFINITY;
            best = fmax(best, v);
        }
        y.v[i] = best;
    }
    return y;
}

/* torch's own padding: -infinity, no partial windows. */
static struct volume torch_pool(struct reference *r, struct volume x, int kt, int k, int st, int s)
{
    const struct triple pad = {kt == 3, k == 3, k == 3};
    return pool(r, x, (struct triple){kt, k, k}, (struct triple){st, s, s}, pad, pad, -INFINITY,
                false);
}

static struct volume concat(struct reference *r, struct volume a, struct volume b)
{
    const struct volume y = volume_new(r, a.c + b.c, a.t, a.h, a.w);
    const size_t n = (size_t)a.c * a.t * a.h * a.w;
    memcpy(y.v, a.v, n * sizeof *y.v);
    memcpy(y.v + n, b.v, (size_t)b.c * b.t * b.h * b.w * sizeof *y.v);
    return y;
}

static double *mean(struct reference *r, struct volume x)
{
    double *m = keep(r, (size_t)x.c, sizeof *m);
    const int n = x.t * x.h * x.w;
    for (int i = 0; i < x.c * n; i++) {
        m[i / n] += x.v[i] / n;
    }
    return m;
}

static double *linear(struct reference *r, const char *name, const double *x, int in, int out)
{
    const uint64_t shape[2] = {out, in};
    const float *w = draw(r, name, "weight", 2, shape, 2 / sqrt(in));
    const float *bias = draw(r, name, "bias", 1, shape, 0.2);
    double *y = keep(r, (size_t)out, sizeof *y);
    for (int i = 0; i < out * in; i++) {
        y[i / in] += (double)w[i] * x[i % in] + (i % in == 0 ? (double)bias[i / in] : 0);
    }
    return y;
}

static struct volume gate(struct reference *r, const char *name, struct volume x)
{
    const double *z = linear(r, name, mean(r, x), x.c, x.c);
    const struct volume y = volume_new(r, x.c, x.t, x.h, x.w);
    for (int i = 0; i < x.c * x.t * x.h * x.w; i++) {
        y.v[i] = x.v[i] / (1 + exp(-z[i / (x.t * x.h * x.w)]));
    }
    return y;
}

static struct volume add(struct reference *r, struct volume a, struct volume b)
{
    const struct volume y = volume_new(r, a.c, a.t, a.h, a.w);
    for (int i = 0; i < a.c * a.t * a.h * a.w; i++) {
        y.v[i] = fmax(0, a.v[i] + b.v[i]);
    }
    return y;
}

/* ---- networks ---- */

static double *softmax(struct reference *r, const double *z, int n)
{
    double *p = keep(r, (size_t)n, sizeof *p);
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += exp(z[i]);
    }
    for (int i = 0; i < n; i++) {
        p[i] = exp(z[i]) / sum;
    }
    return p;
}

static const char *name_of(struct reference *r, const char *a, const char *b)
{
    char *name = keep(r, 96, 1);
    snprintf(name, 96, "%s.%s", a, b);
    return name;
}

static const char *numbered(struct reference *r, const char *kind, int stage, int block)
{
    char *name = keep(r, 96, 1);
    snprintf(name, 96, "%s%d.%d", kind, stage, block);
    return name;
}

static struct volume bottleneck(struct reference *r, const char *name, struct volume x, int narrow,
                                int stride, bool projects)
{
    const struct triple s = {1, stride, stride};
    struct volume y =
        conv(r, name_of(r, name, "conv1"), x, (struct layer){narrow, one, one, none, true, true});
    y = conv(r, name_of(r, name, "conv2"), y,
             (struct layer){narrow, {1, 3, 3}, s, {0, 1, 1}, true, true});
    y = conv(r, name_of(r, name, "conv3"), y,
             (struct layer){4 * narrow, one, one, none, false, true});
    const struct volume shortcut = projects
                                       ? conv(r, name_of(r, name, "downsample.0"), x,
                                              (struct layer){4 * narrow, one, s, none, false, true})
                                       : x;
    return add(r, y, shortcut);
}

/* torchvision's ResNet; frames are a batch. Pooling leaves one row a frame. */
static void run_resnet(struct reference *r, struct volume x, struct reference_features *out)
{
    x = conv(r, "conv1", x,
             (struct layer){r->plan->narrow, {1, 7, 7}, {1, 2, 2}, {0, 3, 3}, true, true});
    x = torch_pool(r, x, 1, 3, 1, 2);
    for (int s = 0; s < REFERENCE_STAGES; s++) {
        for (int i = 0; i < r->plan->blocks[s]; i++) {
            x = bottleneck(r, numbered(r, "layer", s + 1, i), x, r->plan->narrow + s,
                           s > 0 && i == 0 ? 2 : 1, i == 0);
        }
    }
    const uint64_t shape[2] = {r->plan->classes, x.c};
    const float *w = draw(r, "fc", "weight", 2, shape, 1);
    const float *bias = draw(r, "fc", "bias", 1, shape, 0.2);
    *out = (struct reference_features){.n = x.t, .dim = x.c, .classes = r->plan->classes};
    out->features = calloc((size_t)x.t * x.c, sizeof(double));
    out->scores = calloc((size_t)x.t * out->classes, sizeof(double));
    for (int t = 0; t < x.t; t++) {
        double *z = keep(r, (size_t)out->classes, sizeof *z);
        double *f = out->features + t * x.c;
        for (int i = 0; i < x.c * x.h * x.w; i++) {
            f[i / (x.h * x.w)] +=
                *value(x, i / (x.h * x.w), t, i / x.w % x.h, i % x.w) / (x.h * x.w);
        }
        for (int i = 0; i < out->classes * x.c; i++) {
            z[i / x.c] += (double)w[i] * f[i % x.c] + (i % x.c ? 0 : (double)bias[i / x.c]);
        }
        memcpy(out->scores + t * out->classes, softmax(r, z, out->classes),
               (size_t)out->classes * sizeof(double));
    }
}

static struct volume cubic(struct reference *r, const char *name, struct volume x, int out,
                           int stride, bool relu)
{
    const struct triple s = {stride, stride, stride};
    if (strcmp(r->plan->architecture, "r2plus1d-18") == 0) {
        return separable(r, name_of(r, name, "0.0"), name_of(r, name, "0.3"), x, out + 3, out, 3, s,
                         relu);
    }
    return conv(r, name_of(r, name, "0"), x, (struct layer){out, {3, 3, 3}, s, one, relu, false});
}

static struct volume basic_block(struct reference *r, const char *name, struct volume x, int width,
                                 int stride)
{
    struct volume y = cubic(r, name_of(r, name, "conv1"), x, width, stride, true);
    y = cubic(r, name_of(r, name, "conv2"), y, width, 1, false);
    const struct volume shortcut = stride > 1
                                       ? conv(r, name_of(r, name, "downsample.0"), x,
                                              (struct layer){width, one, two, none, false, false})
                                       : x;
    return add(r, y, shortcut);
}

static void one_row(struct reference *r, const double *feature, int dim, const double *z,
                    struct reference_features *out)
{
    *out = (struct reference_features){.n = 1, .dim = dim, .classes = r->plan->classes};
    out->features = malloc((size_t)dim * sizeof(double));
    out->scores = malloc((size_t)out->classes * sizeof(double));
    memcpy(out->features, feature, (size_t)dim * sizeof(double));
    memcpy(out->scores, softmax(r, z, out->classes), (size_t)out->classes * sizeof(double));
}

/* torchvision's R3D and R(2+1)D. */
static void run_r3d(struct reference *r, struct volume x, struct reference_features *out)
{
    const int narrow = r->plan->narrow;
    const bool flat = strcmp(r->plan->architecture, "r2plus1d-18") == 0;
    x = conv(r, "stem.0", x,
             (struct layer){flat ? narrow - 1 : narrow,
                            {flat ? 1 : 3, 7, 7},
                            {1, 2, 2},
                            {flat ? 0 : 1, 3, 3},
                            true,
                            false});
    if (flat) {
        x = conv(r, "stem.3", x, (struct layer){narrow, {3, 1, 1}, one, {1, 0, 0}, true, false});
    }
    for (int s = 0; s < REFERENCE_STAGES; s++) {
        for (int i = 0; i < r->plan->blocks[s]; i++) {
            x = basic_block(r, numbered(r, "layer", s + 1, i), x, narrow + 2 * s,
                            s > 0 && i == 0 ? 2 : 1);
        }
    }
    const double *feature = mean(r, x);
    one_row(r, feature, x.c, linear(r, "fc", feature, x.c, r->plan->classes), out);
}

/* An Inception block's parts under one source's names. */
struct parts {
    const char *b0, *b1a, *b1b, *b1c, *b2a, *b2b, *b2c, *b3;
};

static const struct parts torchvision_parts = {"branch0.0",     "branch1.0.0", "branch1.1.0.0",
                                               "branch1.1.1.0", "branch2.0.0", "branch2.1.0.0",
                                               "branch2.1.1.0", "branch3.1.0"};
static const struct parts mil_nce_parts = {"conv_b0.conv1",   "conv_b1_a.conv1", "conv_b1_b.conv1",
                                           "conv_b1_b.conv2", "conv_b2_a.conv1", "conv_b2_b.conv1",
                                           "conv_b2_b.conv2", "conv_b3_b.conv1"};

static struct volume maybe_gate(struct reference *r, const char *block, const char *part,
                                struct volume x, bool gated)
{
    return gated ? gate(r, name_of(r, block, part), x) : x;
}

static struct volume inception(struct reference *r, const char *name, const struct parts *p,
                               struct volume x, bool gated)
{
    const int n = r->plan->narrow;
    const struct volume b0 = point(r, name_of(r, name, p->b0), x, n + 1);
    struct volume b1 = point(r, name_of(r, name, p->b1a), x, n);
    b1 = separable(r, name_of(r, name, p->b1b), name_of(r, name, p->b1c), b1, n + 3, n + 2, 3, one,
                   true);
    struct volume b2 = point(r, name_of(r, name, p->b2a), x, n - 1);
    b2 = separable(r, name_of(r, name, p->b2b), name_of(r, name, p->b2c), b2, n, n, 3, one, true);
    const struct volume b3 = point(r, name_of(r, name, p->b3), torch_pool(r, x, 3, 3, 1, 1), n - 1);
    const struct volume left = concat(r, maybe_gate(r, name, "gating_b0.fc", b0, gated),
                                      maybe_gate(r, name, "gating_b1.fc", b1, gated));
    const struct volume right = concat(r, maybe_gate(r, name, "gating_b2.fc", b2, gated),
                                       maybe_gate(r, name, "gating_b3.fc", b3, gated));
    return concat(r, left, right);
}

/* The mean of AvgPool3d((2, k, k), stride 1). */
static double *mean_of_windows(struct reference *r, struct volume x, int k)
{
    double *m = keep(r, (size_t)x.c, sizeof *m);
    const int windows = (x.t - 1) * (x.h - k + 1) * (x.w - k + 1);
    for (int c = 0; c < x.c; c++) {
        for (int i = 0; i < windows * 2 * k * k; i++) {
            const int at = i / (2 * k * k);
            const int t = at / ((x.h - k + 1) * (x.w - k + 1)) + i / (k * k) % 2;
            const int y = at / (x.w - k + 1) % (x.h - k + 1) + i / k % k;
            m[c] += *value(x, c, t, y, at % (x.w - k + 1) + i % k) / (windows * 2 * k * k);
        }
    }
    return m;
}

/* torchvision's S3D, its average pool 2 frames by 2 pixels. */
static void run_s3d(struct reference *r, struct volume x, struct reference_features *out)
{
    const int n = r->plan->narrow;
    x = separable(r, "features.0.0.0", "features.0.1.0", x, n, n + 1, 7, two, true);
    x = point(r, "features.2.0", torch_pool(r, x, 1, 3, 1, 2), n);
    x = separable(r, "features.3.0.0", "features.3.1.0", x, n + 2, n + 1, 3, one, true);
    x = torch_pool(r, x, 1, 3, 1, 2);
    for (int i = 5; i <= 15; i++) {
        char name[32];
        snprintf(name, sizeof name, "features.%d", i);
        x = i == 7    ? torch_pool(r, x, 3, 3, 2, 2)
            : i == 13 ? torch_pool(r, x, 2, 2, 2, 2)
                      : inception(r, name, &torchvision_parts, x, false);
    }
    const double *feature = mean_of_windows(r, x, 2);
    struct volume single = volume_new(r, x.c, 1, 1, 1);
    memcpy(single.v, feature, (size_t)x.c * sizeof(double));
    const struct volume z = conv(r, "classifier.1", single,
                                 (struct layer){r->plan->classes, one, one, none, false, false});
    one_row(r, feature, x.c, z.v, out);
}

/* MIL-NCE's padding: zeros behind alone, as many as the kernel is longer than the stride. */
static struct volume same_pool(struct reference *r, struct volume x, int kt, int k)
{
    const struct triple behind = {kt == 3, k == 3, k == 3};
    return pool(r, x, (struct triple){kt, k, k}, (struct triple){kt > 1 ? 2 : 1, 2, 2}, none,
                behind, 0, true);
}

/* 2 x 2 x 2 pixels become channels: time, row, column, colour. */
static struct volume to_depth(struct reference *r, struct volume x)
{
    const struct volume y = volume_new(r, 8 * x.c, x.t / 2, x.h / 2, x.w / 2);
    for (int c = 0; c < y.c; c++) {
        const int corner = c / x.c;
        for (int i = 0; i < y.t * y.h * y.w; i++) {
            const int t = i / (y.h * y.w);
            const int row = i / y.w % y.h;
            *value(y, c, t, row, i % y.w) =
                *value(x, c % x.c, 2 * t + corner / 4, 2 * row + corner / 2 % 2,
                       2 * (i % y.w) + corner % 2);
        }
    }
    return y;
}

/* Without its first frame, row and column. */
static struct volume drop_first(struct reference *r, struct volume x)
{
    const struct volume y = volume_new(r, x.c, x.t - 1, x.h - 1, x.w - 1);
    for (int i = 0; i < y.c * y.t * y.h * y.w; i++) {
        y.v[i] = *value(x, i / (y.t * y.h * y.w), i / (y.h * y.w) % y.t + 1, i / y.w % y.h + 1,
                        i % y.w + 1);
    }
    return y;
}

static void run_s3dg(struct reference *r, struct volume x, struct reference_features *out)
{
    static const char *const block[] = {"mixed_3b", "mixed_3c", "mixed_4b", "mixed_4c", "mixed_4d",
                                        "mixed_4e", "mixed_4f", "mixed_5b", "mixed_5c"};
    const int n = r->plan->narrow;
    x = conv(r, "conv1.conv1", to_depth(r, x),
             (struct layer){n, {2, 4, 4}, one, {1, 2, 2}, true, false});
    x = point(r, "conv_2b.conv1", same_pool(r, drop_first(r, x), 1, 3), n);
    x = separable(r, "conv_2c.conv1", "conv_2c.conv2", x, n + 2, n + 1, 3, one, true);
    x = same_pool(r, gate(r, "gating.fc", x), 1, 3);
    for (int i = 0; i < 9; i++) {
        x = i == 2 ? same_pool(r, x, 3, 3) : i == 7 ? same_pool(r, x, 2, 2) : x;
        x = inception(r, block[i], &mil_nce_parts, x, true);
    }
    const double *feature = mean(r, x);
    const double *z = linear(r, "fc", feature, x.c, r->plan->classes);
    one_row(r, feature, x.c, z, out);
    free(out->scores);
    out->scores = NULL;
    out->embedding_dim = out->classes;
    out->classes = 0;
    out->embedding = malloc((size_t)out->embedding_dim * sizeof(double));
    memcpy(out->embedding, z, (size_t)out->embedding_dim * sizeof(double));
}

/* ---- files ---- */

static struct volume read_frames(struct reference *r, const uint8_t *rgb)
{
    const struct clip_plan *p = r->plan;
    const struct volume x = volume_new(r, 3, p->frames, p->height, p->width);
    for (int i = 0; i < 3 * p->frames * p->height * p->width; i++) {
        const int c = i / (p->frames * p->height * p->width);
        const int pixel = i % (p->frames * p->height * p->width);
        x.v[i] = (rgb[3 * pixel + c] - (100.0 + c)) / (50.0 + c);
    }
    return x;
}

static void write_metadata(struct reference *r)
{
    const struct clip_plan *p = r->plan;
    char preprocess[256];
    char names[1024] = "[";
    for (int i = 0; i < p->names; i++) {
        const size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s\"class %d\"", i ? ", " : "", i);
    }
    const size_t end = strlen(names);
    snprintf(names + end, sizeof names - end, "]");
    snprintf(preprocess, sizeof preprocess,
             "{\"channels\": \"RGB\", \"mean\": [100, 101, 102], \"std\": [50, 51, 52], "
             "\"resize\": \"torch\", \"size\": [%d, %d], \"crop\": [%d, %d]}",
             p->width, p->height, p->width, p->height);
    BUG_ON(safetensors_writer_metadata(&r->file, "format", "pairmill-model/1"));
    BUG_ON(safetensors_writer_metadata(&r->file, "architecture", p->architecture));
    BUG_ON(safetensors_writer_metadata(&r->file, "config", p->config));
    BUG_ON(safetensors_writer_metadata(&r->file, "preprocess", preprocess));
    BUG_ON(safetensors_writer_metadata(&r->file, "objects", names));
    BUG_ON(safetensors_writer_metadata(&r->file, "attributes", "[]"));
}

void reference_clip(const struct clip_plan *plan, const uint8_t *rgb, const char *path,
                    struct reference_features *out)
{
    static struct reference r;
    r = (struct reference){.plan = plan, .dice = {.seed = plan->seed}};
    BUG_ON(safetensors_writer_init(&r.file));
    write_metadata(&r);
    const struct volume x = read_frames(&r, rgb);
    if (strcmp(plan->architecture, "s3d") == 0) {
        run_s3d(&r, x, out);
    } else if (strcmp(plan->architecture, "s3dg-howto100m") == 0) {
        run_s3dg(&r, x, out);
    } else if (strncmp(plan->architecture, "resnet", 6) == 0) {
        run_resnet(&r, x, out);
    } else {
        run_r3d(&r, x, out);
    }
    BUG_ON(safetensors_writer_save(&r.file, path));
    safetensors_writer_release(&r.file);
    while (r.held_count) {
        free(r.held[--r.held_count]);
    }
}

void reference_features_release(struct reference_features *f)
{
    free(f->features);
    free(f->scores);
    free(f->embedding);
}
