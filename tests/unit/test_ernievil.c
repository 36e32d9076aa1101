/* ERNIE-ViL's samples: their text, regions, matching, and every option. */
#include "recipes/order.h"
#include "tests/unit/ernievil_fixture.h"

enum { DRAWN = 6000 };

/* A caption without a graph. */
static void make_plain(struct caption *c, uint64_t number)
{
    make_caption(c, number, "one two three four five six seven eight nine ten");
}

/* ---- options ---- */

Test(ernievil, the_defaults_are_those_documented)
{
    struct recipe_options o;
    struct buf text;
    buf_init(&text, 4096);
    cr_assert_eq(recipe_options_parse(&recipe_ernievil, NULL, &o), 0);
    cr_assert_eq(recipe_options_print(&recipe_ernievil, &o, &text), 0);
    cr_assert_eq(buf_terminate(&text), 0);
    cr_assert_str_eq(
        (const char *)text.p,
        "joint=1,mlm=0,object=0,attribute=0,relation=0,task_block=64,max_tokens=60,"
        "object_rate=0.29999999999999999,attribute_rate=0.29999999999999999,"
        "relation_rate=0.29999999999999999,count=bernoulli,protect_ends=1,protect_owner=1,"
        "evoked=1,fate=node,node_mask=0.80000000000000004,node_random=0.10000000000000001,"
        "keep_loss=1,fallback=1,joint_mlm=1,mlm_rate=0.14999999999999999,"
        "mlm_mask=0.80000000000000004,mlm_random=0.10000000000000001,least=1,"
        "mrm_rate=0.14999999999999999,mrm_mask=0.90000000000000002,mrm_target=soft,negative=0.5,"
        "mismatch_loss=1,equality=medium,conf=0.20000000000000001,min_regions=10,max_regions=36");
    buf_release(&text);
}

static void expect_refused(const char *options, uint32_t classes, const char *says)
{
    struct recipe_context c = {.recipe = &recipe_ernievil};
    cr_assert_eq(recipe_options_parse(&recipe_ernievil, options, &c.options), 0, "%s", err_text());
    cr_assert_eq(recipe_check(&c, classes), E_ARG, "%s", options);
    cr_assert_not_null(strstr(err_text(), says), "%s says: %s", options, err_text());
}

Test(ernievil, options_that_cannot_work_are_refused_with_what_to_do)
{
    expect_refused("joint=0", CLASSES, "joint=1");
    expect_refused("node_mask=0.8,node_random=0.3", CLASSES, "node_random");
    expect_refused("mlm_mask=0.8,mlm_random=0.3", CLASSES, "mlm_random");
    expect_refused("min_regions=37", CLASSES, "min_regions");
    expect_refused("", 0, "mrm_target=feature");
    expect_refused("mrm_target=class", 0, "mrm_target=feature");
    struct recipe_context c = {.recipe = &recipe_ernievil};
    cr_assert_eq(recipe_options_parse(&recipe_ernievil, "mrm_target=feature", &c.options), 0);
    cr_assert_eq(recipe_check(&c, 0), 0);
}

/* All bytes of a sample that a trainer sees, summed so that order and place count. */
static uint64_t sample_sum(const struct sample *s, uint64_t h)
{
    for (uint32_t i = 0; i < s->count; i++) {
        for (uint64_t b = 0; b < s->arrays[i].bytes; b++) {
            h = (h ^ ((const unsigned char *)s->arrays[i].data)[b]) * 0x100000001b3u;
        }
        h = (h ^ s->arrays[i].shape[0]) * 0x100000001b3u;
    }
    return h;
}

