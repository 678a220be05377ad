/* The core as other languages call it: the whole board in one opaque piece of memory. */
#include "bridge.h"

size_t shared_size(void);
void shared_init(struct bridge *bridge, uint8_t inputs);

size_t shared_size(void)
{
    return sizeof(struct bridge);
}

void shared_init(struct bridge *bridge, uint8_t inputs)
{
    struct bridge_board board = {.input_count = 4, .output_count = 2, .reset_cause = BRIDGE_RESET_POWER};
    bridge_init(bridge, &board, 0, inputs);
}
