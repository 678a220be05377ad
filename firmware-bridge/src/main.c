#include "hal.h"

int main(void)
{
    struct bridge_board board = hal_start();
    struct bridge bridge;
    bridge_init(&bridge, &board, hal_uptime_ms(), hal_inputs());
    hal_outputs(0);
    for (;;) {
        uint8_t wire[FRAME_WIRE_MAX];
        hal_outputs(bridge_tick(&bridge, hal_uptime_ms(), hal_inputs()));
        /* One byte a round: a flood of them delays no lease. */
        int byte = hal_receive();
        size_t count = byte < 0 ? 0 : bridge_receive(&bridge, (uint8_t)byte, wire);
        if (count > 0)
            hal_send(wire, count);
        hal_alive();
    }
}
