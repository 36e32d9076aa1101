#include "shards/feed_message.h"

#include <stdlib.h>

/* ---- writing ---- */

void feed_writer_begin(struct feed_writer *w)
{
    wire_list_begin(&w->plans, FEED_PLANS_MAX);
    w->frame_count = 1; /* frame 0 is for the plans */
    w->bytes = 0;
    w->samples = 0;
}

void feed_writer_release(struct feed_writer *w)
{
    wire_list_out_release(&w->plans);
}

bool feed_writer_full(const struct feed_writer *w)
{
    return w->bytes >= FEED_MESSAGE_BYTES || w->samples == FEED_MESSAGE_SAMPLES ||
           w->frame_count == WIRE_PAYLOAD_FRAMES_MAX || w->plans.rc;
}

/* The frame that holds a medium's record; a new one if no sample before used it. */
static size_t visual_frame(struct feed_writer *w, uint64_t medium, struct view visual)
{
    for (size_t i = 1; i < w->frame_count; i++) {
        if (w->media[i] == medium) {
            return i;
        }
    }
    w->frames[w->frame_count] = visual;
    w->media[w->frame_count] = medium;
    w->bytes += visual.n;
    return w->frame_count++;
}

static bool has_random(const struct plan *p)
{
    return memchr(p->token_op, MASK_RANDOM, p->tokens) != NULL;
}

static bool has_tasks(const struct plan *p)
{
    for (uint32_t i = 0; i < p->tokens; i++) {
        if (p->token_for[i]) {
            return true;
        }
    }
    return false;
}

void feed_writer_add(struct feed_writer *w, const struct plan *plan, struct view pair,
                     struct view visual)
{
    BUG_ON(feed_writer_full(w));
    if (w->samples++ == 0) {
        w->first = plan->position;
    }
    struct wire_out *o = wire_list_item(&w->plans);
    wire_put_u64(o, "position", plan->position);
    wire_put_u64(o, "epoch", plan->epoch);
    wire_put_u64(o, "task", plan->task);
    wire_put_u64(o, "match", plan->match);
    wire_put_bin(o, "token_op", view_of(plan->token_op, plan->tokens));
    if (has_random(plan)) {
        wire_put_bin(o, "token_random", view_of(plan->token_random, (size_t)plan->tokens * 4));
    }
    if (has_tasks(plan)) {
        wire_put_bin(o, "token_for", view_of(plan->token_for, plan->tokens));
    }
    wire_put_bin(o, "pair", pair);
    wire_put_u64(o, "visual", visual_frame(w, plan->medium, visual));
    wire_list_item_end(&w->plans);
    w->bytes += pair.n;
}

int feed_writer_end(struct feed_writer *w, const struct view **frames, size_t *n)
{
    *frames = w->frames;
    *n = w->frame_count;
    return wire_list_end(&w->plans, &w->frames[0]);
}

/* ---- reading ---- */

int feed_reader_init(struct feed_reader *r, const struct wire_in *in)
{
    *r = (struct feed_reader){.in = in};
    if (in->payload_count == 0) {
        return err_set(E_PEER, "a SAMPLES message without its plans");
    }
    const int rc = wire_list_parse(in->payload[0], FEED_MESSAGE_SAMPLES, &r->plans);
    r->open = true;
    r->samples = rc ? 0 : r->plans.n;
    return rc;
}

void feed_reader_release(struct feed_reader *r)
{
    if (r->open) {
        wire_list_release(&r->plans);
        r->open = false;
    }
}

int feed_get_u32(const struct wire_map *m, const char *key, uint64_t max, uint32_t *v)
{
    uint64_t wide = 0;
    const int rc = wire_get_u64(m, key, &wide);
    if (rc) {
        return rc;
    }
    if (wide > max || wide > UINT32_MAX) {
        return err_set(E_PEER, "a message's \"%s\" is %llu; at most %llu is allowed", key,
                       (unsigned long long)wide, (unsigned long long)max);
    }
    *v = (uint32_t)wide;
    return 0;
}

