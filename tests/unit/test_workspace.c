#include <criterion/criterion.h>

#include "detector/workspace.h"
#include "detector_fixture.h"

/* One random sequence of takes and gives; where each block came to lie goes to `places`. */
static size_t play(struct workspace *ws, uint64_t seed, size_t places[200])
{
    struct dice dice = {.seed = seed};
    void *live[20] = {NULL};
    for (int i = 0; i < 200; i++) {
        const int slot = dice_int(&dice, 0, 19);
        const size_t n = (size_t)dice_int(&dice, 0, 5000);
        if (live[slot]) {
            workspace_give(ws, live[slot]);
            live[slot] = NULL;
            places[i] = 0;
        } else {
            live[slot] = workspace_take(ws, n, 3);
            places[i] = (uintptr_t)live[slot] - ws->base;
        }
    }
    for (int i = 0; i < 20; i++) {
        if (live[i]) {
            workspace_give(ws, live[i]);
        }
    }
    return ws->peak;
}

Test(workspace, a_dry_run_foretells_places_and_peak)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct workspace ws = {.memory = NULL};
        size_t dry[200];
        size_t real[200];
        workspace_reset(&ws, 1);
        const size_t peak = play(&ws, seed, dry);
        cr_assert_eq(workspace_grow(&ws, peak), 0);
        workspace_reset(&ws, 0);
        cr_assert_eq(play(&ws, seed, real), peak);
        cr_assert_arr_eq(dry, real, sizeof dry);
        workspace_release(&ws);
    }
}

Test(workspace, live_blocks_never_overlap_and_are_aligned)
{
    struct bench b;
    bench_init(&b);
    struct dice dice = {.seed = 3};
    unsigned char *live[30] = {NULL};
    size_t size[30] = {0};
    for (int i = 0; i < 3000; i++) {
        const int s = dice_int(&dice, 0, 29);
        if (live[s]) {
            for (size_t k = 0; k < size[s]; k++) {
                cr_assert_eq(live[s][k], (unsigned char)s);
            }
            workspace_give(&b.ws, live[s]);
            live[s] = NULL;
        } else {
            size[s] = (size_t)dice_int(&dice, 0, 300);
            live[s] = workspace_take(&b.ws, size[s], 1);
            cr_assert_eq((uintptr_t)live[s] % 64, 0);
            memset(live[s], s, size[s]);
        }
    }
    bench_release(&b);
}

Test(workspace, memory_given_back_is_used_again)
{
    struct bench b;
    bench_init(&b);
    const void *first = workspace_take(&b.ws, 1000, 4);
    const void *second = workspace_take(&b.ws, 1000, 4);
    workspace_give(&b.ws, first);
    cr_assert_eq(workspace_take(&b.ws, 900, 4), first);
    cr_assert_gt((uintptr_t)workspace_take(&b.ws, 1000, 4), (uintptr_t)second);
    bench_release(&b);
}
