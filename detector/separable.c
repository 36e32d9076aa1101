#include "detector/separable.h"

void separable_build(struct model *m, const char *space, const char *time, int in, int kernel,
                     int stride, bool relu, struct separable *s)
{
    s->space = (struct conv){.in = in,
                             .kernel = kernel,
                             .stride = stride,
                             .pad = kernel / 2,
                             .dilation = 1,
                             .taps = 1,
                             .relu = true};
    model_conv(m, space, &s->space);
    s->time = (struct conv){.in = s->space.out,
                            .kernel = 1,
                            .stride = 1,
                            .dilation = 1,
                            .taps = kernel,
                            .tap_stride = stride,
                            .tap_pad = kernel / 2,
                            .relu = relu};
    model_conv(m, time, &s->time);
}

struct tensor separable_run(const struct separable *s, struct pass *pass, const struct tensor *x)
{
    const struct tensor flat = conv_run(&s->space, pass, x);
    const struct tensor y = conv_run(&s->time, pass, &flat);
    pass_give(pass, flat.p);
    return y;
}

void separable_run_into(const struct separable *s, struct pass *pass, const struct tensor *x,
                        const struct tensor *y, int at)
{
    const struct tensor flat = conv_run(&s->space, pass, x);
    conv_run_into(&s->time, pass, &flat, y, at);
    pass_give(pass, flat.p);
}

void separable_add(const struct separable *s, struct pass *pass, const struct tensor *x,
                   const struct tensor *y)
{
    const struct tensor flat = conv_run(&s->space, pass, x);
    conv_add(&s->time, pass, &flat, y);
    pass_give(pass, flat.p);
}
