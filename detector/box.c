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

struct box box_decode(struct box b, const float delta[4], float plus)
{
    const float w = b.x2 - b.x1 + plus;
    const float h = b.y2 - b.y1 + plus;
    const float cx = delta[0] * w + (b.x1 + 0.5f * w);
    const float cy = delta[1] * h + (b.y1 + 0.5f * h);
    const float pw = expf(delta[2]) * w;
    const float ph = expf(delta[3]) * h;
    return (struct box){cx - 0.5f * pw, cy - 0.5f * ph, cx + 0.5f * pw, cy + 0.5f * ph};
}

struct box box_clip(struct box b, float width, float height, float plus)
{
    const float right = width - plus;
    const float bottom = height - plus;
    return (struct box){larger(smaller(b.x1, right), 0.0f), larger(smaller(b.y1, bottom), 0.0f),
                        larger(smaller(b.x2, right), 0.0f), larger(smaller(b.y2, bottom), 0.0f)};
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
