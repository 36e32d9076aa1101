#include "detector/classifier.h"

#include "detector/softmax.h"

void classifier_build(struct model *m, const char *name, int in, bool cubic, struct conv *c)
{
    *c = (struct conv){.in = in, .kernel = 1, .stride = 1, .dilation = 1, .taps = cubic};
    if (cubic) {
        model_conv(m, name, c);
    } else {
        model_linear(m, name, c);
    }
    if (m->objects.n && (int)m->objects.n != c->out) {
        model_fail(m, "the vocabulary \"objects\" has %u names, but %s gives %d class scores",
                   m->objects.n, name, c->out);
    }
}

const float *classifier_run(const struct conv *c, struct pass *pass, float *features, int n)
{
    const struct tensor x = {.p = features, .n = n, .h = 1, .w = 1, .c = c->in};
    const struct tensor scores = conv_run(c, pass, &x);
    if (pass_step(pass, "softmax", 0)) {
        softmax_rows(scores.p, (size_t)n, (size_t)c->out);
    }
    return scores.p;
}
