#include "detector/rpn.h"

void rpn_build(struct model *m, const struct rpn_plan *plan, struct rpn *rpn)
{
    int in = plan->in;
    for (int i = 0; i < RPN_DEPTH && plan->hidden[i]; i++) {
        rpn->hidden[i] = (struct conv){
            .in = in, .kernel = 3, .stride = 1, .pad = 1, .dilation = 1, .relu = true};
        model_conv(m, plan->hidden[i], &rpn->hidden[i]);
        in = rpn->hidden[i].out;
        rpn->depth = i + 1;
    }
    const int scores = plan->anchors * (plan->objectness == OBJECTNESS_SOFTMAX ? 2 : 1);
    rpn->score = (struct conv){.in = in, .out = scores, .kernel = 1, .stride = 1, .dilation = 1};
    model_conv(m, plan->score, &rpn->score);
    rpn->delta =
        (struct conv){.in = in, .out = 4 * plan->anchors, .kernel = 1, .stride = 1, .dilation = 1};
    model_conv(m, plan->delta, &rpn->delta);
}

void rpn_run(const struct rpn *rpn, struct pass *pass, const struct tensor *features,
             struct tensor *score, struct tensor *delta)
{
    struct tensor hidden = conv_run(&rpn->hidden[0], pass, features);
    for (int i = 1; i < rpn->depth; i++) {
        const struct tensor next = conv_run(&rpn->hidden[i], pass, &hidden);
        pass_give(pass, hidden.p);
        hidden = next;
    }
    *score = conv_run(&rpn->score, pass, &hidden);
    *delta = conv_run(&rpn->delta, pass, &hidden);
    pass_give(pass, hidden.p);
}