static int read_tokens(const struct wire_map *m, struct plan *p)
{
    struct view ops;
    struct view random;
    int rc = wire_get_bin(m, "token_op", &ops);
    if (rc == 0 && ops.n > PLAN_TOKENS_MAX) {
        rc = err_set(E_PEER, "a plan for %zu sub-tokens", ops.n);
    }
    if (rc) {
        return rc;
    }
    p->tokens = (uint32_t)ops.n;
    memcpy(p->token_op, ops.p, ops.n);
    for (size_t i = 0; i < ops.n; i++) {
        if (p->token_op[i] > MASK_KEEP) {
            return err_set(E_PEER, "a plan with mask operation %u, which there is not",
                           p->token_op[i]);
        }
    }
    if (!has_random(p)) {
        return 0;
    }
    rc = wire_get_bin(m, "token_random", &random);
    if (rc == 0 && random.n != ops.n * 4) {
        rc = err_set(E_PEER, "a plan with %zu bytes of random sub-tokens", random.n);
    }
    if (rc == 0) {
        memcpy(p->token_random, random.p, random.n);
    }
    return rc;
}

/* Absent where the recipe does not tell which task chose a sub-token. */
static int read_token_tasks(const struct wire_map *m, const struct recipe *recipe, struct plan *p)
{
    struct view tasks;
    if (!wire_has(m, "token_for")) {
        return 0;
    }
    const int rc = wire_get_bin(m, "token_for", &tasks);
    if (rc) {
        return rc;
    }
    if (tasks.n != p->tokens) {
        return err_set(E_PEER, "a plan with the tasks of %zu sub-tokens, but there are %u", tasks.n,
                       p->tokens);
    }
    memcpy(p->token_for, tasks.p, tasks.n);
    for (uint32_t i = 0; i < p->tokens; i++) {
        if (p->token_for[i] >= recipe_task_count(recipe)) {
            return err_set(E_PEER, "a plan with task %u, which the recipe %s has not",
                           p->token_for[i], recipe->name);
        }
    }
    return 0;
}

int feed_reader_sample(const struct feed_reader *r, size_t i, const struct recipe *recipe,
                       struct feed_sample *out)
{
    const struct wire_map m = wire_list_at(&r->plans, i);
    struct plan *p = &out->plan;
    uint32_t frame = 0;
    memset(out, 0, sizeof *out);
    int rc = wire_get_u64(&m, "position", &p->position);
    rc = rc ? rc : feed_get_u32(&m, "epoch", UINT32_MAX, &p->epoch);
    rc = rc ? rc : feed_get_u32(&m, "task", recipe_task_count(recipe) - 1, &p->task);
    rc = rc ? rc : feed_get_u32(&m, "match", 1, &p->match);
    rc = rc ? rc : read_tokens(&m, p);
    rc = rc ? rc : read_token_tasks(&m, recipe, p);
    rc = rc ? rc : wire_get_bin(&m, "pair", &out->pair);
    rc = rc ? rc : feed_get_u32(&m, "visual", r->in->payload_count - 1, &frame);
    if (rc == 0 && frame == 0) {
        rc = err_set(E_PEER, "a sample without its visual record");
    }
    if (rc == 0) {
        out->frame = frame;
        out->visual = r->in->payload[frame];
    }
    return rc;
}

/* ---- vocabulary ---- */

static const char *const id_names[] = {"size", "pad",  "unk",          "cls",
                                       "sep",  "mask", "random_first", "random_end"};
enum { ID_NAMES = sizeof id_names / sizeof *id_names };

_Static_assert(sizeof(struct wordpiece_ids) == ID_NAMES * sizeof(uint32_t),
               "id_names lists the members of struct wordpiece_ids in their order");

void feed_put_wordpiece(struct wire_out *out, const struct wordpiece_ids *ids)
{
    uint32_t v[ID_NAMES];
    memcpy(v, ids, sizeof v);
    for (size_t i = 0; i < ID_NAMES; i++) {
        wire_put_u64(out, id_names[i], v[i]);
    }
}

int feed_get_wordpiece(const struct wire_map *m, struct wordpiece_ids *ids)
{
    uint32_t v[ID_NAMES] = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ID_NAMES; i++) {
        rc = feed_get_u32(m, id_names[i], i ? v[0] : UINT32_MAX, &v[i]);
    }
    memcpy(ids, v, sizeof v);
    return rc;
}
