#include "detector/box.h"

#include <math.h>

static float larger(float a, float b)
{
    return a > b ? a : b;
}

static float smaller(float a, float b)
{
    return a < b ? a : b;
}

float box_area(struct box b, float plus)
{
    return (b.x2 - b.x1 + plus) * (b.y2 - b.y1 + plus);
}

float box_iou(struct box a, struct box b, float plus)
{
    const float w = larger(0.0f, smaller(a.x2, b.x2) - larger(a.x1, b.x1) + plus);
    const float h = larger(0.0f, smaller(a.y2, b.y2) - larger(a.y1, b.y1) + plus);
    const float inter = w * h;
    return inter / (box_area(a, plus) + box_area(b, plus) - inter);
}

#define LOG_1000_16 4.135166556742356f

const struct box_coder box_coder_caffe = {
    .plus = 1, .weight = {1, 1, 1, 1}, .limit = __builtin_inff()};
const struct box_coder box_coder_maskrcnn = {
    .plus = 1, .short_by = 1, .weight = {1, 1, 1, 1}, .limit = LOG_1000_16};
const struct box_coder box_coder_torch = {.weight = {1, 1, 1, 1}, .limit = LOG_1000_16};

struct box_coder box_coder_second(struct box_coder coder)
{
    coder.weight[0] = coder.weight[1] = 10;
    coder.weight[2] = coder.weight[3] = 5;
    return coder;
}

struct box box_decode(const struct box_coder *coder, struct box b, const float delta[4])
{
    const float w = b.x2 - b.x1 + coder->plus;
    const float h = b.y2 - b.y1 + coder->plus;
    const float cx = delta[0] / coder->weight[0] * w + (b.x1 + 0.5f * w);
    const float cy = delta[1] / coder->weight[1] * h + (b.y1 + 0.5f * h);
    const float pw = expf(smaller(delta[2] / coder->weight[2], coder->limit)) * w;
    const float ph = expf(smaller(delta[3] / coder->weight[3], coder->limit)) * h;
    return (struct box){cx - 0.5f * pw, cy - 0.5f * ph, cx + 0.5f * pw - coder->short_by,
                        cy + 0.5f * ph - coder->short_by};
}

struct box box_clip(struct box b, float width, float height, float plus)
{
    const float right = width - plus;
    const float bottom = height - plus;
    return (struct box){larger(smaller(b.x1, right), 0.0f), larger(smaller(b.y1, bottom), 0.0f),
                        larger(smaller(b.x2, right), 0.0f), larger(smaller(b.y2, bottom), 0.0f)};
}

float above(double x)
{
    const float f = (float)x;
    return (double)f > x ? f : nextafterf(f, __builtin_inff());
}

static struct box centred(double cx, double cy, double w, double h)
{
    return (struct box){(float)(cx - 0.5 * (w - 1)), (float)(cy - 0.5 * (h - 1)),
                        (float)(cx + 0.5 * (w - 1)), (float)(cy + 0.5 * (h - 1))};
}

void anchors_generate(double base, const double *ratios, int ratio_count, const double *scales,
                      int scale_count, struct box *out)
{
    const double centre = 0.5 * (base - 1);
    for (int r = 0; r < ratio_count; r++) {
        const double w = rint(sqrt(base * base / ratios[r]));
        const double h = rint(w * ratios[r]);
        for (int s = 0; s < scale_count; s++) {
            *out++ = centred(centre, centre, w * scales[s], h * scales[s]);
        }
    }
}

void anchors_detectron2(const double *sizes, int size_count, const double *ratios, int ratio_count,
                        struct box *out)
{
    for (int s = 0; s < size_count; s++) {
        for (int r = 0; r < ratio_count; r++) {
            const double w = sqrt(sizes[s] * sizes[s] / ratios[r]);
            const double h = ratios[r] * w;
            *out++ = (struct box){(float)(-w / 2), (float)(-h / 2), (float)(w / 2), (float)(h / 2)};
        }
    }
}

void anchors_torchvision(double size, const double *ratios, int ratio_count, struct box *out)
{
    for (int r = 0; r < ratio_count; r++) {
        const float tall = sqrtf((float)ratios[r]);
        const float w = 1.0f / tall * (float)size;
        const float h = tall * (float)size;
        *out++ = (struct box){rintf(-w / 2), rintf(-h / 2), rintf(w / 2), rintf(h / 2)};
    }
}
