/* What a board has to bring: the only I/O there is. src/main.c is the whole program. */
#ifndef HAL_H
#define HAL_H

#include "bridge.h"

struct bridge_board hal_start(void);
uint32_t hal_uptime_ms(void);
uint8_t hal_inputs(void);             /* bit n: contact n + 1 is closed */
void hal_outputs(uint8_t driven);     /* bit n: output n + 1 is driven */
int hal_receive(void);                /* next byte, -1: none */
void hal_send(const uint8_t *bytes, size_t count);
void hal_alive(void);                 /* once a round: feeds the watchdog */

#endif