/* What 200 samples with these options look like; their pairs with and without a graph. */
static uint64_t look(const char *options)
{
    const struct recipe_context c = ernievil_context(options);
    struct medium m;
    uint64_t h = 0;
    make_medium(&m, 50);
    for (int i = 0; i < 30; i++) {
        m.conf[i + 15] = 0.1f;
    }
    for (uint64_t i = 0; i < 200; i++) {
        struct caption t;
        (i % 4 ? make_figure : make_plain)(&t, i);
        t.record.group = group_of(NULL, 3);
        t.nodes[IN].implicit = 1;
        struct plan plan = plan_of_pair(&c, &t.record, 0, i, 3);
        struct sample s = sample_of_pair(&c, &t.record, &m, &plan);
        h = sample_sum(&s, h ^ plan.medium);
        sample_release(&s);
    }
    return h;
}

/* Each option changes what comes out, in a mix where it has something to say. */
Test(ernievil, every_option_has_an_effect)
{
    static const struct {
        const char *with; /* besides */
        const char *a;
        const char *b;
    } cases[] = {
        {"", "joint=1", "joint=0,mlm=1"},
        {"object=1", "mlm=0", "mlm=1"},
        {"mlm=1", "object=0", "object=1"},
        {"", "attribute=0", "attribute=1"},
        {"", "relation=0", "relation=1"},
        {"mlm=1", "task_block=1", "task_block=7"},
        {"", "object_rate=0.3", "object_rate=0.4"},
        {"", "attribute_rate=0.3", "attribute_rate=0.4"},
        {"", "relation_rate=0.3", "relation_rate=0.4"},
        {"", "count=bernoulli", "count=ceiling"},
        {"", "protect_ends=0", "protect_ends=1"},
        {"", "protect_owner=0", "protect_owner=1"},
        {"", "evoked=0", "evoked=1"},
        {"", "fate=node", "fate=piece"},
        {"", "node_mask=0.8", "node_mask=0.6"},
        {"", "node_random=0.1", "node_random=0.2"},
        {"", "keep_loss=0", "keep_loss=1"},
        {"joint=0,object=1", "fallback=0", "fallback=1"},
        {"", "joint_mlm=0", "joint_mlm=1"},
        {"", "mlm_rate=0.15", "mlm_rate=0.3"},
        {"", "mlm_mask=0.8", "mlm_mask=0.5"},
        {"", "mlm_random=0.1", "mlm_random=0.2"},
        {"joint_mlm=0,fallback=0", "least=0", "least=1"},
        {"", "mrm_rate=0.15", "mrm_rate=0.3"},
        {"", "mrm_mask=0.9", "mrm_mask=0.5"},
        {"", "mrm_target=soft", "mrm_target=class"},
        {"", "mrm_target=soft", "mrm_target=feature"},
        {"", "negative=0.5", "negative=0.1"},
        {"", "mismatch_loss=0", "mismatch_loss=1"},
        {"", "equality=medium", "equality=group"},
        {"", "conf=0.2", "conf=0.05"},
        {"conf=0.9", "min_regions=10", "min_regions=12"},
        {"conf=-1", "max_regions=36", "max_regions=35"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char a[200];
        char b[200];
        snprintf(a, sizeof a, "%s,%s", cases[i].a, cases[i].with);
        snprintf(b, sizeof b, "%s,%s", cases[i].b, cases[i].with);
        cr_assert_eq(look(a), look(a), "%s", a);
        cr_assert_neq(look(a), look(b), "%s and %s", a, b);
    }
}

Test(ernievil, too_long_and_empty_texts_are_left_out_never_cut)
{
    const struct recipe_context c = ernievil_context("max_tokens=9");
    cr_assert_eq(recipe_judge(&c, 9, 1), RECIPE_TAKES);
    cr_assert_eq(recipe_judge(&c, 10, 1), RECIPE_TEXT_TOO_LONG);
    cr_assert_eq(recipe_judge(&c, 0, 1), RECIPE_TEXT_EMPTY);
    cr_assert_eq(recipe_judge(&c, 5, 0), RECIPE_NO_REGIONS);
    struct caption t;
    struct plan plan;
    const struct recipe_place place = {0};
    make_plain(&t, 1); /* 10 sub-tokens */
    cr_assert_eq(recipe_plan(&c, &place, &t.record, &plan), E_ARG);
    cr_assert_not_null(strstr(err_text(), "10 sub-tokens"), "%s", err_text());
}

/* ---- tasks ---- */

Test(ernievil, single_tasks_are_drawn_by_weight_a_block_at_a_time)
{
    const struct recipe_context c =
        ernievil_context("joint=4,mlm=1,object=2,attribute=2,relation=1,task_block=5");
    static const double weights[ERNIEVIL_TASKS] = {4, 1, 2, 2, 1};
    double counts[ERNIEVIL_TASKS] = {0};
    struct caption t;
    make_figure(&t, 1);
    for (uint64_t b = 0; b < DRAWN; b++) {
        const uint32_t task = plan_of_pair(&c, &t.record, 0, 5 * b, 0).task;
        counts[task]++;
        cr_assert_eq(plan_of_pair(&c, &t.record, 0, 5 * b + 4, 0).task, task);
    }
    for (uint32_t k = 0; k < ERNIEVIL_TASKS; k++) {
        const double p = weights[k] / 10;
        expect_within(counts[k], p * DRAWN, DRAWN * p * (1 - p), recipe_ernievil.tasks[k]);
    }
}

Test(ernievil, a_single_task_asks_for_nothing_else_where_it_finds_nodes)
{
    static const char *const only[] = {NULL, ONLY_WORDS, ONLY_OBJECT, ONLY_ATTRIBUTE,
                                       ONLY_RELATION};
    for (uint8_t task = ERNIEVIL_MLM; task < ERNIEVIL_TASKS; task++) {
        char options[100];
        snprintf(options, sizeof options, "%s,count=ceiling", only[task]);
        const struct recipe_context c = ernievil_context(options);
        for (uint64_t i = 0; i < 200; i++) {
            struct caption t;
            make_figure(&t, i);
            const struct plan plan = caption_plan(&c, &t, 0);
            cr_assert_eq(plan.task, task);
            for (uint32_t k = 0; k < plan.tokens; k++) {
                cr_assert(plan.token_for[k] == 0 || plan.token_for[k] == task);
            }
        }
    }
}

/* ---- masked language modelling ---- */

static void count_words(const char *options, int graph, double ops[4], double *pieces)
{
    const struct recipe_context c = ernievil_context(options);
    *pieces = 0;
    memset(ops, 0, 4 * sizeof *ops);
    for (uint64_t i = 0; i < DRAWN; i++) {
        struct caption t;
        (graph ? make_figure : make_plain)(&t, i);
        const struct plan plan = caption_plan(&c, &t, 0);
        for (uint32_t k = 0; k < plan.tokens; k++) {
            ops[plan.token_op[k]]++;
            cr_assert(plan.token_op[k] == MASK_NONE || plan.token_for[k] == ERNIEVIL_MLM);
        }
        *pieces += plan.tokens;
    }
}

/* Alone; as the fallback of a task whose type the caption has none of; and in joint samples of
 * captions without a graph: always the same share of sub-tokens. */
Test(ernievil, mlm_is_its_own_task_part_of_joint_and_the_fallback_of_the_others)
{
    const char *const options[] = {ONLY_WORDS,     "joint=1",     ONLY_OBJECT,
                                   ONLY_ATTRIBUTE, ONLY_RELATION, "joint_mlm=0"};
    for (size_t k = 0; k < sizeof options / sizeof *options; k++) {
        char text[100];
        double ops[4];
        double n;
        snprintf(text, sizeof text, "%s,least=0", options[k]);
        count_words(text, 0, ops, &n);
        const double p = 0.15;
        expect_within(ops[MASK_HIDE], 0.8 * p * n, n * 0.12 * 0.88, "hidden");
        expect_within(ops[MASK_RANDOM], 0.1 * p * n, n * 0.015 * 0.985, "replaced");
        expect_within(ops[MASK_KEEP], 0.1 * p * n, n * 0.015 * 0.985, "kept");
    }
}

Test(ernievil, the_fallback_and_the_least_can_be_switched_off)
{
    double ops[4];
    double n;
    count_words(ONLY_OBJECT ",fallback=0,least=0", 0, ops, &n);
    cr_assert_eq(ops[MASK_NONE], n);
    count_words(ONLY_OBJECT ",fallback=0,least=1", 0, ops, &n); /* one of each text */
    cr_assert_eq(ops[MASK_HIDE], DRAWN);
    cr_assert_eq(ops[MASK_RANDOM] + ops[MASK_KEEP], 0);
    count_words("joint_mlm=0,fallback=0,least=0,object_rate=0,attribute_rate=0,relation_rate=0", 1,
                ops, &n);
    cr_assert_eq(ops[MASK_NONE], n);
}

/* Also where the type is there and the draw took none of it. */
Test(ernievil, of_every_text_at_least_one_sub_token_is_asked_for_each_alike)
{
    const struct recipe_context c =
        ernievil_context("joint=0,relation=1,relation_rate=0.05,mlm_rate=0.01");
    const struct recipe_context one = ernievil_context(ONLY_WORDS ",mlm_rate=0");
    double by_place[10] = {0};
    for (uint64_t i = 0; i < DRAWN; i++) {
        struct caption t;
        make_figure(&t, i);
        const struct plan plan = caption_plan(&c, &t, 0);
        uint32_t asked = 0;
        for (uint32_t k = 0; k < plan.tokens; k++) {
            asked += plan.token_op[k] != MASK_NONE;
        }
        cr_assert_geq(asked, 1);
        make_plain(&t, i);
        const struct plan forced = caption_plan(&one, &t, 0);
        for (uint32_t k = 0; k < forced.tokens; k++) {
            by_place[k] += forced.token_op[k] == MASK_HIDE;
        }
    }
    for (uint32_t k = 0; k < 10; k++) {
        expect_within(by_place[k], 0.1 * DRAWN, 0.09 * DRAWN, "the one sub-token");
    }
}

/* Every relation and every open object is chosen, kept, and not asked for. */
Test(ernievil, the_one_sub_token_is_none_that_a_node_took_or_protects)
{
    const struct recipe_context c = ernievil_context(
        "relation_rate=1,object_rate=1,attribute_rate=1,node_mask=0,node_random=0,keep_loss=0,"
        "mlm_rate=0");
    for (uint64_t i = 0; i < 200; i++) {
        struct caption t;
        make_figure(&t, i);
        const struct plan plan = caption_plan(&c, &t, 0);
        uint32_t asked = 0;
        for (uint32_t k = 0; k < plan.tokens; k++) {
            asked += plan.token_op[k] == MASK_HIDE && plan.token_for[k] == ERNIEVIL_MLM;
        }
        cr_assert_eq(asked, 1);
        for (uint32_t n = 0; n < FIGURE_NODES; n++) {
            cr_assert(is_visible(&plan, &t, n));
        }
    }
}

/* ---- the arrays ---- */

Test(ernievil, text_labels_and_tasks_stand_where_the_plan_says)
{
    const struct recipe_context c = ernievil_context("mlm_rate=0.3,mlm_random=0.2");
    struct medium m;
    unsigned ops = 0;
    unsigned tasks = 0;
    make_medium(&m, 20);
    for (uint64_t i = 0; i < 200; i++) {
        struct caption t;
        make_figure(&t, i);
        struct plan plan = caption_plan(&c, &t, 0);
        struct sample s = sample_of_pair(&c, &t.record, &m, &plan);
        const uint64_t length = plan.tokens + 2u;
        const int32_t *ids = data_of(&s, "src_ids", ARRAY_I32, length, 0);
        const int32_t *positions = data_of(&s, "src_pos", ARRAY_I32, length, 0);
        const int32_t *segments = data_of(&s, "src_seg", ARRAY_I32, length, 0);
        const int32_t *labels = data_of(&s, "mask_label", ARRAY_I32, length, 0);
        const int32_t *why = data_of(&s, "mask_task", ARRAY_I32, length, 0);
        const int32_t *lengths = data_of(&s, "lengths", ARRAY_I32, 2, 0);
        cr_assert(lengths[0] == (int32_t)length && lengths[1] == 21);
        cr_assert(ids[0] == 2 && ids[length - 1] == 3 && labels[0] == -1 && why[0] == 0 &&
                  labels[length - 1] == -1 && why[length - 1] == 0);
        for (uint32_t k = 0; k < plan.tokens; k++) {
            const int32_t old = (int32_t)t.ids[k];
            const uint8_t op = plan.token_op[k];
            const int32_t input = op == MASK_HIDE     ? 4
                                  : op == MASK_RANDOM ? (int32_t)plan.token_random[k]
                                                      : old;
            cr_assert(ids[k + 1] == input && labels[k + 1] == (op == MASK_NONE ? -1 : old));
            cr_assert(positions[k] == (int32_t)k && segments[k] == 0);
            cr_assert_eq(why[k + 1], plan.token_for[k]);
            ops |= 1u << op;
            tasks |= 1u << plan.token_for[k];
        }
        cr_assert_str_eq(s.task, "joint");
        sample_release(&s);
    }
    cr_assert(ops == 0xf && tasks == 0x1f);
}

/* numpy: float32 arithmetic, x1/W, y1/H, x2/W, y2/H and (y2-y1)*(x2-x1)/(W*H). */
Test(ernievil, geometry_is_the_normalised_box_and_its_share_of_the_image)
{
    static const struct {
        float box[4];
        uint32_t width;
        uint32_t height;
        float five[5];
    } cases[] = {
        {{10, 20, 110.5f, 220.25f},
         640,
         480,
         {0x1.0000000000000p-6f, 0x1.5555560000000p-5f, 0x1.61999a0000000p-3f,
          0x1.d5ddde0000000p-2f, 0x1.0c55c20000000p-4f}},
        {{333.375f, 1.75f, 334.125f, 479},
         999,
         480,
         {0x1.55b7bc0000000p-2f, 0x1.ddddde0000000p-9f, 0x1.567c8a0000000p-2f,
          0x1.feeeee0000000p-1f, 0x1.875ac40000000p-11f}},
        {{0, 0, 1333, 800}, 1333, 800, {0, 0, 1, 1, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float got[5];
        ernievil_geometry(cases[i].box, cases[i].width, cases[i].height, got);
        for (int k = 0; k < 5; k++) {
            cr_assert_eq(got[k], cases[i].five[k], "case %zu number %d: %a", i, k, (double)got[k]);
        }
    }
}

Test(ernievil, the_whole_image_comes_first_as_the_mean_of_what_is_seen)
{
    const struct recipe_context c = ernievil_context("mrm_rate=0.4,mrm_mask=0.5,negative=0");
    struct medium m;
    struct caption t;
    make_medium(&m, 20);
    make_figure(&t, 9);
    struct plan plan = caption_plan(&c, &t, 0);
    struct sample s = sample_of_pair(&c, &t.record, &m, &plan);
    const float *f = data_of(&s, "image_embeddings", ARRAY_F32, 21, DIM);
    const float *loc = data_of(&s, "image_loc", ARRAY_F32, 21, 5);
    const uint8_t *asked = data_of(&s, "image_label", ARRAY_U8, 21, 0);
    static const float whole[5] = {0, 0, 1, 1, 1};
    unsigned ops = 0;
    float mean[DIM] = {0};
    cr_assert_arr_eq(loc, whole, sizeof whole);
    cr_assert_eq(asked[0], 0);
    for (uint32_t i = 0; i < 20; i++) {
        float five[5];
        ernievil_geometry(m.boxes[i], 640, 480, five);
        cr_assert_arr_eq(loc + 5 * (i + 1), five, sizeof five); /* kept where masked */
        cr_assert_eq(asked[i + 1], plan.region_op[i] != MASK_NONE);
        ops |= 1u << plan.region_op[i];
        for (uint32_t k = 0; k < DIM; k++) {
            const float value = half_to_float(m.features[i][k]);
            const float seen = plan.region_op[i] == MASK_HIDE ? 0 : value;
            cr_assert_eq(f[(i + 1) * DIM + k], seen);
            mean[k] += seen;
        }
    }
    for (uint32_t k = 0; k < DIM; k++) {
        cr_assert_eq(f[k], mean[k] / 20); /* zeroed regions count among the 20 */
    }
    cr_assert_eq(ops, 1u << MASK_NONE | 1u << MASK_HIDE | 1u << MASK_KEEP);
    sample_release(&s);
}

Test(ernievil, regions_are_masked_by_rate_90_zeroed_10_kept_and_none_is_forced)
{
    const struct recipe_context c = ernievil_context(NULL);
    struct medium m;
    double ops[4] = {0};
    double none = 0;
    make_medium(&m, 10);
    for (uint64_t i = 0; i < DRAWN; i++) {
        struct caption t;
        make_plain(&t, i);
        struct plan plan = caption_plan(&c, &t, 0);
        struct sample s = sample_of_pair(&c, &t.record, &m, &plan);
        int chosen = 0;
        for (uint32_t k = 0; k < 10; k++) {
            ops[plan.region_op[k]]++;
            chosen += plan.region_op[k] != MASK_NONE;
        }
        none += chosen == 0;
        sample_release(&s);
    }
    const double n = 10.0 * DRAWN;
    const double p = pow(0.85, 10);
    expect_within(ops[MASK_HIDE], 0.135 * n, n * 0.135 * 0.865, "zeroed");
    expect_within(ops[MASK_KEEP], 0.015 * n, n * 0.015 * 0.985, "kept");
    expect_within(none, p * DRAWN, DRAWN * p * (1 - p), "samples without a chosen region");
}

Test(ernievil, ten_to_36_regions_are_used)
{
    const struct recipe_context c = ernievil_context(NULL);
    struct medium m;
    struct caption t;
    make_plain(&t, 1);
    static const uint32_t counts[][2] = {{100, 36}, {20, 20}, {5, 5}};
    for (size_t i = 0; i < 3; i++) {
        make_medium(&m, counts[i][0]);
        struct plan plan = caption_plan(&c, &t, 0);
        struct sample s = sample_of_pair(&c, &t.record, &m, &plan);
        cr_assert_eq(plan.regions, counts[i][1]);
        data_of(&s, "image_loc", ARRAY_F32, counts[i][1] + 1, 5);
        sample_release(&s);
    }
    make_medium(&m, 60);
    memset(m.conf, 0, sizeof m.conf);
    struct plan plan = caption_plan(&c, &t, 0);
    struct sample s = sample_of_pair(&c, &t.record, &m, &plan);
    cr_assert_eq(plan.regions, 10);
    sample_release(&s);
}

/* make_medium() gives region i its best class at 1 + i % 5. */
Test(ernievil, chosen_regions_are_asked_for_their_labels_class_or_features)
{
    static const char *const options[] = {"mrm_rate=0.5,mrm_target=soft",
                                          "mrm_rate=0.5,mrm_target=class",
                                          "mrm_rate=0.5,mrm_target=feature"};
    struct medium m;
    struct caption t;
    make_medium(&m, 20);
    make_plain(&t, 4);
    for (uint32_t kind = 0; kind < 3; kind++) {
        const struct recipe_context c = ernievil_context(options[kind]);
        struct plan plan = caption_plan(&c, &t, 0);
        struct sample s = sample_of_pair(&c, &t.record, &m, &plan);
        uint64_t asked = 0;
        for (uint32_t i = 0; i < 20; i++) {
            asked += plan.region_op[i] != MASK_NONE;
        }
        cr_assert(asked > 2 && asked < 18);
        const uint64_t columns = kind == 0 ? CLASSES : kind == 1 ? 0 : DIM;
        const void *target = data_of(&s, ernievil_target_names[kind],
                                     kind == 1 ? ARRAY_I32 : ARRAY_F32, asked, columns);
        uint64_t row = 0;
        for (uint32_t i = 0; i < 20; i++) {
            if (plan.region_op[i] == MASK_NONE) {
                continue;
            }
            for (uint32_t k = 0; k < columns; k++) {
                const half want = kind == 0 ? m.soft[i][k] : m.features[i][k];
                cr_assert_eq(((const float *)target)[row * columns + k], half_to_float(want));
            }
            cr_assert(kind != 1 || ((const int32_t *)target)[row] == (int32_t)(1 + i % 5));
            row++;
        }
        sample_release(&s);
    }
}

Test(ernievil, a_medium_without_soft_labels_is_refused_where_they_are_asked_for)
{
    const struct recipe_context soft = ernievil_context(NULL);
    const struct recipe_context feature = ernievil_context("mrm_target=feature");
    struct medium m;
    struct caption t;
    make_medium(&m, 20);
    make_plain(&t, 1);
    m.record.classes = 0;
    m.record.soft_labels = NULL;
    struct plan plan = caption_plan(&soft, &t, 0);
    struct sample s;
    sample_init(&s, 1 << 20);
    cr_assert_eq(recipe_materialise(&soft, &t.record, &m.record, &plan, &s), E_ARG);
    cr_assert_eq(recipe_materialise(&feature, &t.record, &m.record, &plan, &s), 0);
    m.record.n = 0;
    cr_assert_eq(recipe_materialise(&feature, &t.record, &m.record, &plan, &s), E_ARG);
    cr_assert_not_null(strstr(err_text(), "ernievil"), "%s", err_text());
    sample_release(&s);
}

/* ---- matching ---- */

Test(ernievil, half_of_the_samples_look_at_any_other_medium_and_say_so)
{
    const struct recipe_context c = ernievil_context(NULL);
    struct medium m;
    double matches = 0;
    double counts[MEDIA] = {0};
    make_medium(&m, 10);
    for (uint64_t i = 0; i < DRAWN; i++) {
        struct caption t;
        make_plain(&t, i);
        struct plan plan = caption_plan(&c, &t, 0);
        struct sample s = sample_of_pair(&c, &t.record, &m, &plan);
        const int32_t *match = data_of(&s, "match_label", ARRAY_I32, 1, 0);
        cr_assert(match[0] == (plan.medium == 3) && plan.match == (uint32_t)match[0]);
        matches += match[0];
        counts[plan.medium]++;
        sample_release(&s);
    }
    expect_within(matches, DRAWN / 2.0, DRAWN / 4.0, "matches");
    for (uint64_t k = 0; k < MEDIA; k++) {
        if (k != 3) {
            expect_within(counts[k], 0.5 / (MEDIA - 1) * DRAWN, DRAWN * 0.5 / (MEDIA - 1),
                          "one medium as negative");
        }
    }
}

/* The input stays masked; what is not asked for has no label. */
Test(ernievil, a_mismatched_sample_asks_for_words_and_regions_only_when_told_to)
{
    struct medium m;
    make_medium(&m, 20);
    for (int loss = 0; loss < 2; loss++) {
        const struct recipe_context c =
            ernievil_context(loss ? "mrm_rate=0.5" : "mrm_rate=0.5,mismatch_loss=0");
        int seen[2] = {0};
        for (uint64_t i = 0; i < 50; i++) {
            struct caption t;
            make_figure(&t, i);
            struct plan plan = caption_plan(&c, &t, 0);
            struct sample s = sample_of_pair(&c, &t.record, &m, &plan);
            const int32_t *ids = data_of(&s, "src_ids", ARRAY_I32, plan.tokens + 2u, 0);
            const int32_t *labels = data_of(&s, "mask_label", ARRAY_I32, plan.tokens + 2u, 0);
            const int32_t *why = data_of(&s, "mask_task", ARRAY_I32, plan.tokens + 2u, 0);
            const uint8_t *asked = data_of(&s, "image_label", ARRAY_U8, 21, 0);
            const int asks = loss || plan.match;
            int masked = 0;
            uint64_t regions = 0;
            for (uint32_t k = 0; k < plan.tokens; k++) {
                const int chosen = plan.token_op[k] != MASK_NONE;
                masked += ids[k + 1] == 4;
                cr_assert_eq(labels[k + 1] >= 0, chosen && asks);
                cr_assert_eq(why[k + 1] > 0, chosen && asks);
            }
            for (uint32_t k = 0; k < 20; k++) {
                cr_assert_eq(asked[k + 1], asks && plan.region_op[k] != MASK_NONE);
                regions += asked[k + 1];
            }
            cr_assert_eq(sample_find(&s, "image_soft_labels")->shape[0], regions);
            seen[plan.match] += masked > 0;
            sample_release(&s);
        }
        cr_assert(seen[0] > 0 && seen[1] > 0);
    }
}

/* ---- what a sample depends on ---- */

static uint64_t sum_at(const struct recipe_context *c, const struct order *o, uint64_t position)
{
    const uint64_t index = order_at(o, position);
    struct caption t;
    struct medium m;
    make_figure(&t, index);
    struct plan plan = plan_of_pair(c, &t.record, 1, position, index % MEDIA);
    make_medium(&m, 10 + (uint32_t)plan.medium);
    struct sample s = sample_of_pair(c, &t.record, &m, &plan);
    const uint64_t sum = sample_sum(&s, position);
    sample_release(&s);
    return sum;
}

Test(ernievil, every_world_gets_the_same_global_sequence)
{
    enum { N = 101 };
    static uint64_t whole[N];
    const struct recipe_context c = ernievil_context("object=1,relation=1,task_block=30");
    struct order o;
    cr_assert_eq(order_init(&o, c.seed, 1, N), 0);
    for (uint64_t p = 0; p < N; p++) {
        whole[p] = sum_at(&c, &o, p);
    }
    for (uint64_t world = 2; world < 5; world++) {
        for (uint64_t rank = world; rank-- > 0;) {
            for (uint64_t p = rank; p < N; p += world) {
                cr_assert_eq(sum_at(&c, &o, p), whole[p]);
            }
        }
    }
}

Test(ernievil, epochs_seeds_and_pairs_draw_anew_and_a_grown_corpus_does_not)
{
    struct recipe_context c = ernievil_context("negative=0,mlm_rate=0.3");
    struct caption t;
    struct caption other;
    make_figure(&t, 77);
    make_figure(&other, 78);
    const struct plan a = caption_plan(&c, &t, 0);
    const struct plan again = caption_plan(&c, &t, 0);
    const struct plan epoch = caption_plan(&c, &t, 1);
    const struct plan pair = caption_plan(&c, &other, 0);
    c.corpus.media = 1000000;
    const struct plan grown = plan_of_pair(&c, &t.record, 0, 123456, 99);
    c.seed++;
    const struct plan seed = caption_plan(&c, &t, 0);
    cr_assert_eq(memcmp(&a, &again, sizeof a), 0);
    cr_assert_arr_eq(a.token_op, grown.token_op, a.tokens);
    cr_assert_arr_eq(a.token_for, grown.token_for, a.tokens);
    cr_assert_arr_eq(a.token_random, grown.token_random, a.tokens * sizeof(uint32_t));
    cr_assert_neq(memcmp(a.token_op, epoch.token_op, a.tokens), 0);
    cr_assert_neq(memcmp(a.token_op, pair.token_op, a.tokens), 0);
    cr_assert_neq(memcmp(a.token_op, seed.token_op, a.tokens), 0);
}
